"""Values that every layer shares: operations, what is known of a request, and places in listings."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, StrEnum

from attrs import field, frozen


class Action(StrEnum):
    """What a request does to its resource; decides if it may be repeated."""

    LIST = "list"
    GET = "get"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    READ = "read"
    """Of a raw request that changes nothing: GET, HEAD or OPTIONS."""
    REPLACE = "replace"
    """Of a raw request that has the same effect however often it is sent: PUT or DELETE."""
    SEND = "send"
    """Of a raw request of which nothing is known: POST or PATCH. Treated as a create."""


class Operation(Enum):
    """A resource and an action on it; as text `campaigns.create`.

    Attributes:
        resource: `campaigns`, `contacts`, or `raw` for requests of the raw way in.
        action: What the request does.
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


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)  # a list, where it came by way of JSON


@frozen
class Checkpoint:
    """The position after the rows returned so far; pass it to `resume_from=` of the same call to continue."""

    listing: str
    """A digest of what is listed, so that another listing refuses it."""
    page_size: int
    page: int = 1
    """The page that holds the next row, from 1, if nothing has moved since."""
    offset: int = 0
    """Rows of that page that were returned."""
    rows: int = 0
    """Rows returned in all."""
    total: int | None = None
    """How many rows there were, as the server counted."""
    tail: tuple[str, ...] = field(default=(), converter=_texts, repr=lambda tail: f"<{len(tail)}>")
    """Ids of the newest rows, by which the place is found again when rows have come or gone."""
