"""The listings of a client, for its users and for searches for unknown creates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, TypedDict, Unpack

from attrs import define, evolve

from campaigns_async._engine.caller import Caller
from campaigns_async._http.request import CAMPAIGNS_PATH, build_contacts, build_list, contacts_path
from campaigns_async._http.response import Response, read_campaigns, read_contacts
from campaigns_async.models import Campaign, Contact, Page
from campaigns_async.values import Checkpoint

if TYPE_CHECKING:
    from campaigns_async.paging import Paginator
    from campaigns_async.query._parse import Filters, Sorts


class ListOptions(TypedDict, total=False):
    """Arguments of `Campaigns.list`. By default, nothing is prefetched and rows are not compared with the filter."""

    sorts: Sorts
    page_size: int | None
    prefetch: int
    resume_from: Checkpoint | None
    check_filters: bool


@define(eq=False, repr=False)
class Paginators:
    """The paginators of a client.

    Attributes:
        caller: Sends the requests for pages.
        page_size: The client's setting.
        remember: The client's setting.
        record_ids: Called with the ids of each page of campaigns.
    """

    caller: Caller
    page_size: int
    remember: int
    record_ids: Callable[[Iterable[str]], None]

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
        from campaigns_async.paging import paginate  # noqa: PLC0415  # a program that only creates never lists

        return paginate(
            "campaigns",
            CAMPAIGNS_PATH,
            Campaign,
            build_list,
            self._read_campaigns,
            self.caller,
            self.page_size,
            filters,
            remember=self.remember,
            **options,
        )

    def contacts(self, campaign_id: str, filters: Filters = None, **options: Unpack[ListOptions]) -> Paginator[Contact]:
        """List the contacts of a campaign."""
        from campaigns_async.paging import paginate  # noqa: PLC0415  # as in `load`

        name, path, build = f"contacts {campaign_id}", contacts_path(campaign_id), partial(build_contacts, campaign_id)
        return paginate(
            name,
            path,
            Contact,
            build,
            read_contacts,
            self.caller,
            self.page_size,
            filters,
            remember=self.remember,
            **options,
        )

    def _read_campaigns(self, response: Response) -> Page[Campaign]:
        page = read_campaigns(response)
        self.record_ids([row.id for row in page.items])
        return page
