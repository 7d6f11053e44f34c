"""The sandbox: a server on a real port, in the running event loop."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from .app import Campaigns, DeleteMethod, UpdateMethod, Verbs
from .arguments import check_arguments, check_key, read_campaigns
from .clock import Clock
from .control import Control
from .faults import Fault, Rule
from .inspection import Inspection
from .keys import Auth
from .lifecycle import Lifecycle
from .limiter import Bucket, RateLimit, as_limit
from .listening import Listener
from .magic import magic_digits
from .numbers import phone_digits
from .quirks import Quirks
from .serving import Serving
from .signatures import takes
from .state import Store

if TYPE_CHECKING:
    from types import TracebackType


WireRow = Mapping[str, Any]


class Sandbox(Inspection):
    """Plays the provider's Campaigns API, with faults on demand.

    Use it as ``async with Sandbox(...) as sandbox``, in the loop of the client under test.
    A request that was read whole is carried out, even if its client has gone away.

    Args:
        campaigns: In wire form, kept as they are given and in that order; each needs an `id`.
        contacts: For a campaign's id its contacts, in wire form, kept as they are given.
        api_key: The key that is asked for; None: a random one.
        host: The address to listen on.
        port: 0: any that is free.
        prefix: Stands before each path, such as ``/tenant``.
        update_method: Under which verb updates are served; "both": PUT and POST.
        delete_method: Under which verb deletes are served; with POST, the body must be empty. "both": DELETE and POST.
        auth: In which way the key is taken: "bearer", as the header api-key ("header"), as the parameter api-key
            ("query"), or any of them.
        rate_limit: How many requests a second are served, and what the rest are told; a number is that many, with 429.
        magic_recipients: Whether the numbers 07700 9000NX decide what happens.
        lifecycle: How long a created campaign stays in each state, once its start time has come.
        now: Where the sandbox's clock stands; None: it runs with the machine's time.
        max_body: The largest body that is taken, in bytes.
        keep_bodies: Whether `requests` keeps the bodies.
        seed: For the ids that are made up; None: other ones each time.
        quirks: How answers look where the documentation leaves it open.
        faults: What goes wrong from the start.

    Raises:
        ValueError: Two campaigns have the same id, or contacts belong to none; an argument is out of range or of another type.
    """

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
        check_arguments(
            host=host,
            port=port,
            prefix=prefix,
            update_method=update_method,
            delete_method=delete_method,
            auth=auth,
            lifecycle=lifecycle,
            max_body=max_body,
            quirks=quirks,
        )
        self._seeds = read_campaigns(campaigns)
        self._seed_contacts = {key: list(rows) for key, rows in (contacts or {}).items()}
        self._seed = seed
        self._quirks = quirks or Quirks()
        self._prefix = prefix.rstrip("/")
        self._lifecycle = lifecycle or Lifecycle()
        self._now = now
        self._clock = Clock(now)
        self._digits_of = magic_digits if magic_recipients else phone_digits
        self._given_limit = as_limit(rate_limit)
        self._given_key = secrets.token_hex(16) if api_key is None else check_key(api_key)
        super().__init__(
            Serving(
                api=self._fresh_api(),
                api_key=self._given_key,
                auth=auth,
                verbs=Verbs(update_method, delete_method, self._prefix),
                max_body=max_body,
                keep_bodies=keep_bodies,
                magic_recipients=magic_recipients,
                control=Control(self),
            )
        )
        self.rate_limit = self._given_limit
        self._given_faults = tuple(faults)
        for fault in self._given_faults:
            self.add_fault(fault)
        self._listener = Listener(self._serving, host=host, port=port)

    def __repr__(self) -> str:
        where = self.url if self._listener.is_running else "stopped"
        campaigns, requests = len(self._store.all), self._serving.journal.count
        return f"<Sandbox {where}, {campaigns} campaigns, {requests} requests>"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen.

        Raises:
            RuntimeError: It listens already.
            OSError: The port is taken.
        """
        await self._listener.start()

    async def stop(self) -> None:
        """Stop listening and close every connection, within a second; what waits is given up."""
        await self._listener.stop()

    @property
    def url(self) -> str:
        """Where it listens, with the prefix and without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self._listener.port}{self._prefix}"

    @property
    def api_key(self) -> str:
        """The key that is asked for; setting it changes it at once.

        Raises:
            ValueError: When set, to what is no key.
        """
        return self._serving.api_key

    @api_key.setter
    def api_key(self, key: str) -> None:
        self._serving.api_key = check_key(key)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables by which a client finds it: CAMPAIGNS_BASE_URL and CAMPAIGNS_API_KEY."""
        return {"CAMPAIGNS_BASE_URL": self.url, "CAMPAIGNS_API_KEY": self.api_key}

    def add(self, campaign: WireRow, contacts: Iterable[WireRow] = (), *, at: int | None = None) -> None:
        """Put a campaign in as it is given, unvalidated: at an index from 0, or at the end.

        Raises:
            ValueError: There is one with that id already.
        """
        self._store.seed(campaign, contacts, at)

    def remove(self, campaign_id: str) -> None:
        """Take a campaign away.

        Raises:
            KeyError: There is no such campaign.
        """
        if not self._store.delete(campaign_id):
            raise KeyError(campaign_id)

    @property
    def clock(self) -> Clock:
        """The sandbox's time, by which created campaigns begin and end."""
        return self._clock

    @property
    def rate_limit(self) -> RateLimit | None:
        """How many requests a second are served; setting it starts the count anew.

        Raises:
            ValueError: When set, to what is out of range.
        """
        bucket = self._serving.bucket
        return None if bucket is None else bucket.limit

    @rate_limit.setter
    def rate_limit(self, limit: RateLimit | float | None) -> None:
        chosen = as_limit(limit)
        self._serving.bucket = None if chosen is None else Bucket(chosen)

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return self._listener.host

    @property
    def update_method(self) -> UpdateMethod:
        """Under which verb updates are served."""
        return self._serving.verbs.update

    @property
    def delete_method(self) -> DeleteMethod:
        """Under which verb deletes are served."""
        return self._serving.verbs.delete

    @property
    def auth(self) -> Auth:
        """In which way the key is taken."""
        return self._serving.auth

    @takes(Fault)
    def fault(self, fault: Fault) -> Rule:
        """Add a fault, of the fields of `Fault`; the first rule that is due meets a request.

        Returns:
            The rule: `fired` counts, `stop()` ends it.

        Raises:
            ValueError: The fields do not fit together, or are out of range.
        """
        return self.add_fault(fault)

    def add_fault(self, fault: Fault) -> Rule:
        """Add a fault, such as those of `presets`; the first rule that is due meets a request.

        Raises:
            TypeError: It is no fault.
        """
        return self._serving.rules.add(fault)

    def reset(self) -> None:
        """Go back to what it was built with: no requests; faults, campaigns, clock, key and limit as given.

        What waits to be answered or carried out is given up.
        """
        self._serving.give_up()
        if self._now is None:
            self._clock.reset()
        else:
            self._clock.set(self._now)
        self.api_key = self._given_key
        self.rate_limit = self._given_limit
        self._serving.api = self._fresh_api()
        self._serving.journal.clear()
        self._serving.rules.clear()
        for fault in self._given_faults:
            self.add_fault(fault)

    def _fresh_api(self) -> Campaigns:
        return Campaigns(self._fresh_store(), self._quirks, self._digits_of)

    def _fresh_store(self) -> Store:
        store = Store(seed=self._seed, quirks=self._quirks, clock=self._clock, lifecycle=self._lifecycle)
        for wire in self._seeds:
            store.seed(wire, self._seed_contacts.get(str(wire["id"]), ()), None)
        for key in self._seed_contacts:
            if store.get(key) is None:
                raise ValueError(f"there are contacts for {key!r}, but no such campaign")
        return store
