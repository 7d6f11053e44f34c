"""The words that every layer shares: operations, deliveries, ways to authenticate."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, StrEnum
from typing import Generic, TypeVar

from attrs import field, frozen

T = TypeVar("T")
R = TypeVar("R")


class Delivery(Enum):
    """What is known of a request that was to change something on the server."""

    NOT_SENT = "not_sent"
    """Nothing of it can have reached the server."""
    REJECTED = "rejected"
    """The server said that it did nothing."""
    UNKNOWN = "unknown"
    """It may have been carried out."""
    DONE = "done"
    """It was carried out."""


class Operation(StrEnum):
    """What a request asks for; decides whether it may be repeated."""

    LIST = "list"
    GET = "get"
    CONTACTS = "contacts"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    RAW_READ = "raw_read"
    """A raw request that changes nothing: GET, HEAD or OPTIONS."""
    RAW_REPLACE = "raw_replace"
    """A raw request that has the same effect however often it is sent: PUT or DELETE."""
    RAW_SEND = "raw_send"
    """A raw request of which nothing is known: POST or PATCH. Treated as a create."""


class Auth(StrEnum):
    """Where the API key travels (provider's documentation, Authentication)."""

    BEARER = "bearer"
    """`Authorization: Bearer KEY`."""
    HEADER = "header"
    """`api-key: KEY`."""
    QUERY = "query"
    """`?api-key=KEY`. Proxies and servers write query strings to their logs: prefer the others."""


@frozen
class Page(Generic[T]):
    """One page of a listing, as the server sent it."""

    index: int | None
    """From 1; None when the server did not say."""
    total_pages: int | None
    total_records: int | None
    items: tuple[T, ...] = field(repr=lambda items: f"<{len(items)}>")


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)  # a list, where it came by way of JSON


@frozen
class Checkpoint:
    """Rows handed out so far; hand it to `resume_from=` of the same call to go on behind them."""

    listing: str
    """A digest of what is listed, so that it is not taken up by another listing."""
    page_size: int
    page: int = 1
    """The page that holds the next row, from 1, if nothing has moved since."""
    offset: int = 0
    """Rows of that page that were handed out."""
    rows: int = 0
    """Rows handed out in all."""
    total: int | None = None
    """How many rows there were, as the server counted."""
    tail: tuple[str, ...] = field(default=(), converter=_texts, repr=lambda tail: f"<{len(tail)}>")
    """Ids of the newest rows, by which the place is found again when rows have come or gone."""


@frozen
class Outcome(Generic[T, R]):
    """What became of one item of a fan-out."""

    index: int
    """Position of the item in the input, from 0."""
    item: T = field(repr=False)
    value: R | None = None
    """What the operation returned: for `create_many`, the new id."""
    error: Exception | None = field(default=None, repr=lambda error: error and type(error).__name__)
    delivery: Delivery = Delivery.DONE

    @property
    def ok(self) -> bool:
        """Whether the operation returned, rather than raised."""
        return self.error is None
