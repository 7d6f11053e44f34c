"""The log of requests that arrived, with methods to wait for them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from attrs import define, field

from ._dotnet import read_json
from ._routing import OPERATIONS, Operation

Event = Literal["received", "acted"]


@define(eq=False, kw_only=True)
class RecordedRequest:
    """A request that was read completely. Its repr shows nothing of its content.

    Attributes:
        number: The number of the request, from 1 in order of arrival.
        method: The HTTP method.
        path: The path as it was sent, without the query.
        query: The parameters, by name in lower case, including `api-key` if the key was sent there.
        headers: The headers. Names are found in upper or lower case.
        operation: The requested operation; None if no operation has this method and path.
        content: The bytes of the body. Empty if bodies are not kept.
        connection: The number of the request's connection, from 1.
        arrived: The time of arrival, in seconds of the event loop's clock.
        status: The status of the answer. None before the answer, and if no status was sent at all.
        acted: True once the request was carried out.
        fault: The number of the rule whose fault was applied to the request; None without a fault.
        problem: A problem of the sandbox itself, such as an exception in a fault's `when`; otherwise empty.
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
        """The body as JSON; None without a body, or if it is not JSON."""
        try:
            return read_json(self.content) if self.content else None
        except ValueError:
            return None


@define(eq=False)
class RequestLog:
    """The requests in order of arrival, and the counts of requests that are being read or answered."""

    in_flight: int = 0
    max_in_flight: int = 0
    requests: list[RecordedRequest] = field(init=False, factory=list[RecordedRequest])
    _counts: Counter[tuple[Event, str]] = field(init=False, factory=Counter[tuple[Event, str]])
    _changed: asyncio.Event = field(init=False, factory=asyncio.Event)

    def clear(self) -> None:
        """Remove all requests. Those in flight still count as such."""
        self.requests.clear()
        self._counts.clear()
        self.max_in_flight = self.in_flight

    def begin(self) -> None:
        """Count a request as in flight once its head has arrived."""
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def end(self) -> None:
        self.in_flight -= 1

    def add(self, request: RecordedRequest) -> None:
        self.requests.append(request)
        self._count("received", request)

    def mark_acted(self, request: RecordedRequest) -> None:
        request.acted = True
        self._count("acted", request)

    def _count(self, event: Event, request: RecordedRequest) -> None:
        self._counts[event, "any"] += 1
        self._counts[event, request.operation or "other"] += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, event: Event, count: int, operation: Operation | None) -> None:
        """Wait until `count` requests have arrived, or were carried out."""
        if operation is not None and operation not in OPERATIONS:
            raise ValueError(f"operation must be one of {', '.join(OPERATIONS)}")
        while self._counts[event, operation or "any"] < count:
            await self._changed.wait()
