"""The listings of a client, for its users and for searches for unknown creates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, TypedDict, TypeVar, Unpack

from attrs import define, evolve

from campaigns_async._engine.caller import Caller
from campaigns_async._http.request import CAMPAIGNS_PATH, contacts_path
from campaigns_async._http.response import Response, read_campaigns, read_contacts
from campaigns_async.models import Campaign, Contact, Page
from campaigns_async.values import Checkpoint, Operation

if TYPE_CHECKING:
    from campaigns_async.paging import Paginator
    from campaigns_async.query._parse import Filters, Sorts

M = TypeVar("M", Campaign, Contact)


class ListOptions(TypedDict, total=False):
    """Arguments of `Campaigns.list`. By default, nothing is prefetched and rows are not compared with the filter."""

    sorts: Sorts
    page_size: int | None
    prefetch: int
    resume_from: Checkpoint | None
    check_filters: bool


@define(eq=False, repr=False)
class Paginators:
    """The paginators of a client."""

    caller: Caller
    page_size: int
    remember: int
    record_ids: Callable[[Iterable[str]], None]  # called with the ids of each page of campaigns

    def for_search(self) -> Paginators:
        """Return paginators for the search for a create that has started."""
        return evolve(self, caller=evolve(self.caller, exempt_from_max_waiting=True, proves=True))

    async def probe(self) -> None:
        """List one campaign with a single request.

        Raises:
            CampaignsError: If the server does not answer as documented.
        """
        caller = evolve(self.caller, retry=evolve(self.caller.retry, attempts=1))
        await evolve(self, caller=caller).campaigns().first()

    def load(self) -> None:
        """Import the modules that listing needs, so that a search cannot fail on an import."""
        import_module("campaigns_async.paging")

    def campaigns(self, filters: Filters = None, **options: Unpack[ListOptions]) -> Paginator[Campaign]:
        """List campaigns; the ids of each page are recorded."""
        return self._paginate(Operation.LIST, CAMPAIGNS_PATH, Campaign, self._read_campaigns, filters, options)

    def contacts(self, campaign_id: str, filters: Filters = None, **options: Unpack[ListOptions]) -> Paginator[Contact]:
        """List the contacts of a campaign."""
        path = contacts_path(campaign_id)
        return self._paginate(Operation.CONTACTS, path, Contact, read_contacts, filters, options)

    def _paginate(
        self,
        operation: Operation,
        path: str,
        model: type[M],
        read: Callable[[Response], Page[M]],
        filters: Filters,
        options: ListOptions,
    ) -> Paginator[M]:
        from campaigns_async.paging import paginate  # noqa: PLC0415  # a program that only creates never lists

        size, remember = self.page_size, self.remember
        return paginate(operation, path, model, read, self.caller, size, filters, remember=remember, **options)

    def _read_campaigns(self, response: Response) -> Page[Campaign]:
        page = read_campaigns(response)
        self.record_ids([row.id for row in page.items])
        return page
