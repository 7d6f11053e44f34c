"""The rows of the table, and the amount of work for each."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from benchmarks.pairs import Measured

CONTACTS = 10
"""The contacts of each campaign that is created."""
IN_FLIGHT = 64
KEY = "benchmark"
LATENCY = 0.02
"""The latency of the slower of the two servers, in seconds."""
TYPICAL = 20_000
"""The contacts of a listing of usual length."""


@frozen
class Size:
    """The amount of work.

    Attributes:
        rounds: The pairs of each call.
        imports: The pairs of imports.
        alone: The creates of a round, one after the other.
        creates: The creates of a round, many in flight.
        pages: The pages of a round.
        page_size: The rows of a page.
        sent: The campaigns of a durable send.
        sends: The pairs of durable sends.
        rows: The contacts of a very long listing.
        chunk: The contacts of a short listing, which parts of the long one are compared with.
        chunks: The parts of the long listing, each as long as several short ones.
        few: The creates of a fan-out whose memory is compared with that of a larger one.
        many: The creates of the larger fan-out.
        peaks: The pairs of peaks of memory.
        most: The largest amount of a curve.
    """

    rounds: int = 31
    imports: int = 31
    alone: int = 400
    creates: int = 1_000
    pages: int = 20
    page_size: int = 1_000
    sent: int = 4_000
    sends: int = 25
    rows: int = 1_000_000
    chunk: int = 10_000
    chunks: int = 20
    few: int = 10_000
    many: int = 100_000
    peaks: int = 3
    most: int = 1_000_000


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
"""Work enough to see whether a fast path was lost."""
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
"""Work enough to see that the benchmarks run."""


@frozen
class Place:
    """The servers of a measurement, and the amount of work.

    Attributes:
        url: The URL of a server that answers at once.
        late_url: The URL of a server that answers after `LATENCY`.
    """

    url: str
    late_url: str
    size: Size


@frozen
class Row:
    """A row of the table, and the function that measures it."""

    name: str
    measure: Callable[[Place], Measured]
