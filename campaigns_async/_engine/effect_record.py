"""A record of what the requests of one operation did on the server, for an operation that makes several."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TypeVar

from campaigns_async._http.response import Response
from campaigns_async.effects import Effect, changes_something, combine_requests, effect_of
from campaigns_async.values import Operation

T = TypeVar("T")


class EffectRecord:
    """The effects of the requests that are made while it is current: in one item of `client.map`.

    `parent` is the record of the operation around this one, which records the same requests.
    """

    def __init__(self, parent: EffectRecord | None = None) -> None:
        self._parent = parent
        self._changes: list[Effect] = []
        self._reads: list[Effect] = []
        self._in_flight = 0  # requests that change something

    @property
    def effect(self) -> Effect | None:
        """The effect of all requests so far; None without a request."""
        in_flight = [Effect.UNKNOWN] * bool(self._in_flight)
        return combine_requests([*in_flight, *self._changes]) or combine_requests(self._reads)

    async def run(self, operation: Operation, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call and record its effect. Requests that the call makes to conclude on it are not recorded."""
        token = CURRENT.set(None)
        self.begin(operation)
        effect = Effect.APPLIED
        try:
            value = await call()
            if isinstance(value, Response):
                effect = value.effect
        except BaseException as error:
            effect = effect_of(error)
            raise
        else:
            return value
        finally:
            CURRENT.reset(token)
            self.end(operation, effect)

    def begin(self, operation: Operation) -> None:
        self._in_flight += changes_something(operation)
        if self._parent is not None:
            self._parent.begin(operation)

    def end(self, operation: Operation, effect: Effect) -> None:
        is_change = changes_something(operation)
        self._in_flight -= is_change
        (self._changes if is_change else self._reads).append(effect)
        if self._parent is not None:
            self._parent.end(operation, effect)


CURRENT: ContextVar[EffectRecord | None] = ContextVar("campaigns_async.effect_record", default=None)
"""The record of the operation that the current task runs; None if nobody asks for one."""
