"""The one private name that tests of exports reach for: how often a file is made durable, and by which clock."""

from __future__ import annotations

import time
from collections.abc import Callable

from campaigns_async.export._part_file import PartFile

_DEFAULTS = PartFile.open.__func__.__kwdefaults__  # type: ignore[attr-defined]


def sync_every(seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Have exports of this process make their files durable after so many seconds of this clock."""
    _DEFAULTS.update(sync_every=seconds, clock=clock)
