"""What is asked of the server; beside `search`, so that who never looks for a campaign need not import it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from campaigns_async.models import Campaign, Contact

if TYPE_CHECKING:
    from campaigns_async.paging.paginator import Paginator
    from campaigns_async.query.expression import Expression


class Server:
    """The two listings."""

    def __init__(
        self, campaigns: Callable[[Expression], Paginator[Campaign]], contacts: Callable[[str], Paginator[Contact]]
    ) -> None:
        self.campaigns = campaigns
        self.contacts = contacts
