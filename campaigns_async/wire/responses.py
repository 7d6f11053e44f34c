"""What a response means: the value of a success."""

from __future__ import annotations

import re
from typing import TypeVar

import orjson

from campaigns_async.errors import DecodeError
from campaigns_async.models import Campaign, Contact
from campaigns_async.values import Page
from campaigns_async.wire import codec
from campaigns_async.wire.messages import Response

M = TypeVar("M")

_BARE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:+=-]{0,199}\Z")
_NO_ID = ("null", "true", "false")


def raw(response: Response) -> Response:
    """The response itself."""
    return response


def nothing(response: Response) -> None:
    """Success is all there is to know."""


def created_id(response: Response) -> str:
    """The id of a new campaign: a JSON string, or bare text whatever the content type says.

    Raises:
        DecodeError: The campaign was created, but its id cannot be read.
    """
    text = response.body.decode("utf-8-sig", "replace").strip()
    if text.startswith('"'):
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            value = ""
        text = value.strip() if isinstance(value, str) else ""
        if text and text.isprintable() and len(text) <= 200:
            return text
    elif _BARE_ID.match(text) and text.lower() not in _NO_ID:
        return text
    found = "an empty body" if not response.body.strip() else "something else"
    raise DecodeError(
        f"created (status {response.status}), but the answer should be the new id and is {found}: "
        "look for the campaign in the list, do not send it again",
        status=response.status,
    )


def campaign(response: Response) -> Campaign:
    """One campaign.

    Raises:
        DecodeError: It cannot be read.
    """
    return codec.read_one(_single(response.json()), Campaign)


def campaigns(response: Response) -> Page[Campaign]:
    """A page of campaigns.

    Raises:
        DecodeError: It cannot be read.
    """
    return _page(response, Campaign)


def contacts(response: Response) -> Page[Contact]:
    """A page of contacts.

    Raises:
        DecodeError: It cannot be read.
    """
    return _page(response, Contact)


def _page(response: Response, cls: type[M]) -> Page[M]:
    envelope = _single(response.json())
    if not isinstance(envelope, dict):
        raise DecodeError("$: expected an object with items", where="$")
    items = envelope.get("items")
    if not isinstance(items, list):  # no rows would read as an empty list, and lose them all
        raise DecodeError(f"$.items: {'missing' if items is None else 'expected an array'}", where="$.items")
    return Page(
        index=_count(envelope, "pageIndex"),
        total_pages=_count(envelope, "totalPages"),
        total_records=_count(envelope, "totalRecords"),
        items=codec.read_many(items, cls, where="$.items"),
    )


def _single(value: object) -> object:
    """The documentation shows the list's envelope within an array."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _count(envelope: dict[str, object], name: str) -> int | None:
    value = envelope.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DecodeError(f"$.{name}: expected a whole number from 0", where=f"$.{name}")
    return value
