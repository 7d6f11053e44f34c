"""One operation over many items, in parallel, read only as fast as they are processed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias, TypeGuard, TypeVar, cast

from attrs import define, field, frozen

from campaigns_async.effects import Effect, effect_of
from campaigns_async.errors import CampaignsError, ClientClosedError, InvalidArgumentError
from campaigns_async.outcome_unknown import OutcomeUnknownError

T = TypeVar("T")
R = TypeVar("R")


@frozen
class Outcome(Generic[T, R]):
    """What became of one item of a fan-out.

    Attributes:
        index: Position of the item in the input, from 0.
        item: The item.
        value: What the operation returned: for `create_many`, the new id.
        error: What the operation raised; None for a success.
        effect: What is known of the operation's effect.
        request_id: The server's id of the request, for its support: of an error, and of a success of `create_many`.
            None where the server named none.
    """

    index: int
    item: T = field(repr=False)
    value: R | None = None
    error: Exception | None = field(default=None, repr=lambda error: error and type(error).__name__)
    effect: Effect = Effect.APPLIED
    request_id: str | None = None

    @property
    def ok(self) -> bool:
        """True if the operation returned, rather than raised."""
        return self.error is None


Items: TypeAlias = Iterable[T] | AsyncIterable[T]
_APPLIED = Effect.APPLIED  # Python 3.11 looks a member up slowly
ItemOperation: TypeAlias = Callable[[T], Awaitable[R]] | Callable[[T], Awaitable["Answered[R]"]]


@define(eq=False)  # not frozen: one is made for each item
class Answered(Generic[R]):
    """An operation's value and the server's id of its request."""

    value: R
    request_id: str | None


class FanOut(Generic[T, R]):
    """Outcomes as they complete: iterate it, best within `async with`.

    Leaving the block stops the intake, lets what is in flight finish within the grace, and cancels the rest.
    What finished by then can still be iterated. An iterator that is merely dropped cancels what is in flight.

    Attributes:
        unresolved: After the block: outcomes that were not returned and may have been carried out.
    """

    def __init__(self, operation: ItemOperation[T, R], items: Items[T], *, limit: int, grace: float) -> None:
        self._run: _Run[T, R] = _Run(operation, items, limit)
        self._grace = grace
        self.unresolved: tuple[Outcome[T, R], ...] = ()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome[T, R]:
        run = self._run
        outcome = run.take()
        if outcome is None:
            outcome = await run.next()
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
        """Do what leaving the block does."""
        try:
            await self._run.finish(self._grace)
        finally:
            self.unresolved = tuple(left for left in self._run.ready if left.effect is Effect.UNKNOWN)

    def __del__(self) -> None:
        run: _Run[T, R] | None = self.__dict__.get("_run")  # absent where __init__ raised
        if run is not None and not run.over:
            run.abandon()


class _Run(Generic[T, R]):
    """The state that the tasks share; they must not hold the iterator, which stops them when it is dropped.

    Workers are made as they are needed and kept: waking one costs half of what making one costs.
    """

    def __init__(self, operation: ItemOperation[T, R], items: Items[T], limit: int) -> None:
        self._operation = operation
        self._limit = limit
        self._count = 0
        self._under_way = 0
        """Items that were read and have no outcome yet."""
        self._read: deque[tuple[int, T]] = deque()
        """Items of them that no worker has begun; for each a worker is on its way."""
        self._workers: dict[asyncio.Task[None], None] = {}  # in order: a set's would differ from run to run
        self._idle: deque[asyncio.Future[None]] = deque()
        self._refilling = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._intake: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self._exhausted = False
        self.ready: deque[Outcome[T, R]] = deque()
        self._async: AsyncIterator[T] | None = None
        self._sync: Iterator[T] = iter(())
        if isinstance(items, AsyncIterable):
            self._async = aiter(items)
        elif isinstance(items, Iterable) and not isinstance(items, (str, bytes)):
            self._sync = iter(items)
        else:
            raise InvalidArgumentError(f"a fan-out takes an iterable or async iterable, not {type(items).__name__}")

    @property
    def over(self) -> bool:
        """True if nothing is under way and nothing will be."""
        return self._exhausted and not self._under_way

    def take(self) -> Outcome[T, R] | None:
        """Start as many items as there is room for; return an outcome that is ready, if there is one."""
        self._fill()
        if not self.ready:
            return None
        if not self._exhausted and not self._refilling:
            self._refilling = True  # the outcome's place is free once it is returned: keep the pool busy
            asyncio.get_running_loop().call_soon(self._refill)
        return self.ready.popleft()

    async def next(self) -> Outcome[T, R] | None:
        """Return the next outcome; None after the last.

        Raises:
            BaseException: What the iterable raised, after the outcomes of all items that were read.
        """
        while True:
            if (outcome := self.take()) is not None:
                return outcome
            if self.over:
                error, self._error = self._error, None
                if error is not None:
                    raise error
                return None
            self._changed.clear()
            await self._changed.wait()

    async def finish(self, grace: float) -> None:
        """Read no further item; give requests in flight `grace` seconds; cancel the rest."""
        self._stop_intake()
        try:
            if self._workers:
                await asyncio.wait(self._workers, timeout=grace)
        finally:
            for worker in self._workers:
                worker.cancel()
            if self._workers:
                await asyncio.wait(self._workers)
            if self._intake is not None:
                await asyncio.wait([self._intake])
            close = getattr(self._async, "aclose", None)
            if close is not None:
                await close()

    def abandon(self) -> None:
        """Stop at once, from wherever the garbage collector runs."""
        self._exhausted = True
        for task in (*self._workers, *([self._intake] if self._intake is not None else [])):
            with suppress(RuntimeError):  # the loop is closed, and the tasks with it
                task.get_loop().call_soon_threadsafe(task.cancel)

    def _refill(self) -> None:
        self._refilling = False
        self._fill()

    def _fill(self) -> None:
        if self._async is not None:
            self._room.set()
            if self._intake is None and not self._exhausted:
                self._intake = asyncio.create_task(self._take_in(self._async))
            return
        while not self._exhausted and self._under_way + len(self.ready) < self._limit:
            try:
                item = next(self._sync)
            except StopIteration:
                self._exhaust()
            except Exception as error:  # raised after the outcomes of what is in flight
                self._error = error
                self._exhaust()
            else:
                self._start(item)

    async def _take_in(self, items: AsyncIterator[T]) -> None:
        try:
            while not self._exhausted:
                while self._under_way + len(self.ready) >= self._limit:
                    self._room.clear()
                    await self._room.wait()
                item = await anext(items)
                if self._exhausted:  # stopped meanwhile: the item was read, and is not sent
                    self.ready.append(_cut_off(self._count, item, Effect.NOT_SENT))
                    self._count += 1
                    break
                self._start(item)
        except StopAsyncIteration:
            pass
        except asyncio.CancelledError as error:
            if not self._exhausted:  # cancelled by others, not by us
                self._error = RuntimeError("the input was cancelled before its end")
                self._error.__cause__ = error
        except BaseException as error:
            self._error = error
        finally:
            self._exhaust()
            self._changed.set()

    def _start(self, item: T) -> None:
        self._read.append((self._count, item))
        self._count += 1
        self._under_way += 1
        while self._idle:
            woken = self._idle.popleft()
            if not woken.done():
                woken.set_result(None)
                return
        worker = asyncio.create_task(self._work())
        self._workers[worker] = None
        worker.add_done_callback(self._ended)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while self._read:
                index, item = self._read.popleft()
                try:
                    outcome: Outcome[T, R] = _success(index, item, await self._operation(item))
                except Exception as error:
                    request_id = getattr(error, "request_id", None)
                    outcome = Outcome(index, item, error=error, effect=effect_of(error), request_id=request_id)
                except asyncio.CancelledError as stop:
                    # Swallowed: the worker ends here, and the item's outcome must not be lost.
                    self._put(_cut_off(index, item, effect_of(stop)))
                    return
                except BaseException as fatal:  # it ends the iteration; the item still has its outcome
                    self._error = fatal
                    self._exhaust()
                    self._put(_cut_off(index, item, effect_of(fatal)))
                    raise
                self._put(outcome)
            if self._exhausted:
                return
            woken = loop.create_future()
            self._idle.append(woken)
            await woken

    def _put(self, outcome: Outcome[T, R]) -> None:
        self.ready.append(outcome)
        self._under_way -= 1
        self._changed.set()

    def _ended(self, worker: asyncio.Task[None]) -> None:
        del self._workers[worker]
        if worker.cancelled():
            if self._read:  # cancelled on its way to an item, so that nothing of it ran
                index, item = self._read.popleft()
                self._put(_cut_off(index, item, Effect.NOT_SENT))
        else:
            worker.exception()  # has been seen

    def _exhaust(self) -> None:
        """Read nothing more, and let idle workers end."""
        self._exhausted = True
        while self._idle:
            woken = self._idle.popleft()
            if not woken.done():
                woken.set_result(None)

    def _stop_intake(self) -> None:
        self._exhaust()
        if self._intake is not None:
            self._intake.cancel()


def _success(index: int, item: T, answer: R | Answered[R]) -> Outcome[T, R]:
    if _is_answered(answer):
        return Outcome(index, item, answer.value, None, _APPLIED, answer.request_id)
    return Outcome(index, item, cast("R", answer))


def _is_answered(answer: R | Answered[R]) -> TypeGuard[Answered[R]]:
    return isinstance(answer, Answered)


def _cut_off(index: int, item: T, effect: Effect) -> Outcome[T, Any]:
    error: CampaignsError
    if effect is Effect.UNKNOWN:
        error = OutcomeUnknownError(
            "cancelled while in flight: it may have been carried out. "
            "Look for it on the server before you send it again",
            cause_type=asyncio.CancelledError,
        )
    else:
        error = ClientClosedError("cancelled before the request could go out")
    error.effect = effect
    return Outcome(index, item, error=error, effect=effect)
