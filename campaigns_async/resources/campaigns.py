"""`client.campaigns`: the six operations (provider's documentation, Campaigns)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from typing import Literal, TypeVar

from campaigns_async import checks
from campaigns_async.engine.call import Caller
from campaigns_async.errors import ConfigurationError, InvalidArgumentError
from campaigns_async.fanout import FanOut, Items
from campaigns_async.models import Campaign, CampaignUpdate, Contact, NewCampaign
from campaigns_async.paging.checkpoint import checked, digest
from campaigns_async.paging.paginator import Paginator, Source
from campaigns_async.reconcile.ledger import Ledger
from campaigns_async.reconcile.search import Server
from campaigns_async.resources.creating import Creator
from campaigns_async.settings import ReconcilePolicy
from campaigns_async.values import Checkpoint, Page
from campaigns_async.wire import requests, responses
from campaigns_async.wire.messages import Request, Response

T = TypeVar("T")


class Campaigns:
    """The campaigns of an account. Every method raises a `CampaignsError` when it fails."""

    def __init__(
        self,
        caller: Caller,
        *,
        ledger: Ledger,
        reconcile: ReconcilePolicy,
        page_size: int,
        update_method: str,
        delete_method: str,
        limit: int,
    ) -> None:
        self._caller = caller
        self._ledger = ledger
        server = Server(lambda filters: self.list(filters=str(filters), prefetch=0), self.contacts)
        self._creator = Creator(caller, ledger, server, reconcile)
        self._page_size = page_size
        self._update_method = update_method
        self._delete_method = delete_method
        self._limit = limit

    async def create(
        self,
        new: NewCampaign,
        *,
        ignore_invalid_phone_numbers: bool | None = None,
        on_unknown: Literal["raise", "reconcile"] = "raise",
    ) -> str:
        """Create a campaign (POST). Sent again only where it is certain that nothing was done.

        Args:
            new: The campaign and its contacts.
            ignore_invalid_phone_numbers: True: contacts with an invalid number are left out; False: they are
                named in a `ValidationFailedError`; None: the plain path, where the documentation leaves it open.
            on_unknown: What to do when the outcome is in doubt: "raise", or "reconcile": look for the campaign on
                the server, return its id when it is there, and send it again only when it is surely absent.

        Returns:
            The new campaign's id.

        Raises:
            InvalidArgumentError: Something cannot be sent as it is. Nothing was sent.
            ValidationFailedError: The server refused it; `contact_errors` says which contacts and why.
            OutcomeUnknownError: It may or may not have been carried out: look before you send it again.
            DecodeError: It was carried out, but the id cannot be read.
        """
        reconciled = _reconciled(on_unknown)
        request = requests.create(new, ignore_invalid_phone_numbers)
        if reconciled:
            return await self._creator.create_reconciled(new, ignore_invalid_phone_numbers, request)
        return await self._creator.create(new, request)

    async def get(self, campaign_id: str) -> Campaign:
        """Read a campaign (GET By ID).

        Raises:
            NotFoundError: There is none with this id.
        """
        campaign = await self._caller.run(requests.get(campaign_id), responses.campaign)
        self._ledger.seen.add((campaign.id,))
        return campaign

    async def update(self, campaign_id: str, changed: CampaignUpdate) -> None:
        """Replace a campaign (PUT, or POST by `update_method`), but for its contacts.

        Raises:
            NotFoundError: There is none with this id.
            ConflictError: It has begun.
        """
        await self._caller.run(requests.update(campaign_id, changed, self._update_method), responses.nothing)

    async def delete(self, campaign_id: str) -> None:
        """Delete a campaign (DELETE, or POST by `delete_method`).

        Raises:
            NotFoundError: There is none with this id. Not raised when an attempt of this very call may have deleted it.
            ConflictError: It has begun.
        """
        await self._caller.run(requests.delete(campaign_id, self._delete_method), responses.nothing)

    def list(
        self,
        *,
        filters: str | None = None,
        sorts: str | Sequence[str] | None = None,
        page_size: int | None = None,
        prefetch: int = 1,
        resume_from: Checkpoint | None = None,
    ) -> Paginator[Campaign]:
        """Walk through the campaigns (GET), in order, page by page as they are needed.

        Args:
            filters: In the server's language: `sender==Golf,recipientCount>=100`.
            sorts: Names of fields, a leading `-` for descending: `-startDateTime`, or several.
            page_size: Rows a page, from 1; the client's setting when None.
            prefetch: Pages fetched ahead of the one being read, from 0.
            resume_from: A paginator's checkpoint, to go on behind it.
        """
        def read(response: Response) -> Page[Campaign]:
            page = responses.campaigns(response)
            self._ledger.seen.add(campaign.id for campaign in page.items)
            return page

        return self._paginator(
            requests.list_page, read, "campaigns", filters, sorts, page_size, prefetch, resume_from
        )

    def contacts(
        self,
        campaign_id: str,
        *,
        filters: str | None = None,
        sorts: str | Sequence[str] | None = None,
        page_size: int | None = None,
        prefetch: int = 1,
        resume_from: Checkpoint | None = None,
    ) -> Paginator[Contact]:
        """Walk through a campaign's contacts (GET Campaign Contacts). Arguments as for `list`."""
        requests.get(campaign_id)  # an id that cannot be one is refused now, not at the first page
        page = partial(requests.contacts_page, campaign_id)
        listing = f"contacts {campaign_id}"
        return self._paginator(page, responses.contacts, listing, filters, sorts, page_size, prefetch, resume_from)

    def create_many(
        self,
        news: Items[NewCampaign],
        *,
        ignore_invalid_phone_numbers: bool | None = None,
        on_unknown: Literal["raise", "reconcile"] = "raise",
    ) -> FanOut[NewCampaign, str]:
        """Create many campaigns in parallel; outcomes come as they complete, failed ones among them.

        Args:
            news: An iterable or async iterable, read only as fast as the pool takes it.
            ignore_invalid_phone_numbers: As for `create`.
            on_unknown: As for `create`.

        Returns:
            An iterator of `Outcome`, and an `async with` block.
        """
        _reconciled(on_unknown)
        create = partial(
            self.create, ignore_invalid_phone_numbers=ignore_invalid_phone_numbers, on_unknown=on_unknown
        )
        return FanOut(create, news, limit=self._limit, grace=self._caller.timeouts.grace)

    def _paginator(
        self,
        page_request: Callable[..., Request],
        read: Callable[[Response], Page[T]],
        listing: str,
        filters: str | None,
        sorts: str | Sequence[str] | None,
        page_size: int | None,
        prefetch: int,
        resume_from: Checkpoint | None,
    ) -> Paginator[T]:
        where = _text("filters", filters)
        order = _text("sorts", ",".join(sorts) if isinstance(sorts, (list, tuple)) else sorts)
        if page_size is not None:
            page_size = _whole("page_size", page_size, 1)
        start = checked(resume_from, digest(listing, where, order), page_size, self._page_size)

        async def fetch(page: int, size: int) -> Page[T]:
            request = page_request(page=page, page_size=size, filters=where, sorts=order)
            return await self._caller.run(request, read)

        return Paginator(Source(fetch, attrgetter("id"), lambda _: None), start, prefetch=_whole("prefetch", prefetch, 0))


def _reconciled(on_unknown: object) -> bool:
    if on_unknown not in ("raise", "reconcile"):
        raise InvalidArgumentError('on_unknown must be "raise" or "reconcile"')
    return on_unknown == "reconcile"


def _text(name: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    raise InvalidArgumentError(f"{name} must be text, not {type(value).__name__}")


def _whole(name: str, value: object, least: int) -> int:
    try:
        return checks.whole(name, value, least=least)
    except ConfigurationError as error:
        message = error.message
    raise InvalidArgumentError(message)
