"""Read the value of a successful response."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define, field

from campaigns_async._checks import is_int
from campaigns_async._http import pages
from campaigns_async._http.codec import decode_json, is_array, is_object, read_model, read_models, single
from campaigns_async.errors import DecodeError
from campaigns_async.models import Campaign, Contact, Page


@define
class Response:
    """A complete response.

    Attributes:
        status: The HTTP status.
        headers: The headers. Names are found in any letter case.
        body: The body.
        connection: The transport's handle of the connection that the response came over, for `Transport.reuse` and
            `Transport.discard`; None without one.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=lambda body: f"<{len(body)} bytes>")
    connection: object | None = field(default=None, repr=False, eq=False)

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            DecodeError: If the body is not JSON.
        """
        try:
            return decode_json(self.body)
        except ValueError:
            problem = "the body is empty" if not self.body.strip() else "the body is not JSON"
        raise DecodeError(f"{problem} (status {self.status})", status=self.status)


M = TypeVar("M")

_LONGEST_ID = 200
_QUOTED_ID = re.compile(rb'"[A-Za-z0-9-]{1,200}"\Z')  # almost every id, found without a decoder
_BARE_ID = re.compile(r"[_-]*[A-Za-z0-9][A-Za-z0-9._~:+=-]*\Z")
_NEGATIVE = re.compile(r"-[0-9.]+\Z")
_NO_ID = frozenset({"null", "none", "undefined", "nan", "true", "false", "ok", "created", "accepted", "success"})
_NOT_IN_ID = frozenset("\"'<>{}\ufffd")  # signs of a message, a document, or JSON within JSON


def read_raw(response: Response) -> Response:
    """Return the response itself."""
    return response


def read_nothing(response: Response) -> None:
    """Return None, whatever the body is."""


def read_created_id(response: Response) -> str:
    """Return the id of a new campaign: a JSON string, or bare text of any content type.

    Raises:
        DecodeError: If the campaign was created, but its id cannot be read.
    """
    if _QUOTED_ID.match(response.body):
        return response.body[1:-1].decode("ascii")
    campaign_id = _find_id(response.body)
    if campaign_id is not None:
        return campaign_id
    body = "an empty body" if not response.body.strip() else "another body"
    raise DecodeError(
        f"created (status {response.status}), but the response has {body} instead of the new id: "
        "look for the campaign in the list, do not send it again",
        status=response.status,
    )


def _find_id(body: bytes) -> str | None:
    try:
        text = body.decode("utf-8-sig").strip()
        value: object = decode_json(text.encode()) if text.startswith('"') else None
    except ValueError:  # not chained: the error holds the body
        return None
    if value is None:
        return text if len(text) <= _LONGEST_ID and _is_bare_id(text) else None
    text = value.strip() if isinstance(value, str) else ""
    readable = 0 < len(text) <= _LONGEST_ID and text.isprintable() and _NOT_IN_ID.isdisjoint(text)
    return text if readable else None


def _is_bare_id(text: str) -> bool:
    return bool(_BARE_ID.match(text)) and not _NEGATIVE.match(text) and text.lower() not in _NO_ID


def read_campaign(response: Response) -> Campaign:
    """Return a campaign.

    Raises:
        DecodeError: If the body is not a campaign.
    """
    value = single(response.json())
    try:
        return read_model(value, Campaign)
    except DecodeError as error:
        error.http_status = response.status
        raise


def read_campaigns(response: Response) -> Page[Campaign]:
    """Return a page of campaigns.

    Raises:
        DecodeError: If the body is not a page of campaigns.
    """
    return _read_page(response, Campaign)


def read_contacts(response: Response) -> Page[Contact]:
    """Return a page of contacts.

    Raises:
        DecodeError: If the body is not a page of contacts.
    """
    return _read_page(response, Contact)


def _read_page(response: Response, cls: type[M]) -> Page[M]:
    if (page := pages.read_page(response.body, cls)) is not None:
        return page
    envelope = single(response.json())
    try:
        return _read_envelope(envelope, cls)
    except DecodeError as error:
        error.http_status = response.status
        raise


def _read_envelope(envelope: object, cls: type[M]) -> Page[M]:
    if not is_object(envelope):
        raise DecodeError("$: expected an object with items", where="$")
    items = envelope.get("items")
    if not is_array(items):  # an empty list in its place would hide all rows
        raise DecodeError(f"$.items: {'missing' if items is None else 'expected an array'}", where="$.items")
    return Page(
        index=_read_count(envelope, "pageIndex"),
        total_pages=_read_count(envelope, "totalPages"),
        total_records=_read_count(envelope, "totalRecords"),
        items=read_models(items, cls, where="$.items"),
    )


def _read_count(envelope: dict[str, object], name: str) -> int | None:
    value = envelope.get(name)
    if value is None:
        return None
    if not is_int(value) or not 0 <= value < 2**63:
        raise DecodeError(f"$.{name}: expected a whole number from 0", where=f"$.{name}")
    return value
