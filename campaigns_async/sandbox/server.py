"""The sandbox: a server on a real port, in the running event loop."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Concatenate, Final, ParamSpec, Self, TypeVar, Unpack

from ._campaign_store import DoubleSend
from ._clock import Clock
from ._request_handler import RequestHandler
from ._request_log import RecordedRequest
from ._routing import Operation
from ._rows import Wire
from ._settings import RateLimit, Settings, WireRow, to_rate_limit
from ._state import State
from ._validators import check_api_key
from .faults import Fault, FaultFields, Rule

_A_DAY: Final = timedelta(days=1)

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="SandboxBase")
T = TypeVar("T")


def with_parameters_of(make: Callable[P, T]) -> Callable[[Callable[[S, T], None]], Callable[Concatenate[S, P], None]]:
    """Replace the only parameter of an initializer, an object, by the parameters that build the object."""
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    signature = inspect.Signature([itself, *inspect.signature(make).parameters.values()])

    def decorate(initialize: Callable[[S, T], None]) -> Callable[Concatenate[S, P], None]:
        @functools.wraps(initialize)
        def build_and_initialize(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
            signature.bind(self, *args, **kwargs)  # raises a TypeError that does not name `make`
            initialize(self, make(*args, **kwargs))

        build_and_initialize.__dict__["__signature__"] = signature
        return build_and_initialize

    return decorate


def in_loop(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Run a method in the event loop that handles the sandbox's requests."""

    @functools.wraps(method)
    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        work = functools.partial(method, self, *args, **kwargs)
        return self._run(work)  # pyright: ignore[reportPrivateUsage]  # the decorator belongs to the class

    return run


class SandboxBase:
    """The members that `Sandbox` and `ThreadedSandbox` share. `Sandbox` documents the arguments."""

    @with_parameters_of(Settings)
    def __init__(self, settings: Settings) -> None:
        self._state = State(settings)
        self._handler = RequestHandler(self._state)
        self._lock = threading.Lock()  # of the thread, if the sandbox has one

    def _run(self, work: Callable[[], R]) -> R:
        return work()

    @property
    def url(self) -> str:
        """The URL of the sandbox, with the prefix and without a slash at the end."""
        return self._state.url

    @property
    def api_key(self) -> str:
        """The API key that requests must carry. It can be set."""
        return self._state.api_key

    @api_key.setter
    def api_key(self, key: str) -> None:
        self._state.api_key = check_api_key(key)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables from which a client reads its settings: CAMPAIGNS_BASE_URL, CAMPAIGNS_API_KEY."""
        return {"CAMPAIGNS_BASE_URL": self.url, "CAMPAIGNS_API_KEY": self.api_key}

    @property
    @in_loop
    def requests(self) -> Sequence[RecordedRequest]:
        """The requests that arrived, in order of arrival."""
        return tuple(self._state.log.requests)

    @property
    @in_loop
    def created(self) -> list[Wire]:
        """The campaigns that were created over HTTP, in order, as they were created, with their `contacts`."""
        return self._state.store.created

    @property
    @in_loop
    def campaigns(self) -> list[Wire]:
        """The campaigns that exist now, including hidden ones, in their order."""
        store = self._state.store
        store.advance()
        return [dict(row.wire) for row in store.all]

    @in_loop
    def contacts(self, campaign_id: str) -> list[Wire]:
        """Return the contacts of a campaign, or raise a KeyError if there is no such campaign."""
        rows = self._state.store.get_contacts(campaign_id)
        if rows is None:
            raise KeyError(campaign_id)
        return [dict(row.wire) for row in rows]

    @property
    @in_loop
    def messages(self) -> list[Wire]:
        """The messages of the created campaigns, one per recipient: `campaignId`, `phoneNumber` and `status`.

        A message is Sent (0) once its campaign is Submitted, and has its final status once the campaign is Completed.
        """
        store = self._state.store
        store.advance()
        return list(store.list_messages())

    @in_loop
    def add(self, campaign: WireRow, contacts: Iterable[WireRow] = (), *, at: int | None = None) -> None:
        """Add a campaign with its contacts, in wire form and not validated, at an index from 0 or at the end.

        Raises:
            ValueError: If there is a campaign with that id already.
        """
        self._state.store.seed(campaign, contacts, at)

    @in_loop
    def remove(self, campaign_id: str) -> None:
        """Remove a campaign, or raise a KeyError if there is no such campaign."""
        if not self._state.store.delete(campaign_id):
            raise KeyError(campaign_id)

    @in_loop
    def double_sends(self, *, within: timedelta = _A_DAY) -> list[DoubleSend]:
        """Return the pairs of campaigns that send the same text from the same sender to the same people.

        Only campaigns that were created over HTTP count, with their current fields. Deleted campaigns do not count.
        `within` is the longest span between the start times of a pair.
        """
        return self._state.store.find_double_sends(within)

    def assert_no_double_send(self, *, within: timedelta = _A_DAY) -> None:
        """Fail if anyone would get the same text from the same sender twice, as `double_sends` counts.

        Raises:
            AssertionError: If anyone would get it twice: names the ids of the campaigns and the number of people. Or if an
                answered request is not carried out yet, because of a fault's `act_after`.
        """
        __tracebackhide__ = True  # pytest then shows the line of the test
        if late := self._run(lambda: self._state.late_count):
            raise AssertionError(f"{late} answered requests are not carried out yet: wait for them, with wait_acted")
        if pairs := self.double_sends(within=within):
            raise AssertionError("sent twice: " + "; ".join(map(str, pairs)))

    def fault(self, **fields: Unpack[FaultFields]) -> Rule:
        """Add a fault, by the fields of `Fault`. If several rules apply to a request, the first one is used.

        The rule's `fired` counts its requests, `stop()` ends it, and `release()` answers requests that hang.
        """
        return self.add_fault(Fault(**fields))

    @in_loop
    def add_fault(self, fault: Fault) -> Rule:
        """Add a fault, such as one of `presets`. If several rules apply to a request, the first one is used.

        Raises:
            TypeError: If `fault` is not a `Fault`.
        """
        return self._state.rules.add(fault)

    @property
    @in_loop
    def faults(self) -> tuple[Rule, ...]:
        """The rules that were added, in order."""
        return tuple(self._state.rules)

    @property
    def clock(self) -> Clock:
        """The sandbox's clock. By its time, created campaigns start and complete."""
        return self._state.clock

    @property
    def rate_limit(self) -> RateLimit | None:
        """The limit on requests per second. It can be set, which starts its count again."""
        return self._state.rate_limit

    @rate_limit.setter
    def rate_limit(self, limit: RateLimit | float | None) -> None:
        new = to_rate_limit(limit)
        self._run(lambda: self._state.limit_rate(new))

    @property
    @in_loop
    def in_flight(self) -> int:
        """The number of requests that are being read or answered."""
        return self._state.log.in_flight

    @property
    @in_loop
    def max_in_flight(self) -> int:
        """The highest number of requests that were in flight at the same time."""
        return self._state.log.max_in_flight

    @in_loop
    def reset(self) -> None:
        """Restore the state of a new sandbox, with the faults, campaigns, clock, key and limit that it was created with.

        The recorded requests are removed. Requests that wait to be answered or carried out are cancelled.
        """
        self._state.reset()


