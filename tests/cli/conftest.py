"""The command line as a function, and a small plan."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from campaigns_async.cli import main


@frozen
class Ended:
    """The end of a command: its exit code and output."""

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
    """Return a line of a plan. Lines with different numbers differ."""
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
    """Return the content of a plan file."""
    return b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in lines)
