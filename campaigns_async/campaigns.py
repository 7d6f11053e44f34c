"""The operations on campaigns: `client.campaigns` (provider's documentation, Campaigns)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from attrs import define

from campaigns_async._checks import check_choice
from campaigns_async._engine.caller import Caller
from campaigns_async._http.request import build_create, build_delete, build_get, build_update
from campaigns_async._http.response import Response, read_campaign, read_created_id, read_nothing
from campaigns_async._http.response_headers import read_request_id
from campaigns_async._ids import normalize_id
from campaigns_async._paginators import ListOptions, Paginators
from campaigns_async._reconcile.creates import Creator
from campaigns_async._reconcile.ledger import Ledger, fields_of, find_differences
from campaigns_async.errors import InvalidArgumentError
from campaigns_async.fanout import FanOut, Items, Result
from campaigns_async.models import Campaign, CampaignUpdate, Contact, NewCampaign
from campaigns_async.values import Checkpoint

if TYPE_CHECKING:
    from campaigns_async.paging import Paginator
    from campaigns_async.query._parse import Filters, Sorts


@define(eq=False, repr=False, slots=False)
class Campaigns:
    """The campaigns of an account: `client.campaigns`.

    Every method raises a `CampaignsError` if it fails.

        campaign_id = await client.campaigns.create(NewCampaign(start, sender, message, contacts))
    """

    _caller: Caller
    _ledger: Ledger
    _creator: Creator
    _paginators: Paginators
    _base_url: str
    _update_method: str
    _delete_method: str

    def __repr__(self) -> str:
        return f"<Campaigns of {self._base_url}>"

    async def create(
        self,
        new: NewCampaign,
        ignore_invalid_phone_numbers: bool | None = None,
        on_unknown: Literal["raise", "reconcile"] = "raise",
    ) -> str:
        """Create a campaign (POST). It is sent again only if the server certainly did not create it.

        Args:
            new: The campaign and its contacts.
            ignore_invalid_phone_numbers: With True, the server drops contacts with an invalid number. With False, it
                refuses the campaign and a `ValidationFailedError` names the contacts. With None, the request has no
                such flag, and the documentation does not say which of the two happens.
            on_unknown: With "raise", an unknown outcome raises an error. With "reconcile", the campaign is looked for
                on the server: its id is returned if it is there, and it is sent again only if it is certainly absent.

        Returns:
            The new campaign's id.

        Raises:
            InvalidArgumentError: If the campaign cannot be sent as it is. Nothing was sent.
            ValidationFailedError: If the server refused the campaign; `contact_errors` says which contacts and why.
            OutcomeUnknownError: If the campaign may have been created: look for it before you send it again.
            DecodeError: If the campaign was created, but its id cannot be read.
        """
        try:
            request = build_create(new, ignore_invalid_phone_numbers)
        except InvalidArgumentError as error:
            del new  # tools such as Sentry show the variables of a traceback
            raise error.with_traceback(None) from None
        if on_unknown != "raise" and _must_reconcile(on_unknown):
            return await self._creator.create_reconciled(new, ignore_invalid_phone_numbers, request)
        return await self._creator.create(request)

    async def get(self, campaign_id: str) -> Campaign:
        """Read a campaign (GET By ID).

        Raises:
            NotFoundError: If there is no campaign with this id.
            DecodeError: If the response is not the campaign with this id.
        """
        campaign = await self._caller.run(build_get(campaign_id), partial(read_campaign, campaign_id=campaign_id))
        self._ledger.seen.add(normalize_id(campaign.id))
        return campaign

    async def update(self, campaign_id: str, changed: CampaignUpdate) -> None:
        """Replace a campaign, except its contacts (PUT, or POST by `update_method`).

        Raises:
            NotFoundError: If there is no campaign with this id.
            ConflictError: If sending has begun.
            OutcomeUnknownError: If the response was not the documented 204, and the campaign, read back, is not equal
                to `changed`.
        """
        try:
            request = build_update(campaign_id, changed, self._update_method)
        except InvalidArgumentError as error:
            del changed  # as in `create`
            raise error.with_traceback(None) from None
        await self._caller.run(request, read_nothing, confirm=partial(self._is_updated, campaign_id, changed))

    async def _is_updated(self, campaign_id: str, changed: CampaignUpdate, *_: object) -> bool:
        campaign = await self._creator.read_back(campaign_id)
        return campaign is not None and not find_differences(fields_of(changed), campaign)

    async def delete(self, campaign_id: str) -> None:
        """Delete a campaign (DELETE, or POST by `delete_method`).

        Raises:
            NotFoundError: If there is no campaign with this id, unless an earlier attempt of this call may have
                deleted it.
            ConflictError: If sending has begun.
            OutcomeUnknownError: If the response was not the documented 204, and the campaign is not gone.
        """
        request = build_delete(campaign_id, self._delete_method)
        await self._caller.run(request, read_nothing, confirm=lambda _, __: self._creator.is_gone(campaign_id))

    def list(
        self,
        *,
        filters: Filters = None,
        sorts: Sorts = None,
        page_size: int | None = None,
        prefetch: int = 1,
        resume_from: Checkpoint | None = None,
        check_filters: bool = True,
    ) -> Paginator[Campaign]:
        """List the campaigns in order (GET). Pages are fetched when they are needed.

        Args:
            filters: An expression on `query.campaign`, or text in the server's language (`sender==Golf`). Both are
                checked; `query.raw(…)` is not.
            sorts: `query.campaign.start_date_time.desc()`, text (`-startDateTime`), or several of them.
            page_size: Rows per page, from 1 to 1,000,000; None for the client's setting.
            prefetch: Pages to fetch ahead of the page that is read, from 0 to 1,000.
            resume_from: A paginator's checkpoint, after which to continue.
            check_filters: If True, a row that contradicts the filter raises `FilterIgnoredError`.

        Raises:
            QueryError: If the server would not understand the filters or sorts, and so silently ignore all of them.
            InvalidArgumentError: If another argument is out of range or of the wrong type.
            PageShiftedError: If rows had moved before `resume_from`, so that earlier rows are missing.
        """
        options = ListOptions(
            sorts=sorts, page_size=page_size, prefetch=prefetch, resume_from=resume_from, check_filters=check_filters
        )
        return self._paginators.campaigns(filters, **options)

    def contacts(
        self,
        campaign_id: str,
        *,
        filters: Filters = None,
        sorts: Sorts = None,
        page_size: int | None = None,
        prefetch: int = 1,
        resume_from: Checkpoint | None = None,
        check_filters: bool = True,
    ) -> Paginator[Contact]:
        """List the contacts of a campaign (GET Campaign Contacts). The arguments and errors are those of `list`."""
        options = ListOptions(
            sorts=sorts, page_size=page_size, prefetch=prefetch, resume_from=resume_from, check_filters=check_filters
        )
        return self._paginators.contacts(campaign_id, filters, **options)

    def create_many(
        self,
        news: Items[NewCampaign],
        ignore_invalid_phone_numbers: bool | None = None,
        on_unknown: Literal["raise", "reconcile"] = "raise",
    ) -> FanOut[NewCampaign, str]:
        """Create many campaigns in parallel. Outcomes are returned as they complete, failures included.

        Args:
            news: An iterable or async iterable. It is read only as fast as requests are sent.
            ignore_invalid_phone_numbers: As for `create`.
            on_unknown: As for `create`.

        Returns:
            An async iterator of `Outcome`, best used in an `async with` block.

        Raises:
            InvalidArgumentError: If `news` cannot be iterated, or `on_unknown` is another text.
        """
        create = partial(self._create_item, ignore_invalid_phone_numbers, _must_reconcile(on_unknown))
        return FanOut(create, news, limit=self._caller.pool.limiter.limit, grace=self._caller.timeouts.grace)

    async def _create_item(self, ignore_invalid: bool | None, reconcile: bool, new: NewCampaign) -> Result[str]:
        request_id: str | None = None

        def read(response: Response) -> str:
            nonlocal request_id
            request_id = read_request_id(response)
            return read_created_id(response)

        try:
            request = build_create(new, ignore_invalid)
        except InvalidArgumentError as error:
            del new  # as in `create`
            raise error.with_traceback(None) from None
        if reconcile:
            campaign_id = await self._creator.create_reconciled(new, ignore_invalid, request, read)
        else:
            campaign_id = await self._creator.create(request, read)
        return Result(campaign_id, request_id)


def _must_reconcile(on_unknown: object) -> bool:
    return check_choice("on_unknown", on_unknown, ("raise", "reconcile"), error=InvalidArgumentError) == "reconcile"
