"""What is asked of the server; beside `search`, so that who never looks for a campaign need not import it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import frozen

from campaigns_async.models import Campaign, Contact

if TYPE_CHECKING:
    from campaigns_async.paging.paginator import Paginator
    from campaigns_async.query.expression import Expression


@frozen
class Server:
    """The two listings."""

    campaigns: Callable[[Expression], Paginator[Campaign]]
    contacts: Callable[[str], Paginator[Contact]]
