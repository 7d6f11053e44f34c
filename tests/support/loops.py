"""The option `--loop`, which runs the async tests on another event loop, or on eager tasks."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping

import pytest


class LoopPlugin:
    """A plugin that runs every async test on one kind of loop."""

    def __init__(self, name: str) -> None:
        self._factory = {name: _FACTORIES[name]}

    def pytest_asyncio_loop_factories(self) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
        """Return the factory of the loop, by its name."""
        return self._factory


def add_loop_option(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--loop", choices=sorted(_FACTORIES), help="the event loop of async tests (default: asyncio's)")


def use_loop(config: pytest.Config) -> None:
    """Use the loop that the option names."""
    if name := config.getoption("--loop"):
        if name == "eager" and sys.version_info < (3, 12):
            raise pytest.UsageError("--loop eager needs Python 3.12 or newer")
        config.pluginmanager.register(LoopPlugin(name))


def _new_uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


def _new_eager_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    return loop


_FACTORIES = {"uvloop": _new_uvloop, "eager": _new_eager_loop}