class Sandbox(SandboxBase):
    """A server that simulates the provider's Campaigns API, with faults on demand.

    Use it as ``async with Sandbox(...) as sandbox``, in the event loop of the client under test.
    A request that has arrived completely is carried out, even if its client has disconnected.

    Args:
        campaigns: Campaigns in wire form, each with an `id`. They are stored unchanged, in this order.
        contacts: The contacts of each campaign in wire form, by the campaign's id. They are stored unchanged.
        api_key: The key that requests must carry; None for a random one.
        host: The address to listen on.
        port: The port to listen on; 0 for any free port.
        prefix: A path before each path of the API, such as ``/tenant``.
        update_method: The HTTP method of updates; "both" for PUT and POST.
        delete_method: The HTTP method of deletes; with POST, the body must be empty. "both" for DELETE and POST.
        auth: The place of the key in a request: "bearer" for `Authorization: Bearer KEY`, "header" for the header api-key,
            "query" for the parameter api-key, or "any".
        rate_limit: The limit on requests per second, and the answer to requests above it. With a number, that answer is
            a 429.
        magic_recipients: True if the numbers 07700 9000NX determine the status of messages to them.
        lifecycle: The time that a created campaign stays in each status after its start time.
        now: The time at which the sandbox's clock is stopped; None for a clock that shows the machine's time.
        max_body: The largest accepted body, in bytes, from 1.
        keep_bodies: False to drop the bodies of `requests`.
        seed: The seed of the generated ids; None for different ids in each run.
        quirks: The form of answers where the documentation leaves it open.
        faults: Faults to add at the start, and after each `reset`.

    Raises:
        ValueError: If two campaigns have the same id, or contacts belong to no campaign; or an argument is out of
            range or of another type.
    """

    def __repr__(self) -> str:
        where = self.url if self._handler.is_running else "stopped"
        campaigns, requests = len(self._state.store.all), len(self._state.log.requests)
        return f"<Sandbox {where}, {campaigns} campaigns, {requests} requests>"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start to listen on the port.

        Raises:
            RuntimeError: If the sandbox is already running.
            OSError: If the port is in use.
        """
        await self._handler.start()

    async def stop(self) -> None:
        """Stop listening and close every connection, within a second. Waiting requests are cancelled."""
        await self._handler.stop()

    async def wait_received(self, count: int, operation: Operation | None = None) -> None:
        """Wait until `count` requests have arrived completely, of one operation or of any."""
        await self._state.log.wait("received", count, operation)

    async def wait_acted(self, count: int, operation: Operation | None = None) -> None:
        """Wait until `count` requests were carried out, of one operation or of any."""
        await self._state.log.wait("acted", count, operation)
