"""The sandbox: a server on a real port, in the running event loop."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from aiohttp import web

from .app import Campaigns, Operation, Verbs
from .faults import Fault, Rule, takes
from .quirks import Quirks
from .serving import Serving
from .state import Store

if TYPE_CHECKING:
    from types import TracebackType

    from .connections import ConnectionServer
    from .journal import RecordedRequest
    from .schema import Wire

WireRow = Mapping[str, Any]

# Time for what is being written to get out, in seconds; nothing else is waited for.
_SHUTDOWN = 0.1


class Sandbox:
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
        update_method: Under which verb updates are served.
        delete_method: Under which verb deletes are served; with POST, the body must be empty.
        max_body: The largest body that is taken, in bytes.
        keep_bodies: Whether `requests` keeps the bodies.
        seed: For the ids that are made up; None: other ones each time.
        quirks: How answers look where the documentation leaves it open.

    Raises:
        ValueError: Two campaigns have the same id, or contacts belong to none.
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
        update_method: Literal["PUT", "POST"] = "PUT",
        delete_method: Literal["DELETE", "POST"] = "DELETE",
        max_body: int = 30_000_000,
        keep_bodies: bool = True,
        seed: int | None = None,
        quirks: Quirks | None = None,
    ) -> None:
        if update_method not in {"PUT", "POST"}:
            raise ValueError(f"update_method must be PUT or POST, not {update_method!r}")
        if delete_method not in {"DELETE", "POST"}:
            raise ValueError(f"delete_method must be DELETE or POST, not {delete_method!r}")
        self._seeds = [dict(wire) for wire in campaigns]
        self._seed_contacts = {key: list(rows) for key, rows in (contacts or {}).items()}
        self._seed = seed
        self._quirks = quirks or Quirks()
        self._host = host
        self._port = port
        self._prefix = prefix.rstrip("/")
        self._serving = Serving(
            api=Campaigns(self._fresh_store(), self._quirks),
            api_key=secrets.token_hex(16) if api_key is None else api_key,
            verbs=Verbs(update_method, delete_method, self._prefix),
            max_body=max_body,
            keep_bodies=keep_bodies,
        )
        self._running: tuple[web.ServerRunner, ConnectionServer] | None = None

    def __repr__(self) -> str:
        where = self.url if self._running is not None else "stopped"
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
        if self._running is not None:
            raise RuntimeError("this sandbox is running already")
        server = self._serving.make_server()
        runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN)
        self._running = (runner, server)
        try:
            await runner.setup()
            await web.TCPSite(runner, self._host, self._port).start()
        except BaseException:  # a cancellation too must leave no socket behind
            await self.stop()
            raise
        # Kept, so that a sandbox that is started again is found where it was.
        self._port = runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and close every connection, within a second; what waits is given up."""
        running, self._running = self._running, None
        if running is None:
            return
        runner, server = running
        await self._serving.cancel()
        await runner.cleanup()
        # What could not be flushed in time would stay open.
        await server.abort()

    @property
    def url(self) -> str:
        """Where it listens, with the prefix and without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}{self._prefix}"

    @property
    def api_key(self) -> str:
        """The key that is asked for; setting it changes it at once."""
        return self._serving.api_key

    @api_key.setter
    def api_key(self, key: str) -> None:
        self._serving.api_key = key

    @property
    def requests(self) -> Sequence[RecordedRequest]:
        """What arrived, in that order."""
        return self._serving.journal.requests

    @property
    def created(self) -> list[Wire]:
        """What was created over HTTP, in order, as it was then, with its `contacts`."""
        return [{**wire, "contacts": [dict(row.wire) for row in contacts]} for wire, contacts in self._store.created]

    @property
    def campaigns(self) -> list[Wire]:
        """The campaigns that exist now, hidden ones too, in their order."""
        return [dict(row.wire) for row in self._store.all]

    def contacts(self, campaign_id: str) -> list[Wire]:
        """The contacts of a campaign.

        Raises:
            KeyError: There is no such campaign.
        """
        rows = self._store.contacts(campaign_id)
        if rows is None:
            raise KeyError(campaign_id)
        return [dict(row.wire) for row in rows]

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
    def in_flight(self) -> int:
        """How many requests are being read or answered now."""
        return self._serving.journal.in_flight

    @property
    def max_in_flight(self) -> int:
        """The most requests that were ever in flight at once."""
        return self._serving.journal.max_in_flight

    async def received(self, count: int, operation: Operation | None = None) -> None:
        """Wait till so many requests have arrived whole, of one operation or of any."""
        await self._serving.journal.arrived(count, operation)

    async def acted(self, count: int, operation: Operation | None = None) -> None:
        """Wait till so many requests were carried out, of one operation or of any."""
        await self._serving.journal.acted(count, operation)

    @takes(Fault)
    def fault(self, fault: Fault) -> Rule:
        """Add a fault, of the fields of `Fault`; the first rule that is due meets a request.

        Returns:
            The rule: `fired` counts, `stop()` ends it.

        Raises:
            ValueError: The fields do not fit together, or are out of range.
        """
        return self._serving.rules.add(fault)

    def reset(self) -> None:
        """Go back to what it was built with: no requests, no faults, the campaigns as given."""
        self._serving.give_up_late_acts()
        self._serving.api = Campaigns(self._fresh_store(), self._quirks)
        self._serving.journal.clear()
        self._serving.rules.clear()

    @property
    def _store(self) -> Store:
        return self._serving.api.store

    def _fresh_store(self) -> Store:
        store = Store(seed=self._seed, quirks=self._quirks)
        for wire in self._seeds:
            store.seed(wire, self._seed_contacts.get(str(wire["id"]), ()), None)
        for key in self._seed_contacts:
            if store.get(key) is None:
                raise ValueError(f"there are contacts for {key!r}, but no such campaign")
        return store
