"""The requests that arrived, and waiting for them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import Factory, define, field

from ._dotnet import read_json
from ._routing import OPERATIONS, Operation


@define(eq=False, kw_only=True)
class RecordedRequest:
    """One request that was read completely. Its repr shows nothing of its content.

    Attributes:
        number: From 1, in order of arrival.
        method: The verb.
        path: The path as it was sent, without the query.
        query: Parameters by name in lower case, `api-key` among them if it was sent there.
        headers: The headers; names are found in any case.
        operation: The operation that was asked for; None where there is none for the verb and path.
        content: The bytes of the body; empty when bodies are not kept.
        connection: The number of the connection it came over, from 1.
        arrived: The time of arrival, in seconds of the event loop's clock.
        status: The status of the answer; None until then, and where no status was sent at all.
        acted: True once the request was carried out.
        fault: The number of the rule that met the request; None if none did.
        problem: A problem of the sandbox itself, such as an exception in a fault's `when`; else empty.
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
        """The body as JSON; None when there is none, or when it is not JSON."""
        try:
            return read_json(self.content) if self.content else None
        except ValueError:
            return None


@define(eq=False)
class _Tally:
    """Counts requests, and wakes those who wait for a count."""

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


class RequestLog:
    """Keeps the requests and lets tests wait for them."""

    def __init__(self) -> None:
        self._requests: list[RecordedRequest] = []
        self._received = _Tally()
        self._acted = _Tally()
        self._in_flight = 0
        self._max_in_flight = 0

    @property
    def requests(self) -> Sequence[RecordedRequest]:
        """All requests, in order of arrival."""
        return tuple(self._requests)

    @property
    def count(self) -> int:
        """Number of requests that arrived."""
        return len(self._requests)

    @property
    def in_flight(self) -> int:
        """Number of requests that are being read or answered now."""
        return self._in_flight

    @property
    def max_in_flight(self) -> int:
        """Highest number of requests that were in flight at once."""
        return self._max_in_flight

    def clear(self) -> None:
        """Forget all requests; those in flight still count as such."""
        self._requests.clear()
        self._received.clear()
        self._acted.clear()
        self._max_in_flight = self._in_flight

    def begin(self) -> None:
        """Count a request whose head has arrived as in flight."""
        self._in_flight += 1
        self._max_in_flight = max(self._max_in_flight, self._in_flight)

    def end(self) -> None:
        """Count a request as answered, or given up."""
        self._in_flight -= 1

    def add(self, request: RecordedRequest) -> None:
        """Add a request that was read completely."""
        self._requests.append(request)
        self._received.add(request.operation)

    def mark_acted(self, request: RecordedRequest) -> None:
        """Note that a request was carried out."""
        request.acted = True
        self._acted.add(request.operation)

    async def wait_received(self, count: int, operation: Operation | None) -> None:
        """Wait until `count` requests have arrived."""
        await self._received.reach(count, operation)

    async def wait_acted(self, count: int, operation: Operation | None) -> None:
        """Wait until `count` requests were carried out."""
        await self._acted.reach(count, operation)
