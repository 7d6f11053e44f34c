"""The sandbox: a server on a real port, in the running event loop."""

from __future__ import annotations

import functools
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Concatenate, ParamSpec, Self, TypeVar, Unpack

from ._clock import Clock, Lifecycle
from ._control import Control
from ._handler import RequestHandler
from ._request_log import RecordedRequest
from ._routing import Auth, DeleteMethod, Operation, UpdateMethod
from ._settings import Quirks, RateLimit, Settings, WireRow, as_rate_limit
from ._sieve import Wire
from ._store import A_DAY, DoubleSend
from .faults import Fault, FaultFields, Rule

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="SandboxBase")


def in_loop(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Run a method where the sandbox's requests are handled."""

    @functools.wraps(method)
    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        work = functools.partial(method, self, *args, **kwargs)
        return self._run(work)  # pyright: ignore[reportPrivateUsage]  # the decorator belongs to the class

    return run


class SandboxBase:
    """The members that `Sandbox` and `ThreadedSandbox` share; `Sandbox` documents the arguments."""

    def __init__(
        self,
        campaigns: Iterable[WireRow] = (),
        contacts: Mapping[str, Iterable[WireRow]] | None = None,
        *,
        api_key: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        prefix: str = "",
        update_method: UpdateMethod = "PUT",
        delete_method: DeleteMethod = "DELETE",
        auth: Auth = "any",
        rate_limit: RateLimit | float | None = None,
        magic_recipients: bool = False,
        lifecycle: Lifecycle | None = None,
        now: datetime | None = None,
        max_body: int = 30_000_000,
        keep_bodies: bool = True,
        seed: int | None = None,
        quirks: Quirks | None = None,
        faults: Iterable[Fault] = (),
    ) -> None:
        self._handler = RequestHandler(
            Settings(
                campaigns=campaigns,
                contacts=contacts,
                api_key=secrets.token_hex(16) if api_key is None else api_key,
                host=host,
                port=port,
                prefix=prefix,
                update_method=update_method,
                delete_method=delete_method,
                auth=auth,
                rate_limit=rate_limit,
                magic_recipients=magic_recipients,
                lifecycle=Lifecycle() if lifecycle is None else lifecycle,
                now=now,
                max_body=max_body,
                keep_bodies=keep_bodies,
                seed=seed,
                quirks=Quirks() if quirks is None else quirks,
                faults=faults,
            )
        )
        self._handler.control = Control(self._handler).answer
        self._lock = threading.Lock()  # of the thread, where the sandbox has one

    def _run(self, work: Callable[[], R]) -> R:
        return work()

    @property
    def url(self) -> str:
        """The URL where it listens, with the prefix and without a slash at the end."""
        return self._handler.settings.url

    @property
    def api_key(self) -> str:
        """The key that requests must carry. It can be set.

        Raises:
            ValueError: If the new value cannot be a key.
        """
        return self._handler.settings.api_key

    @api_key.setter
    def api_key(self, key: str) -> None:
        self._handler.settings.api_key = key

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables by which a client finds it: CAMPAIGNS_BASE_URL and CAMPAIGNS_API_KEY."""
        return {"CAMPAIGNS_BASE_URL": self.url, "CAMPAIGNS_API_KEY": self.api_key}

    @property
    @in_loop
    def requests(self) -> Sequence[RecordedRequest]:
        """The requests that arrived, in that order."""
        return self._handler.log.requests

    @property
    @in_loop
    def created(self) -> list[Wire]:
        """The campaigns that were created over HTTP, in order, as they were then, with their `contacts`."""
        return self._handler.provider.store.created

    @property
    @in_loop
    def campaigns(self) -> list[Wire]:
        """The campaigns that exist now, including hidden ones, in their order."""
        store = self._handler.provider.store
        store.move_on()
        return [dict(row.wire) for row in store.all]

    @in_loop
    def contacts(self, campaign_id: str) -> list[Wire]:
        """Return the contacts of a campaign.

        Raises:
            KeyError: If there is no such campaign.
        """
        rows = self._handler.provider.store.contacts(campaign_id)
        if rows is None:
            raise KeyError(campaign_id)
        return [dict(row.wire) for row in rows]

    @property
    @in_loop
    def messages(self) -> list[Wire]:
        """The message to each person of the created campaigns: `campaignId`, `phoneNumber` and `status`.

        A message is Sent (0) once its campaign is Submitted, and has its last status once it is Completed.
        """
        store = self._handler.provider.store
        store.move_on()
        return list(store.messages())

    @in_loop
    def add(self, campaign: WireRow, contacts: Iterable[WireRow] = (), *, at: int | None = None) -> None:
        """Add a campaign as it is given, unvalidated: at an index from 0, or at the end.

        Raises:
            ValueError: If there is one with that id already.
        """
        self._handler.provider.store.seed(campaign, contacts, at)

    @in_loop
    def remove(self, campaign_id: str) -> None:
        """Remove a campaign.

        Raises:
            KeyError: If there is no such campaign.
        """
        if not self._handler.provider.store.delete(campaign_id):
            raise KeyError(campaign_id)

    @in_loop
    def double_sends(self, *, within: timedelta = A_DAY) -> list[DoubleSend]:
        """Return the pairs of campaigns that bring the same text from the same sender to the same people.

        Created campaigns count, as they are now; campaigns that were deleted in time do not.

        Args:
            within: How far apart the start times of a pair are at most.
        """
        return self._handler.provider.store.double_sends(within)

    def assert_no_double_send(self, *, within: timedelta = A_DAY) -> None:
        """Fail if anyone would get the same text from the same sender twice.

        Args:
            within: How far apart the start times are at most, to count as twice.

        Raises:
            AssertionError: If anyone would, with the ids of the campaigns and the number of people; or if a request
                is still to be carried out, by a fault's `act_after`.
        """
        __tracebackhide__ = True  # pytest then shows the line of the test
        if due := self._run(lambda: self._handler.still_due):
            raise AssertionError(f"{due} answered requests are still to be carried out: wait for them, with wait_acted")
        if found := self.double_sends(within=within):
            raise AssertionError("sent twice: " + "; ".join(map(str, found)))

    def fault(self, **fields: Unpack[FaultFields]) -> Rule:
        """Add a fault, by the fields of `Fault`; the first rule that is due meets a request.

        Returns:
            The rule: `fired` counts, `stop()` ends it, `release()` answers requests that hang.

        Raises:
            ValueError: If the fields do not fit together, or are out of range.
        """
        return self.add_fault(Fault(**fields))

    @in_loop
    def add_fault(self, fault: Fault) -> Rule:
        """Add a fault, such as those of `presets`; the first rule that is due meets a request.

        Raises:
            TypeError: If it is not a `Fault`.
        """
        return self._handler.rules.add(fault)

    @property
    @in_loop
    def faults(self) -> tuple[Rule, ...]:
        """The rules that were added, in order."""
        return self._handler.rules.all

    @property
    def clock(self) -> Clock:
        """The sandbox's time, by which created campaigns begin and end."""
        return self._handler.clock

    @property
    def rate_limit(self) -> RateLimit | None:
        """The number of requests a second that are served. It can be set, which starts the count again.

        Raises:
            ValueError: If the new value is out of range.
        """
        return self._handler.settings.rate_limit

    @rate_limit.setter
    def rate_limit(self, limit: RateLimit | float | None) -> None:
        chosen = as_rate_limit(limit)
        self._run(lambda: self._handler.limit_rate(chosen))

    @property
    @in_loop
    def in_flight(self) -> int:
        """Number of requests that are being read or answered now."""
        return self._handler.log.in_flight

    @property
    @in_loop
    def max_in_flight(self) -> int:
        """Highest number of requests that were in flight at once."""
        return self._handler.log.max_in_flight

    @in_loop
    def reset(self) -> None:
        """Go back to the state in which it was built: no requests; faults, campaigns, clock, key and limit as given.

        Requests that wait to be answered or carried out are given up.
        """
        self._handler.reset()


class Sandbox(SandboxBase):
    """A server that plays the provider's Campaigns API, with faults on demand.

    Use it as ``async with Sandbox(...) as sandbox``, in the loop of the client under test.
    A request that was read completely is carried out, even if its client has gone away.

    Args:
        campaigns: In wire form, kept as they are given and in that order; each needs an `id`.
        contacts: For a campaign's id its contacts, in wire form, kept as they are given.
        api_key: The key that requests must carry; None for a random one.
        host: The address to listen on.
        port: The port to listen on; 0 for any that is free.
        prefix: A path in front of each path, such as ``/tenant``.
        update_method: The verb of updates; "both" for PUT and POST.
        delete_method: The verb of deletes; with POST, the body must be empty. "both" for DELETE and POST.
        auth: The way in which the key is taken: "bearer", as the header api-key ("header"), as the parameter api-key
            ("query"), or any of them.
        rate_limit: How many requests a second are served, and how the others are answered; a number is a rate, with
            429.
        magic_recipients: True if the numbers 07700 9000NX decide what becomes of messages to them.
        lifecycle: The time that a created campaign stays in each state, once its start time has come.
        now: The time at which the sandbox's clock stands; None to run with the machine's time.
        max_body: The largest body that is taken, in bytes.
        keep_bodies: False to drop the bodies of `requests`.
        seed: Seed of the generated ids; None for other ids each time.
        quirks: How answers look where the documentation leaves it open.
        faults: The faults from the start.

    Raises:
        ValueError: If two campaigns have the same id, or contacts belong to none; or an argument is out of range or
            of another type.
    """

    def __repr__(self) -> str:
        where = self.url if self._handler.is_running else "stopped"
        campaigns, requests = len(self._handler.provider.store.all), self._handler.log.count
        return f"<Sandbox {where}, {campaigns} campaigns, {requests} requests>"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen.

        Raises:
            RuntimeError: If it listens already.
            OSError: If the port is taken.
        """
        await self._handler.start()

    async def stop(self) -> None:
        """Stop listening and close every connection, within a second; requests that wait are given up."""
        await self._handler.stop()

    async def wait_received(self, count: int, operation: Operation | None = None) -> None:
        """Wait until `count` requests have arrived completely, of one operation or of any.

        Raises:
            ValueError: If there is no such operation.
        """
        await self._handler.log.wait("received", count, operation)

    async def wait_acted(self, count: int, operation: Operation | None = None) -> None:
        """Wait until `count` requests were carried out, of one operation or of any.

        Raises:
            ValueError: If there is no such operation.
        """
        await self._handler.log.wait("acted", count, operation)
