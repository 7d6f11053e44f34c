"""One operation over many items, in parallel. Items are read only as fast as they are processed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias, TypeVar, cast

from attrs import define, field, frozen

from campaigns_async._engine.effect_record import CURRENT, EffectRecord
from campaigns_async.effects import Effect, effect_of
from campaigns_async.errors import CampaignsError, ClientClosedError, InvalidArgumentError
from campaigns_async.outcome_unknown import OutcomeUnknownError

T = TypeVar("T")
R = TypeVar("R")


@frozen
class Outcome(Generic[T, R]):
    """The outcome of one item of a fan-out.

    Attributes:
        index: The item's position in the input, from 0.
        item: The item.
        value: The operation's return value; for `create_many`, the new id. None if the operation raised an error.
        error: The error that the operation raised; None for a success.
        effect: The effect of the operation on the server. Of an operation that makes several requests: UNKNOWN if one
            that changes something is, else APPLIED, REJECTED, NOT_SENT in this order. Reads count only if nothing else
            was sent.
        request_id: The server's id of the request, to quote to its support. Set for errors that have one, and for
            successes of `create_many`. None if the server sent no id.
    """

    index: int
    item: T = field(repr=False)
    value: R | None = None
    error: Exception | None = field(default=None, repr=lambda error: error and type(error).__name__)
    effect: Effect = Effect.APPLIED
    request_id: str | None = None

    @property
    def ok(self) -> bool:
        """True if the operation succeeded."""
        return self.error is None


@define(eq=False)  # not frozen: one is created for each item, and a frozen one takes longer
class Result(Generic[R]):
    """The return value of an operation, with the server's id of its request."""

    value: R
    request_id: str | None


Items: TypeAlias = Iterable[T] | AsyncIterable[T]
ItemOperation: TypeAlias = Callable[[T], Awaitable[R]] | Callable[[T], Awaitable[Result[R]]]
_APPLIED = Effect.APPLIED  # Python 3.11 looks up a member slowly


