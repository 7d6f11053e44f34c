"""What to send for each operation (provider's documentation, Campaigns).

All that is wrong with arguments is found here, before a slot is taken and a byte goes out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from contextlib import suppress
from json import dumps
from typing import cast
from urllib.parse import quote

from campaigns_async import checks
from campaigns_async._version import __version__
from campaigns_async.errors import InvalidArgumentError
from campaigns_async.models import CampaignUpdate, NewCampaign
from campaigns_async.values import Auth, Operation
from campaigns_async.wire.codec import encode_model
from campaigns_async.wire.messages import Request

ROOT = "/api/Campaigns"
_LONGEST_ID = 500
_CREATE = Operation.CREATE  # Python 3.11 looks a member up slowly
_CREATE_PATHS = {None: ROOT, True: "/api/campaigns/true", False: "/api/campaigns/false"}
_RAW_OPERATIONS = {
    "GET": Operation.RAW_READ,
    "HEAD": Operation.RAW_READ,
    "OPTIONS": Operation.RAW_READ,
    "PUT": Operation.RAW_REPLACE,
    "DELETE": Operation.RAW_REPLACE,
    "POST": Operation.RAW_SEND,
    "PATCH": Operation.RAW_SEND,
}
_FORBIDDEN_IN_ID = re.compile(r"[/\\?#%; ]")  # other blanks and controls are not printable


def list_page(*, page: int, page_size: int, filters: str | None = None, sorts: str | None = None) -> Request:
    """`GET /api/Campaigns`."""
    return Request(Operation.LIST, "GET", ROOT, _paging(page, page_size, filters, sorts))


def get(campaign_id: str) -> Request:
    """`GET /api/Campaigns/:Id`."""
    return Request(Operation.GET, "GET", f"{ROOT}/{_segment(campaign_id)}")


def contacts_page(
    campaign_id: str, *, page: int, page_size: int, filters: str | None = None, sorts: str | None = None
) -> Request:
    """`GET /api/Campaigns/:Id/Contacts`."""
    path = f"{ROOT}/{_segment(campaign_id)}/Contacts"
    return Request(Operation.CONTACTS, "GET", path, _paging(page, page_size, filters, sorts))


def create(new: NewCampaign, ignore_invalid_phone_numbers: bool | None = None) -> Request:
    """`POST /api/Campaigns`, or `/true` or `/false` below it."""
    _must_be("new", new, NewCampaign)
    if ignore_invalid_phone_numbers is not None:
        _must_be("ignore_invalid_phone_numbers", ignore_invalid_phone_numbers, bool)
    return Request(_CREATE, "POST", _CREATE_PATHS[ignore_invalid_phone_numbers], "", encode_model(new))


def create_encoded(body: bytes, ignore_invalid_phone_numbers: bool | None = None) -> Request:
    """Return the request of a create whose body is encoded already."""
    return Request(_CREATE, "POST", _CREATE_PATHS[ignore_invalid_phone_numbers], "", body)


def update(campaign_id: str, changed: CampaignUpdate, method: str = "PUT") -> Request:
    """`PUT /api/Campaigns/:id`; by POST where the server takes that."""
    _must_be("changed", changed, CampaignUpdate)
    path = f"{ROOT}/{_segment(campaign_id, method)}"
    return Request(Operation.UPDATE, method, path, "", encode_model(changed))


def delete(campaign_id: str, method: str = "DELETE") -> Request:
    """`DELETE /api/Campaigns/:Id`; by POST where the server takes that."""
    return Request(Operation.DELETE, method, f"{ROOT}/{_segment(campaign_id, method)}", "", b"")


def raw(
    method: str,
    path: str,
    *,
    params: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    json: object = None,
) -> Request:
    """Any request below the base URL.

    Raises:
        InvalidArgumentError: An unknown verb, a path that is none, or a body that is no JSON.
    """
    _must_be("method", method, str)
    verb = method.upper()
    if verb not in _RAW_OPERATIONS:
        raise InvalidArgumentError(f"method must be one of {', '.join(_RAW_OPERATIONS)}")
    _must_be("path", path, str)
    if not path.startswith("/") or path.startswith("//") or not checks.is_path(path):
        raise InvalidArgumentError(
            "path must begin with one slash, be percent-encoded and hold no query, fragment or dot segment; "
            "a query goes in params"
        )
    query = "" if params is None else _query(params)
    return Request(_RAW_OPERATIONS[verb], verb, path, query, None if json is None else _encode_json(json))


def authorized(auth: Auth, key: str) -> tuple[dict[str, str], str]:
    """The headers that every request bears, and the piece of query that carries the key."""
    headers = {"Accept": "application/json", "User-Agent": f"campaigns-async/{__version__}"}
    if auth is Auth.BEARER:
        return {**headers, "Authorization": f"Bearer {key}"}, ""
    if auth is Auth.HEADER:
        return {**headers, "api-key": key}, ""
    return headers, f"api-key={quote(key, safe='')}"


def _paging(page: int, page_size: int, filters: str | None, sorts: str | None) -> str:
    query = f"page={page}&pageSize={page_size}"
    if sorts:
        query += f"&sorts={_quoted('sorts', sorts)}"
    if filters:
        query += f"&filters={_quoted('filters', filters)}"
    return query


def _segment(campaign_id: str, method: str = "GET") -> str:
    """An id as one segment of a path, which it cannot leave."""
    _must_be("campaign_id", campaign_id, str)
    if len(campaign_id) > _LONGEST_ID:
        raise InvalidArgumentError(f"campaign_id is {len(campaign_id):,} characters long, which is no id")
    if not campaign_id:
        raise InvalidArgumentError("campaign_id is empty, which would address all campaigns")
    if _FORBIDDEN_IN_ID.search(campaign_id) or not campaign_id.isprintable() or _plain(campaign_id).strip(".") == "":
        raise InvalidArgumentError(
            "campaign_id holds a slash, ?, #, %, ;, a blank, an invisible character, half of a surrogate pair, or nothing "
            "but dots: that would address another path"
        )
    if method == "POST" and campaign_id.lower() in ("true", "false"):
        raise InvalidArgumentError("campaign_id must not be true or false where the method is POST: create's paths")
    return quote(campaign_id, safe="")


def _must_be(name: str, value: object, cls: type) -> None:
    if not isinstance(value, cls):
        raise InvalidArgumentError(f"{name} must be a {cls.__name__}, not {type(value).__name__}")


def _query(params: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    if not hasattr(params, "__iter__"):
        raise InvalidArgumentError(f"params must be a mapping or an iterable of pairs, not {type(params).__name__}")
    pairs = cast("Iterable[tuple[str, str]]", params.items() if isinstance(params, Mapping) else params)
    return "&".join(map(_pair, pairs))


def _pair(pair: tuple[str, str]) -> str:
    _must_be("a pair in params", pair, tuple)
    if len(pair) != 2:
        raise InvalidArgumentError("a pair in params must be a name and a value")
    return f"{_quoted('a name in params', pair[0])}={_quoted('a value in params', pair[1])}"


def _encode_json(value: object) -> bytes:
    with suppress(TypeError, ValueError, RecursionError):  # not chained: these may quote what was passed
        return dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    raise InvalidArgumentError(
        "json must be what JSON can hold: no bytes, no objects, no lone surrogates, no NaN, no cycles", parameter="json"
    )


def _plain(text: str) -> str:
    """Without the disguises that a server may take off: full-width dots are dots."""
    return unicodedata.normalize("NFKC", text)


def _quoted(name: str, text: object) -> str:
    if not isinstance(text, str):
        raise InvalidArgumentError(f"{name} must be text (str), not {type(text).__name__}")
    try:
        return quote(text, safe="")  # a raw + would arrive as a blank
    except UnicodeEncodeError:
        pass  # not chained: it holds the text
    raise InvalidArgumentError(f"{name} holds half of a surrogate pair, which UTF-8 cannot carry")
