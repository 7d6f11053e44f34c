"""The sandbox in a thread of its own: for tests that are no coroutines, or that have another event loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from ..app import Operation
from ..double_send import A_DAY
from ..faults import Fault
from ..server import Sandbox
from ..signatures import takes
from .handles import ThreadedClock, ThreadedRule
from .loop import LoopThread

if TYPE_CHECKING:
    from types import TracebackType

    from ..double_send import DoubleSend
    from ..journal import RecordedRequest
    from ..limiter import RateLimit
    from ..schema import Wire

_EVENTS = ("hold", "act_after", "hidden_for")


class ThreadedSandbox:
    """A `Sandbox` in a thread and an event loop of its own, with the same arguments.

    Use it as ``with ThreadedSandbox(...) as sandbox``, in tests of any kind, and from any thread.
    What it is asked is done in the sandbox's loop, in order with the requests that arrive there. What was sent to
    it can still be looked at when it has stopped.

    Raises:
        ValueError: As with `Sandbox`.
        RuntimeError: From what changes it, waits, or tells where it is, while it is not running.
    """

    @takes(Sandbox)
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._thread = LoopThread(sandbox)

    def __repr__(self) -> str:
        return f"<ThreadedSandbox {self.url if self._thread.is_running else 'stopped'}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, once this returns.

        Raises:
            RuntimeError: It listens already.
            OSError: The port is taken.
        """
        self._thread.start()

    def stop(self) -> None:
        """Close the port, every connection, the loop and the thread, within a second; what waits is given up.

        Raises:
            RuntimeError: A fault's `when` keeps the thread; it is left behind after ten seconds.
        """
        self._thread.stop()

    @property
    def url(self) -> str:
        """Where it listens, with the prefix and without a slash at the end."""
        return self._thread.do(lambda: self._sandbox.url)

    @property
    def api_key(self) -> str:
        """The key that is asked for; setting it changes it at once."""
        return self._thread.do(lambda: self._sandbox.api_key)

    @api_key.setter
    def api_key(self, key: str) -> None:
        self._thread.do(lambda: setattr(self._sandbox, "api_key", key))

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables by which a client finds it: CAMPAIGNS_BASE_URL and CAMPAIGNS_API_KEY."""
        return {"CAMPAIGNS_BASE_URL": self.url, "CAMPAIGNS_API_KEY": self.api_key}

    @property
    def requests(self) -> Sequence[RecordedRequest]:
        """What arrived, in that order."""
        return self._thread.look(lambda: self._sandbox.requests)

    @property
    def created(self) -> list[Wire]:
        """What was created over HTTP, in order, as it was then, with its `contacts`."""
        return self._thread.look(lambda: self._sandbox.created)

    @property
    def campaigns(self) -> list[Wire]:
        """The campaigns that exist now, hidden ones too, in their order."""
        return self._thread.look(lambda: self._sandbox.campaigns)

    def contacts(self, campaign_id: str) -> list[Wire]:
        """The contacts of a campaign.

        Raises:
            KeyError: There is no such campaign.
        """
        return self._thread.look(lambda: self._sandbox.contacts(campaign_id))

    @property
    def messages(self) -> list[Wire]:
        """What went out to each person: `campaignId`, `phoneNumber` and `status`, of created campaigns only."""
        return self._thread.look(lambda: self._sandbox.messages)

    def add(
        self, campaign: Mapping[str, Any], contacts: Iterable[Mapping[str, Any]] = (), *, at: int | None = None
    ) -> None:
        """Put a campaign in as it is given, unvalidated: at an index from 0, or at the end.

        Raises:
            ValueError: There is one with that id already.
        """
        self._thread.do(lambda: self._sandbox.add(campaign, contacts, at=at))

    def remove(self, campaign_id: str) -> None:
        """Take a campaign away.

        Raises:
            KeyError: There is no such campaign.
        """
        self._thread.do(lambda: self._sandbox.remove(campaign_id))

    @takes(Fault)
    def fault(self, fault: Fault) -> ThreadedRule:
        """Add a fault, of the fields of `Fault`; the first rule that is due meets a request.

        Returns:
            The rule: `fired` counts, `stop()` ends it, `release()` answers what hangs.

        Raises:
            ValueError: The fields do not fit together, or are out of range.
            TypeError: One of them is an event: it would belong to another loop.
        """
        return self.add_fault(fault)

    def add_fault(self, fault: Fault) -> ThreadedRule:
        """Add a fault, such as those of `presets`.

        Raises:
            TypeError: It is no fault, or a field of it is an event: that would belong to another loop.
        """
        for name in _EVENTS:
            if isinstance(getattr(fault, name, None), asyncio.Event):
                raise TypeError(
                    f"{name} must be no event: it would belong to another loop than the sandbox's. "
                    "Use hang=True, and release() of the rule"
                )
        return ThreadedRule(self._thread, self._thread.do(lambda: self._sandbox.add_fault(fault)))

    @property
    def faults(self) -> tuple[ThreadedRule, ...]:
        """The rules that were added, in order."""
        return tuple(ThreadedRule(self._thread, rule) for rule in self._thread.look(lambda: self._sandbox.faults))

    @property
    def clock(self) -> ThreadedClock:
        """The sandbox's time, by which created campaigns begin and end."""
        return ThreadedClock(self._thread, self._sandbox.clock)

    @property
    def rate_limit(self) -> RateLimit | None:
        """How many requests a second are served; setting it starts the count anew.

        Raises:
            ValueError: When set, to what is out of range.
        """
        return self._thread.do(lambda: self._sandbox.rate_limit)

    @rate_limit.setter
    def rate_limit(self, limit: RateLimit | float | None) -> None:
        self._thread.do(lambda: setattr(self._sandbox, "rate_limit", limit))

    @property
    def in_flight(self) -> int:
        """How many requests are being read or answered now."""
        return self._thread.look(lambda: self._sandbox.in_flight)

    @property
    def max_in_flight(self) -> int:
        """The most requests that were ever in flight at once."""
        return self._thread.look(lambda: self._sandbox.max_in_flight)

    def double_sends(self, *, within: timedelta = A_DAY) -> list[DoubleSend]:
        """The campaigns that bring the same text from the same sender to the same people.

        Args:
            within: How far apart their start times may be at most.
        """
        return self._thread.look(lambda: self._sandbox.double_sends(within=within))

    def assert_no_double_send(self, *, within: timedelta = A_DAY) -> None:
        """Fail if anyone would get the same text from the same sender twice.

        Args:
            within: How far apart the start times may be at most, to count as twice.

        Raises:
            AssertionError: Names the campaigns, and how many people they share.
        """
        __tracebackhide__ = True  # pytest then shows the line of the test
        try:
            self._thread.look(lambda: self._sandbox.assert_no_double_send(within=within))
        except AssertionError as error:
            raise AssertionError(str(error)) from None

    def reset(self) -> None:
        """Go back to what it was built with: no requests, no faults, the campaigns, clock, key and limit as given."""
        self._thread.do(self._sandbox.reset)

    def wait_received(self, count: int, operation: Operation | None = None, timeout: float = 5.0) -> None:
        """Wait till so many requests have arrived whole, of one operation or of any.

        Args:
            count: From 1.
            operation: None: any.
            timeout: Seconds.

        Raises:
            TimeoutError: Fewer arrived in time.
            ValueError: There is no such operation.
        """
        __tracebackhide__ = True
        try:
            self._thread.wait(lambda: self._sandbox.received(count, operation), timeout)
        except TimeoutError:
            raise TimeoutError(_too_few("arrived", count, operation, timeout, self.requests)) from None

    def wait_acted(self, count: int, operation: Operation | None = None, timeout: float = 5.0) -> None:
        """Wait till so many requests were carried out, of one operation or of any.

        Args:
            count: From 1.
            operation: None: any.
            timeout: Seconds.

        Raises:
            TimeoutError: Fewer were in time.
            ValueError: There is no such operation.
        """
        __tracebackhide__ = True
        try:
            self._thread.wait(lambda: self._sandbox.acted(count, operation), timeout)
        except TimeoutError:
            acted = [request for request in self.requests if request.acted]
            raise TimeoutError(_too_few("were carried out", count, operation, timeout, acted)) from None


def _too_few(
    what: str, count: int, operation: Operation | None, timeout: float, requests: Sequence[RecordedRequest]
) -> str:
    counts = Counter(str(request.operation or "other") for request in requests)
    there = counts.total() if operation is None else counts[operation]
    wanted = "requests" if operation is None else f"{operation} requests"
    text = f"{there} of {count} {wanted} {what} within {timeout:g} seconds"
    if counts:
        text += "; in all: " + ", ".join(f"{number} {name}" for name, number in counts.most_common())
    if _in_a_loop():
        text += ". The event loop of this thread stood still meanwhile: wait with `await asyncio.to_thread(...)`"
    return text


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
