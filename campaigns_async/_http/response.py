"""Read the value of a successful response."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from attrs import define, field

from campaigns_async._checks import is_int
from campaigns_async._http import pages
from campaigns_async._http.codec import decode_json, is_array, is_object, read_model, read_models, single
from campaigns_async._http.request import check_campaign_id
from campaigns_async._ids import normalize_id
from campaigns_async.effects import Effect
from campaigns_async.errors import DecodeError, InvalidArgumentError
from campaigns_async.models import Campaign, Contact, Page

_APPLIED = Effect.APPLIED


@define
class Response:
    """A complete response.

    Attributes:
        status: The HTTP status.
        headers: The headers. Names are found in any letter case.
        body: The body.
        connection: The transport's handle of the connection that the response came over, for `Transport.reuse` and
            `Transport.discard`; None without one.
        effect: The effect of the request: UNKNOWN if a raw request that may change something met a success other than
            201 and 204, which proves nothing.
        created_id: The id of a new campaign, once it was read.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=lambda body: f"<{len(body)} bytes>")
    connection: object | None = field(default=None, repr=False, eq=False)
    effect: Effect = field(default=_APPLIED, repr=False)
    created_id: str | None = field(default=None, init=False, repr=False, eq=False)

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
_QUOTED_ID = re.compile(rb'"(?=[A-Za-z._-]*[0-9])[A-Za-z0-9._-]{1,200}"\Z')
"""Almost every documented id, found without a decoder."""
_DOCUMENTED_ID = re.compile(r"(?=[A-Za-z._-]*[0-9])[A-Za-z0-9._-]{1,200}\Z")
_NOT_IN_ID = frozenset("\"'<>{}\ufffd")  # signs of a message, a document, or JSON within JSON
_NEGATIVE = re.compile(r"-[0-9.]+\Z")  # bare, a number: as likely a code of an error


def read_raw(response: Response) -> Response:
    """Return the response itself."""
    return response


def read_nothing(response: Response) -> None:
    """Return None, whatever the body is."""


def read_created_id(response: Response) -> str:
    """Return the id of a new campaign.

    Raises:
        DecodeError: If the campaign was created, but the response has no id.
    """
    if response.created_id is not None:
        return response.created_id
    body = response.body
    campaign_id = read_documented_id(response) or find_documented_id(body) or find_possible_id(body)
    if campaign_id is not None:
        response.created_id = campaign_id
        return campaign_id
    found = "an empty body" if not body.strip() else "another body"
    raise DecodeError(
        f"created (status {response.status}), but the response has {found} instead of the new id: "
        "look for the campaign in the list, do not send it again",
        status=response.status,
    )


def read_documented_id(response: Response) -> str | None:
    """Return the id of a new campaign if the body is as documented; None if it is not, or if its end may be missing."""
    body = response.body
    if _QUOTED_ID.match(body):
        response.created_id = body[1:-1].decode("ascii")
    else:
        response.created_id = find_documented_id(body) if has_end(response) else None
    return response.created_id


def has_end(response: Response) -> bool:
    """Return True if the end of a documented id cannot be missing.

    Without a length, a body ends where the connection does, and aiohttp does not check the end of a compressed one. A
    piece of a bare id looks like an id.
    """
    is_quoted = response.body.removeprefix(BOM_UTF8).lstrip().startswith(b'"')
    if is_quoted or "Content-Encoding" in response.headers:
        return is_quoted
    return "Content-Length" in response.headers or "Transfer-Encoding" in response.headers


def find_documented_id(body: bytes) -> str | None:
    """Return the id in a body that is as documented: a JSON string or bare text; None if there is no such id."""
    try:
        text: object = body.decode("utf-8-sig").strip()
        is_quoted = isinstance(text, str) and text.startswith('"')
        if is_quoted:
            text = decode_json(body.strip())
    except ValueError:
        return None
    if not isinstance(text, str) or not _DOCUMENTED_ID.match(text) or (not is_quoted and _NEGATIVE.match(text)):
        return None
    return text


def find_possible_id(body: bytes) -> str | None:
    """Return what may be an id: another text, or the `id` of a JSON object; None if nothing can be one."""
    value: object
    try:
        value = decode_json(body)
        if not isinstance(value, str):
            value = single(value)
            value = value.get("id") if is_object(value) else None
            value = str(value) if is_int(value) else value
    except ValueError:
        value = body.decode(errors="replace")
    text = value.strip() if isinstance(value, str) else ""
    if not 0 < len(text) <= _LONGEST_ID or not _NOT_IN_ID.isdisjoint(text):
        return None
    try:
        check_campaign_id(text)
    except InvalidArgumentError:
        return None
    return text


def read_campaign(response: Response, campaign_id: str | None = None) -> Campaign:
    """Return a campaign. One with another id than `campaign_id` answers another request, and is refused."""
    found = read_model(single(response.json()), Campaign)
    _check_read_status(response)
    if campaign_id is None or normalize_id(found.id) == normalize_id(campaign_id):
        return found
    raise DecodeError(
        "$.id: the response is another campaign than the one that was asked for", where="$.id", status=response.status
    )


def _read_page(response: Response, cls: type[M]) -> Page[M]:
    """Return a page of campaigns or contacts."""
    if response.status == 200 and (page := pages.read_page(response.body, cls)) is not None:
        return page
    page = _read_envelope(single(response.json()), cls)
    _check_read_status(response)
    return page


read_campaigns: Callable[[Response], Page[Campaign]] = partial(_read_page, cls=Campaign)
read_contacts: Callable[[Response], Page[Contact]] = partial(_read_page, cls=Contact)


def _check_read_status(response: Response) -> None:
    """Raise an error for a success other than 200: 206 is a part, and 203 was changed on the way (RFC 9110, 15.3)."""
    if response.status != 200:
        raise DecodeError(
            f"a response with status {response.status} may not be the whole answer: the API answers 200",
            status=response.status,
        )


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
