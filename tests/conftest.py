"""Fixtures of most tests: a sandbox on a real port, and a client of it with short waits."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator

import hypothesis
import pytest
from support.loops import add_loop_option, use_loop
from support.made import client_of

from campaigns_async import CampaignsClient
from campaigns_async.sandbox import Sandbox

# No deadlines: a slow machine is no failure. "dev" and "ci" take the same examples each time; "soak" looks for new ones.
hypothesis.settings.register_profile("dev", deadline=None, derandomize=True, max_examples=15)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, max_examples=40)
hypothesis.settings.register_profile("soak", deadline=None, max_examples=500)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--loop`."""
    add_loop_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Use the loop of `--loop`, and reset signals as at a terminal.

    A process in the background or under nohup ignores some, and so do its children.
    """
    use_loop(config)
    for name, usual in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.fixture(autouse=True)
def no_settling_by_read_timeouts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a search settle by `ReconcilePolicy.settle` alone: two read timeouts are ten seconds of real time.

    The marker `settles` keeps them, and so does the simulation, whose time is not real.
    """
    if "settles" not in request.keywords and "simulation" not in request.path.parts:
        monkeypatch.setattr("campaigns_async._reconcile.reconciler._READS", 0.0)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Run a new sandbox."""
    async with Sandbox(seed=1) as running:
        yield running


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[CampaignsClient]:
    """Open a client of the sandbox."""
    async with client_of(sandbox) as opened:
        yield opened
