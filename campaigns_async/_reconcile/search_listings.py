"""The lists that a search for a create reads."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

from attrs import evolve

from campaigns_async._engine.caller import Caller
from campaigns_async._http.request import CAMPAIGNS_PATH, build_contacts, build_list, contacts_path
from campaigns_async._http.response import Response, read_campaigns, read_contacts
from campaigns_async._reconcile.ledger import Ledger
from campaigns_async.models import Campaign, Contact, Page

if TYPE_CHECKING:
    from campaigns_async.paging import Paginator, PaginatorFactory
    from campaigns_async.query._conditions import Expression


class SearchListings:
    """The lists of campaigns and contacts, exempt from `max_waiting` because they belong to a create that has started.

    `FilterIgnoredError` is not raised: the search itself skips rows that do not match.
    """

    def __init__(self, caller: Caller, ledger: Ledger, page_size: int) -> None:
        self._caller = caller
        self._ledger = ledger
        self._page_size = page_size

    def load(self) -> None:
        """Import the modules that listing needs, so that a search cannot fail on an import."""
        _ = self._paginators

    def campaigns(self, filters: Expression) -> Paginator[Campaign]:
        """List the campaigns that match; the ledger remembers their ids."""
        return self._paginators.paginator(
            "campaigns", CAMPAIGNS_PATH, Campaign, build_list, self.read_campaigns, filters
        )

    def contacts(self, campaign_id: str) -> Paginator[Contact]:
        """List the contacts of a campaign."""
        request = partial(build_contacts, campaign_id)
        return self._paginators.paginator(
            f"contacts {campaign_id}", contacts_path(campaign_id), Contact, request, read_contacts
        )

    def read_campaigns(self, response: Response) -> Page[Campaign]:
        """Read a page of campaigns; the ledger remembers their ids."""
        page = read_campaigns(response)
        self._ledger.seen.update([row.id for row in page.items])
        return page

    @cached_property
    def _paginators(self) -> PaginatorFactory:
        from campaigns_async.paging import PaginatorFactory  # noqa: PLC0415  # a program that only creates never lists

        return PaginatorFactory(evolve(self._caller, exempt_from_max_waiting=True), self._page_size)
