"""The package as a whole: cheap to import, with all public names in their places."""

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
def test_the_full_run_has_every_library_that_a_module_needs(name: str) -> None:
    import_module(name)


def test_importing_the_package_loads_no_dependency() -> None:
    code = f"import campaigns_async, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_client_loads_no_module_that_only_some_programs_need() -> None:
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


def test_every_public_name_exists_and_is_listed_by_dir() -> None:
    for name in campaigns_async.__all__:
        assert getattr(campaigns_async, name) is not None
    assert set(campaigns_async.__all__) <= set(dir(campaigns_async))


def test_type_checkers_see_exactly_the_names_that_are_imported_lazily() -> None:
    tree = ast.parse(Path(campaigns_async.__file__).read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    shown: dict[str, set[str]] = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        assert all(alias.asname == alias.name for alias in node.names)
        shown.setdefault(str(node.module), set()).update(alias.name for alias in node.names)
    come = {f"campaigns_async.{module}": set(names.split()) for module, names in campaigns_async._MODULES.items()}
    assert shown == {**come, "campaigns_async": {"query"}}


def test_a_star_import_has_all_public_names() -> None:
    names: dict[str, object] = {}
    exec("from campaigns_async import *", names)  # noqa: S102  # a star is allowed in a module only
    assert set(campaigns_async.__all__) <= set(names)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        campaigns_async.Nothing