class FanOut(Generic[T, R]):
    """An async iterator of outcomes, in the order in which they complete. Best used with `async with`.

    At the end of the block, the fan-out reads no further item, waits for requests in flight within the grace of the
    client's timeouts, and cancels the rest. Outcomes that are ready can still be iterated after the block. An iterator that is
    garbage-collected without `async with` cancels its requests in flight.

    Attributes:
        unresolved: After the block, the failures that were not iterated and may have changed something on the server:
            their effect is UNKNOWN or APPLIED.
    """

    def __init__(
        self,
        operation: ItemOperation[T, R],
        items: Items[T],
        *,
        limit: int,
        grace: float,
        records_effects: bool = False,
    ) -> None:
        self._pool: _WorkerPool[T, R] = _WorkerPool(operation, items, limit, records_effects=records_effects)
        self._grace = grace
        self.unresolved: tuple[Outcome[T, R], ...] = ()

    def __repr__(self) -> str:
        return f"<FanOut, {len(self._pool.ready)} outcomes ready{', all items read' if self._pool.is_over else ''}>"

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome[T, R]:
        outcome = self._pool.take_ready()
        if outcome is None:
            outcome = await self._pool.next()
        if outcome is None:
            raise StopAsyncIteration
        return outcome

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the fan-out, as the end of its `async with` block does."""
        try:
            await self._pool.finish(self._grace)
        finally:
            self.unresolved = tuple(
                left
                for left in self._pool.ready
                if left.error is not None and left.effect in (Effect.UNKNOWN, Effect.APPLIED)
            )

    def __del__(self) -> None:
        pool: _WorkerPool[T, R] | None = self.__dict__.get("_pool")  # missing if __init__ raised an error
        if pool is not None and not pool.is_over:
            pool.abandon()


class _WorkerPool(Generic[T, R]):
    """The state that the tasks share. They hold no reference to the `FanOut`: its finalizer stops them."""

    def __init__(self, operation: ItemOperation[T, R], items: Items[T], limit: int, *, records_effects: bool) -> None:
        self._operation = operation
        self._records_effects = records_effects
        self._outer_record = CURRENT.get()
        self._limit = limit
        self._count = 0
        # One for each item that was read and has no outcome yet, so that no item sees what another set in its context.
        self._workers: dict[asyncio.Task[Outcome[T, R]], tuple[int, T]] = {}
        self._refill_due = False
        self._changed = asyncio.Event()
        self._has_room = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None  # of an async iterable
        self._error: BaseException | None = None
        self._exhausted = False
        self.ready: deque[Outcome[T, R]] = deque()
        self._async_items: AsyncIterator[T] | None = None
        self._items: Iterator[T] = iter(())
        if isinstance(items, AsyncIterable):
            self._async_items = aiter(items)
        elif isinstance(items, Iterable) and not isinstance(items, (str, bytes)):
            self._items = iter(items)
        else:
            raise InvalidArgumentError(f"a fan-out takes an iterable or async iterable, not {type(items).__name__}")

    @property
    def is_over(self) -> bool:
        """True if every item has its outcome, and no further item will be read."""
        return self._exhausted and not self._workers

    def take_ready(self) -> Outcome[T, R] | None:
        """Start as many items as the limit allows. Return an outcome that is ready; None if there is no such outcome."""
        self._fill()
        if not self.ready:
            return None
        if not self._exhausted and not self._refill_due:
            self._refill_due = True  # once this outcome is returned, there is room for another item
            asyncio.get_running_loop().call_soon(self._refill)
        return self.ready.popleft()

    async def next(self) -> Outcome[T, R] | None:
        """Wait for the next outcome; return None after the last.

        Raises:
            BaseException: The error of the iterable, after the outcomes of all items that were read.
        """
        while True:
            if (outcome := self.take_ready()) is not None:
                return outcome
            if self.is_over:
                error, self._error = self._error, None
                if error is not None:
                    raise error
                return None
            self._changed.clear()
            await self._changed.wait()

    async def finish(self, grace: float) -> None:
        """Read no further item, wait up to `grace` seconds for requests in flight, and cancel the rest."""
        self._exhausted = True
        if self._reader is not None:
            self._reader.cancel()
        try:
            if self._workers:
                await asyncio.wait(self._workers, timeout=grace)
        finally:
            for worker in self._workers:
                worker.cancel()
            if self._workers:
                await asyncio.wait(self._workers)
            if self._reader is not None:
                await asyncio.wait([self._reader])
            close = getattr(self._async_items, "aclose", None)
            if close is not None:
                await close()

    def abandon(self) -> None:
        """Cancel all tasks, from the thread in which the garbage collector runs."""
        self._exhausted = True
        for task in (*self._workers, *([self._reader] if self._reader is not None else [])):
            with suppress(RuntimeError):  # the loop is closed, and so are its tasks
                task.get_loop().call_soon_threadsafe(task.cancel)

    def _refill(self) -> None:
        self._refill_due = False
        self._fill()

    def _fill(self) -> None:
        if self._async_items is not None:
            self._has_room.set()
            if self._reader is None and not self._exhausted:
                self._reader = asyncio.create_task(self._read_all(self._async_items))
            return
        while not self._exhausted and len(self._workers) + len(self.ready) < self._limit:
            try:
                item = next(self._items)
            except StopIteration:
                self._exhausted = True
            except BaseException as error:  # such as pytest's Failed: an event loop would log it, or end at once
                self._end_input(error)
            else:
                self._start(item)

    async def _read_all(self, items: AsyncIterator[T]) -> None:
        try:
            while not self._exhausted:
                while len(self._workers) + len(self.ready) >= self._limit:
                    self._has_room.clear()
                    await self._has_room.wait()
                item = await anext(items)
                if self._exhausted:  # `finish` was called while the item was read: do not send it
                    self.ready.append(_build_aborted(self._count, item, Effect.NOT_SENT))
                    self._count += 1
                    break
                self._start(item)
        except StopAsyncIteration:
            pass
        except BaseException as error:
            if not (self._exhausted and isinstance(error, asyncio.CancelledError)):  # not cancelled by `finish`
                self._end_input(error)
        finally:
            self._exhausted = True
            self._changed.set()

    def _end_input(self, error: BaseException) -> None:
        """Read no further item, and have `next` raise the error after the outcomes of the requests in flight."""
        self._error, self._exhausted = error, True
        if isinstance(error, asyncio.CancelledError):  # it must not look like a cancellation of the caller
            self._error = RuntimeError("the input was cancelled before its end")
            self._error.__cause__ = error

    def _start(self, item: T) -> None:
        worker = asyncio.create_task(self._work(self._count, item))
        self._workers[worker] = (self._count, item)
        self._count += 1
        worker.add_done_callback(self._on_done)

    async def _work(self, index: int, item: T) -> Outcome[T, R]:
        record = None
        if self._records_effects:
            record = EffectRecord(self._outer_record)
            CURRENT.set(record)
        try:
            return _build_success(index, item, await self._operation(item), record)
        except Exception as error:
            if error.__traceback__ is not None:  # without this frame, which has the item
                error.__traceback__ = error.__traceback__.tb_next
            effect, request_id = _effect_of(error, record), getattr(error, "request_id", None)
            return Outcome(index, item, error=error, effect=effect, request_id=request_id)
        except asyncio.CancelledError as stop:  # not raised again: the item has its outcome
            return _build_aborted(index, item, _effect_of(stop, record))
        except GeneratorExit:  # the event loop was closed
            raise
        except BaseException as fatal:  # ends the iteration: a task that raised a SystemExit would end the event loop
            self._error, self._exhausted = fatal, True
            outcome = _build_aborted(index, item, _effect_of(fatal, record))
            if outcome.error is not None:
                outcome.error.__cause__ = fatal
            return outcome

    def _on_done(self, worker: asyncio.Task[Outcome[T, R]]) -> None:
        index, item = self._workers.pop(worker)
        was_started = not worker.cancelled()
        self.ready.append(worker.result() if was_started else _build_aborted(index, item, Effect.NOT_SENT))
        self._changed.set()


def _effect_of(error: BaseException, record: EffectRecord | None) -> Effect:
    return (record.effect if record is not None else None) or effect_of(error)


def _build_success(index: int, item: T, value: R | Result[R], record: EffectRecord | None) -> Outcome[T, R]:
    if isinstance(value, Result):
        result = cast("Result[R]", value)
        return Outcome(index, item, result.value, None, _APPLIED, result.request_id)
    effect = record.effect if record is not None else None
    return Outcome(index, item, value, effect=effect or _APPLIED)


def _build_aborted(index: int, item: T, effect: Effect) -> Outcome[T, Any]:
    error: CampaignsError
    if effect in (Effect.UNKNOWN, Effect.APPLIED):
        error = OutcomeUnknownError(
            "cancelled while in flight: it may have been carried out. "
            "Look for it on the server before you send it again",
            cause_type=asyncio.CancelledError,
        )
    else:
        error = ClientClosedError("cancelled before the request was sent")
    error.effect = effect
    return Outcome(index, item, error=error, effect=effect)
