"""Defaults of most tests of durable sends: no requests but those of the rows."""

from __future__ import annotations

import pytest

from campaigns_async.jobs import Job, send


@pytest.fixture(autouse=True)
def no_preflight(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send without a preflight and without reading the first campaign back, unless the test is marked `preflight`."""
    if "preflight" not in request.keywords:
        for function in (send, Job.__init__):
            monkeypatch.setitem(function.__kwdefaults__, "preflight", False)
            monkeypatch.setitem(function.__kwdefaults__, "accept_altered", True)
