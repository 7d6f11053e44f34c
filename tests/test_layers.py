"""The layout: imports run one way, names say where things are, and only the transport knows aiohttp."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import campaigns_async

ROOT = Path(campaigns_async.__file__).parent
LAYERS = [
    {"_version"},
    {"values"},
    {"effects"},
    {"errors"},
    {"_checks", "_file_lock", "_ids", "_phone_numbers", "_pydantic_models", "_similar_names", "_threads", "segments"},
    {"_field_rules"},
    {"models"},
    {"settings", "events", "outcome_unknown"},
    {"_http", "query"},
    {"_engine"},
    {"_listing"},
    {"paging", "fanout"},
    {"_paginators"},
    {"_reconcile"},
    {"_runtime"},
    {"campaigns"},
    {"client"},
    {"jobs", "export"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
STANDS_ALONE = {"sandbox", "_pyinstaller"}
MAX_LINES = 450
OTHERWISE_PUBLIC = {
    "campaigns.py",  # its class is what `client.campaigns` is
    "effects.py",  # the tables of effects: a place to read, by name
    "sandbox/pytest_plugin.py",  # pytest's entry point
    "segments.py",  # values without I/O, which may be imported by their module
}
"""Modules without an underscore whose names no `__all__` lists."""
MODULES = sorted(ROOT.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Return all that a module imports, anywhere in it."""
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
    """Return the part of the package that a module belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def find_trespasses(path: Path) -> Iterator[str]:
    """Yield the imports of a module from parts that are not below its own."""
    here = part(path)
    if here == "__init__":  # names every part, but imports it on first use
        return
    for name in sorted(imports(path)):
        if not name.startswith("campaigns_async."):
            continue
        there = name.split(".")[1]
        if here in STANDS_ALONE:
            allowed = there == here  # the client and the sandbox must not share a mistake
        elif there in STANDS_ALONE:
            allowed = here == "cli"
        else:
            allowed = there not in RANK or here == there or RANK[there] < RANK[here]
        if not allowed:
            yield f"{path.relative_to(ROOT)} imports {name}"


def test_a_module_imports_only_what_lies_below_it() -> None:
    assert [offence for path in MODULES for offence in find_trespasses(path)] == []


def test_only_the_transport_knows_aiohttp() -> None:
    allowed = {("client", "aiohttp.ClientSession"), ("client", "aiohttp.Fingerprint")}  # for their types
    assert [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in MODULES
        if path.stem not in {"aiohttp_transport", "aiohttp_settings"} and part(path) != "sandbox"
        for name in sorted(imports(path))
        if name.split(".")[0] == "aiohttp" and (part(path), name) not in allowed
    ] == []


def test_every_part_has_its_layer() -> None:
    assert {part(path) for path in MODULES} - {"__init__"} <= RANK.keys() | STANDS_ALONE


def module_name(path: Path) -> str:
    """Return the dotted name of a module."""
    parts = ("campaigns_async", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


def test_no_import_is_part_of_a_circle() -> None:
    # Whole modules, so that a circle is also found if an import is in a function or under TYPE_CHECKING.
    names = {module_name(path): path for path in MODULES if path != ROOT / "__init__.py"}
    graph = {
        name: {found if found in names else found.rpartition(".")[0] for found in imports(path)} & names.keys() - {name}
        for name, path in names.items()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules


def test_no_basename_occurs_twice() -> None:
    stems = Counter(path.stem for path in MODULES if path.stem not in {"__init__", "__main__"})
    assert [stem for stem, count in stems.items() if count > 1] == []


def test_no_module_is_named_like_a_module_of_the_standard_library() -> None:
    names = {path.stem.strip("_") for path in MODULES} - {"init", "main"}
    assert sorted(names & sys.stdlib_module_names) == []


def test_no_module_lies_deeper_than_one_folder() -> None:
    assert [str(path.relative_to(ROOT)) for path in MODULES if len(path.relative_to(ROOT).parts) > 2] == []


def test_no_module_is_too_long_to_be_read_in_one_go() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def public_names(folder: Path) -> set[str]:
    """Return all names that users import from a folder of the package."""
    return set(import_module(module_name(folder / "__init__.py")).__all__)


def find_names(path: Path) -> set[str]:
    """Return the names that a module defines, and its own: a module can be public as a whole."""
    names = {path.stem}
    for node in ast.parse(path.read_text()).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                names.add(name)
            case _:
                pass
    return names


def test_a_module_without_an_underscore_has_something_to_import() -> None:
    # In a folder with an underscore all is private; the command line is no library.
    folders = [ROOT, *(path.parent for path in MODULES if path.name == "__init__.py" and path.parent.parent == ROOT)]
    assert [
        str(path.relative_to(ROOT))
        for folder in folders
        if not folder.name.startswith("_") and folder.name != "cli"
        for path in sorted(folder.glob("[!_]*.py"))
        if path.relative_to(ROOT).as_posix() not in OTHERWISE_PUBLIC and not find_names(path) & public_names(folder)
    ] == []
