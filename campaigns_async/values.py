"""Values that every layer shares: operations, and places in listings."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, StrEnum

from attrs import field, frozen


class Action(StrEnum):
    """The action of a request on its resource. It decides if the request may be repeated.

    Attributes:
        LIST: Read a page of resources.
        GET: Read one resource.
        CREATE: Create a resource. Never repeated unless the server certainly did nothing.
        UPDATE: Change a resource.
        DELETE: Delete a resource.
        READ: A raw GET, HEAD or OPTIONS, which changes nothing.
        REPLACE: A raw PUT or DELETE, which has the same effect if it is repeated.
        SEND: A raw POST or PATCH. Repeated as rarely as a create.
    """

    LIST = "list"
    GET = "get"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    READ = "read"
    REPLACE = "replace"
    SEND = "send"


class Operation(Enum):
    """A resource and an action on it; as text `campaigns.create`.

    Attributes:
        resource: `campaigns`, `contacts`, or `raw` for a request made with `client.request`.
        action: The action of the request.
    """

    LIST = ("campaigns", Action.LIST)
    GET = ("campaigns", Action.GET)
    CONTACTS = ("contacts", Action.LIST)
    CREATE = ("campaigns", Action.CREATE)
    UPDATE = ("campaigns", Action.UPDATE)
    DELETE = ("campaigns", Action.DELETE)
    RAW_READ = ("raw", Action.READ)
    RAW_REPLACE = ("raw", Action.REPLACE)
    RAW_SEND = ("raw", Action.SEND)

    def __init__(self, resource: str, action: Action) -> None:
        self.resource = resource
        self.action = action

    def __str__(self) -> str:
        return f"{self.resource}.{self.action}"


def _to_tuple(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(ids)  # JSON gives a list


@frozen
class Checkpoint:
    """The position after the rows returned so far; pass it to `resume_from=` of the same call to continue.

    Attributes:
        listing: A digest of the listing's arguments. Another listing refuses the checkpoint.
        page_size: Rows per page.
        page: The page with the next row, from 1, if no row has moved since.
        offset: Rows of that page that were returned.
        rows: Rows returned in all.
        total: Rows of the listing, as counted by the server; None if it did not count.
        tail: Ids of the rows returned last. With them the position is found again after rows were added or removed.
        has_moved: True if a row was met at two places, so that only the same iteration can find the rows that it missed.
    """

    listing: str
    page_size: int
    page: int = 1
    offset: int = 0
    rows: int = 0
    total: int | None = None
    tail: tuple[str, ...] = field(default=(), converter=_to_tuple, repr=lambda tail: f"<{len(tail)}>")
    has_moved: bool = False
