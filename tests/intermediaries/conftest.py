"""These tests need nginx, Varnish and HAProxy: only a run that names this folder collects them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from campaigns_async.sandbox import Sandbox
from intermediaries.programs import Run, run_proxy

_FOLDER = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Ignore this folder in a run of all tests."""
    named = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    return None if any(_FOLDER in (path, *path.parents) for path in named) else True


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Run a sandbox that takes the key in any form."""
    async with Sandbox(seed=1) as running:
        yield running


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs a proxy in a directory of the test."""
    return lambda program: run_proxy(program, tmp_path / program.name)
