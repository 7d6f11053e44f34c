"""What a row of the table is, and how much work is done for one."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from benchmarks.pairs import Measured

CONTACTS = 10
"""Contacts of each campaign that is created."""
IN_FLIGHT = 64
KEY = "benchmark"
LATENCY = 0.02
"""Seconds that the slower of the two servers takes to answer."""
TYPICAL = 20_000
"""Contacts in a listing that nobody calls long."""


@frozen
class Size:
    """How much of it all is measured."""

    rounds: int = 31
    """Pairs of each call."""
    imports: int = 31
    """Pairs of imports."""
    alone: int = 400
    """Creates a round, one after the other."""
    creates: int = 1_000
    """Creates a round, many in flight."""
    pages: int = 20
    """Pages a round."""
    page_size: int = 1_000
    sent: int = 4_000
    """Campaigns of a durable send."""
    sends: int = 25
    """Pairs of durable sends."""
    rows: int = 1_000_000
    """Contacts in a listing that is very long."""
    chunk: int = 10_000
    """Contacts in a short one, and in each part of the long one that is compared with it."""
    chunks: int = 20
    """Parts of the long one, each as long as several short ones."""
    few: int = 10_000
    """Creates of a fan-out whose memory is compared with that of a larger one."""
    many: int = 100_000
    """Creates of that larger one."""
    peaks: int = 3
    """Pairs of peaks of memory."""
    most: int = 1_000_000
    """Where the curves end."""


QUICK = Size(
    rounds=15,
    imports=7,
    alone=100,
    creates=256,
    pages=4,
    sent=960,
    sends=5,
    few=2_000,
    many=12_000,
    peaks=1,
    most=10_000,
)
"""Enough to see whether a fast path was lost."""
TINY = Size(
    rounds=1,
    imports=1,
    alone=4,
    creates=16,
    pages=2,
    page_size=10,
    sent=16,
    sends=1,
    rows=1_000,
    chunk=100,
    chunks=3,
    few=16,
    many=32,
    peaks=1,
    most=1_000,
)
"""Only to see that it runs."""


@frozen
class Place:
    """Where it is measured, and how much."""

    url: str
    """Of a server that answers at once."""
    late_url: str
    """Of one that takes its time, `LATENCY`."""
    size: Size


@frozen
class Row:
    """One row of the table."""

    name: str
    measure: Callable[[Place], Measured]
