"""The command line as a function, a small plan, and a sandbox beside it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from attrs import frozen

from campaigns_async.cli import main
from campaigns_async.sandbox import Sandbox

T = TypeVar("T")
_PATIENCE = 60.0
"""Seconds; what takes so long has gone wrong."""


@frozen
class Ended:
    """How a command ended."""

    code: object
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture(autouse=True)
def name_of_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have printed commands begin with `campaigns-async`, whether `pytest` or `python -m pytest` was started."""
    monkeypatch.setattr("sys.argv", ["campaigns-async"])


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `campaigns-async` with these arguments, in this process."""
    for variable in ("CAMPAIGNS_API_KEY", "CAMPAIGNS_BASE_URL", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments: str | Path) -> Ended:
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        return Ended(stopped.value.code, *capfd.readouterr())

    return call


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the jitter of each backoff zero, so that commands in this process retry at once."""
    monkeypatch.setattr("random.Random.uniform", lambda _, low, __: low)


def line(number: int, **fields: Any) -> dict[str, Any]:
    """A line of a plan, which differs by its number."""
    given: dict[str, Any] = {
        "key": f"golf-{number}",
        "startDateTime": f"2031-05-{1 + number % 28:02}T09:30:00.000Z",
        "sender": "Golf",
        "message": f"Tee time {number}, “20% off”",
        "contacts": [
            {"phoneNumber": f"07700900{100 + number % 900}", "name": "Siân"},
            {"phoneNumber": f"+447700900{999 - number % 900}"},
        ],
    }
    return {name: value for name, value in {**given, **fields}.items() if value is not None}


def ndjson(*lines: dict[str, Any]) -> bytes:
    """A plan file's content."""
    return b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in lines)


class Beside:
    """A sandbox in a thread and an event loop of its own, as another process would have it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.sandbox = Sandbox(api_key="the-key-of-the-sandbox")

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Have something done there; fails, rather than hangs, if it never comes about."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=_PATIENCE)

    def event(self) -> asyncio.Event:
        """An event of that loop."""

        async def make() -> asyncio.Event:
            return asyncio.Event()

        return self.wait(make())

    def let_go(self, event: asyncio.Event) -> None:
        """Set it."""
        self._loop.call_soon_threadsafe(event.set)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()
        self.wait(self.sandbox.start())

    def stop(self) -> None:
        """End it all."""
        self.wait(self.sandbox.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def beside() -> Iterator[Beside]:
    """A running one."""
    made = Beside()
    made.start()
    yield made
    made.stop()
