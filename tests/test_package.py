"""The package as a whole: cheap to import, and all that is public is where it should be."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import campaigns_async

HEAVY = ("aiohttp", "attrs", "cattrs", "tenacity", "msgspec", "click", "rich")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["duckdb", "fastapi", "openapi_spec_validator", "polars", "pyarrow", "pydantic", "uvicorn"]
)
def test_the_full_run_skips_no_module_for_want_of_a_library(name: str) -> None:
    import_module(name)


def test_importing_the_package_loads_none_of_what_it_needs() -> None:
    code = f"import campaigns_async, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_client_loads_nothing_of_what_only_some_need() -> None:
    some = (
        "tenacity",
        "campaigns_async.query",
        "campaigns_async.paging",
        "campaigns_async._reconcile.matching",
        "campaigns_async._reconcile.reconciler",
        "campaigns_async.paging",
    )
    code = f"import campaigns_async, sys; campaigns_async.CampaignsClient; print([n for n in {some!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_is_listed() -> None:
    for name in campaigns_async.__all__:
        assert getattr(campaigns_async, name) is not None
    assert set(campaigns_async.__all__) <= set(dir(campaigns_async))


def test_type_checkers_are_shown_the_names_that_come_lazily_and_no_others() -> None:
    tree = ast.parse(Path(campaigns_async.__file__).read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    shown: dict[str, set[str]] = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        assert all(alias.asname == alias.name for alias in node.names)
        shown.setdefault(str(node.module), set()).update(alias.name for alias in node.names)
    come = {f"campaigns_async.{module}": set(names.split()) for module, names in campaigns_async._MODULES.items()}
    assert shown == {**come, "campaigns_async": {"query"}}


def test_a_star_imports_all_that_is_public() -> None:
    names: dict[str, object] = {}
    exec("from campaigns_async import *", names)  # noqa: S102  # a star is allowed in a module only
    assert set(campaigns_async.__all__) <= set(names)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        campaigns_async.Nothing
