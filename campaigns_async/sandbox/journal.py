"""The requests that arrived, and waiting for them."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson
from attrs import Factory, define, field

from .app import OPERATIONS, Operation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@define(eq=False, kw_only=True)
class RecordedRequest:
    """One request that was read whole. Its repr shows nothing of what it carried.

    Attributes:
        number: From 1, in order of arrival.
        method: The verb.
        path: As it was sent, without the query.
        query: Parameters by name in lower case, `api-key` among them if it was sent there.
        headers: Names are found in any case.
        operation: What was asked for; None where no operation answers to it.
        content: The body's bytes; empty when bodies are not kept.
        connection: Numbers the connection it came over, from 1.
        arrived: When, in seconds of the event loop's clock.
        status: What was answered; None until then, and where no status was sent at all.
        acted: Whether it was carried out.
        fault: The number of the rule that met it, 0 for a magic number; None: none did.
        problem: What went wrong in the sandbox itself, such as an exception in a fault's `when`; empty: nothing.
    """

    number: int
    method: str
    path: str = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    operation: Operation | None
    content: bytes = field(repr=False)
    connection: int
    arrived: float
    status: int | None = None
    acted: bool = False
    fault: int | None = None
    problem: str = ""

    @property
    def body(self) -> Any:
        """The body as JSON; None when there is none, or when it is no JSON."""
        try:
            return orjson.loads(self.content) if self.content else None
        except orjson.JSONDecodeError:
            return None


@define(eq=False)
class _Tally:
    counts: Counter[Operation | None] = Factory(Counter["Operation | None"])
    total: int = 0
    waiting: list[tuple[int, Operation | None, asyncio.Future[None]]] = Factory(list[Any])

    def add(self, operation: Operation | None) -> None:
        self.counts[operation] += 1
        self.total += 1
        for count, wanted, future in self.waiting:
            if not future.done() and self.of(wanted) >= count:
                future.set_result(None)

    def clear(self) -> None:
        self.counts.clear()
        self.total = 0

    def of(self, operation: Operation | None) -> int:
        return self.total if operation is None else self.counts[operation]

    async def reach(self, count: int, operation: Operation | None) -> None:
        if operation is not None and operation not in OPERATIONS:
            raise ValueError(f"operation must be one of {', '.join(OPERATIONS)}")
        if self.of(operation) >= count:
            return
        entry = (count, operation, asyncio.get_running_loop().create_future())
        self.waiting.append(entry)
        try:
            await entry[2]
        finally:
            self.waiting.remove(entry)


class Journal:
    """Keeps the requests and lets tests wait for them."""

    def __init__(self) -> None:
        self._requests: list[RecordedRequest] = []
        self._arrived = _Tally()
        self._acted = _Tally()
        self._in_flight = 0
        self._max_in_flight = 0

    @property
    def requests(self) -> Sequence[RecordedRequest]:
        """All of them, in order of arrival."""
        return tuple(self._requests)

    @property
    def count(self) -> int:
        """How many arrived."""
        return self._arrived.total

    @property
    def in_flight(self) -> int:
        """How many are being read or answered now."""
        return self._in_flight

    @property
    def max_in_flight(self) -> int:
        """The most that were ever in flight at once."""
        return self._max_in_flight

    def clear(self) -> None:
        """Forget what arrived; who waits goes on waiting, and what is in flight stays so."""
        self._requests.clear()
        self._arrived.clear()
        self._acted.clear()
        self._max_in_flight = self._in_flight

    def begin(self) -> None:
        """A request's head is here."""
        self._in_flight += 1
        self._max_in_flight = max(self._max_in_flight, self._in_flight)

    def end(self) -> None:
        """It was answered, or given up."""
        self._in_flight -= 1

    def add(self, request: RecordedRequest) -> None:
        """A request was read whole."""
        self._requests.append(request)
        self._arrived.add(request.operation)

    def mark_acted(self, request: RecordedRequest) -> None:
        """A request was carried out."""
        request.acted = True
        self._acted.add(request.operation)

    async def arrived(self, count: int, operation: Operation | None) -> None:
        """Wait till so many have arrived."""
        await self._arrived.reach(count, operation)

    async def acted(self, count: int, operation: Operation | None) -> None:
        """Wait till so many were carried out."""
        await self._acted.reach(count, operation)
