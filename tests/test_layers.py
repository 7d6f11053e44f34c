"""Imports run one way, and only the transport knows aiohttp."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import campaigns_async

ROOT = Path(campaigns_async.__file__).parent
LAYERS = [
    {"_version", "opening"},
    {"values"},
    {"errors"},
    {"checks", "locking", "models", "segments", "threads"},
    {"settings", "events", "doubt"},
    {"wire", "query"},
    {"engine"},
    {"transport", "paging", "fanout"},
    {"reconcile"},
    {"resources"},
    {"client"},
    {"jobs", "export"},
    {"cli", "testing"},
    {"__main__"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
STANDS_ALONE = {"sandbox"}
MODULES = sorted(ROOT.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """All that a module imports, wherever in it."""
    found: set[str] = set()
    package = ("campaigns_async", *path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def part(path: Path) -> str:
    """The part of the package that a module belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_lies_below_it(path: Path) -> None:
    here = part(path)
    if here == "__init__":  # names every part, and imports none before it is asked for
        return
    for name in imports(path):
        if not name.startswith("campaigns_async."):
            continue
        there = name.split(".")[1]
        if here in STANDS_ALONE:
            assert there == here, f"{path.name} imports {name}: a mistake must not stand on both sides"
        elif there not in STANDS_ALONE and there in RANK:
            assert here == there or RANK[there] < RANK[here], f"{path.name} imports {name}, which lies above it"
        elif there in STANDS_ALONE:
            assert here in {"cli", "testing"}, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_transport_knows_aiohttp(path: Path) -> None:
    if part(path) in {"transport", "sandbox"}:
        return
    allowed = {"aiohttp.ClientSession"} if part(path) == "client" else set()  # for its type
    assert {name for name in imports(path) if name.split(".")[0] == "aiohttp"} <= allowed


def test_every_part_has_its_layer() -> None:
    assert {part(path) for path in MODULES} - {"__init__"} <= RANK.keys() | STANDS_ALONE
