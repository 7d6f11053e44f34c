"""The one private name that tests of exports use: how often a file is made durable, and by which clock."""

from __future__ import annotations

import time
from collections.abc import Callable

from campaigns_async.export._part_file import PartFile

_DEFAULTS = PartFile.__init__.__kwdefaults__


def sync_every(seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Make the files of this process's exports durable every `seconds` of this clock."""
    _DEFAULTS.update(sync_every=seconds, clock=clock)
