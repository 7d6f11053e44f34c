"""What to send for each operation (provider's documentation, Campaigns).

All that is wrong with arguments is found here, before a slot is taken and a byte goes out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

import orjson

from campaigns_async._version import __version__
from campaigns_async.errors import InvalidArgumentError
from campaigns_async.models import CampaignUpdate, NewCampaign
from campaigns_async.values import Auth, Operation
from campaigns_async.wire import codec
from campaigns_async.wire.messages import Request

ROOT = "/api/Campaigns"
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
_RAW_PATH = re.compile(r"(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)+\Z")
_FORBIDDEN_IN_ID = re.compile(r"[/\\?#%\x00-\x20\x7f-\xa0]")


def list_page(
    *, page: int, page_size: int, filters: str | None = None, sorts: str | None = None
) -> Request:
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
    if not isinstance(new, NewCampaign):
        raise InvalidArgumentError(f"a create takes a NewCampaign, not {type(new).__name__}")
    if ignore_invalid_phone_numbers is not None and not isinstance(ignore_invalid_phone_numbers, bool):
        raise InvalidArgumentError("ignore_invalid_phone_numbers must be True, False or None")
    return Request(Operation.CREATE, "POST", _CREATE_PATHS[ignore_invalid_phone_numbers], "", codec.write(new))


def update(campaign_id: str, changed: CampaignUpdate, method: str = "PUT") -> Request:
    """`PUT /api/Campaigns/:id`; by POST where the server takes that."""
    if not isinstance(changed, CampaignUpdate):
        raise InvalidArgumentError(f"an update takes a CampaignUpdate, not {type(changed).__name__}")
    path = f"{ROOT}/{_segment(campaign_id, method)}"
    return Request(Operation.UPDATE, method, path, "", codec.write(changed))


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
    verb = method.upper() if isinstance(method, str) else ""
    if verb not in _RAW_OPERATIONS:
        raise InvalidArgumentError(f"method must be one of {', '.join(_RAW_OPERATIONS)}")
    if not isinstance(path, str) or not _RAW_PATH.match(path) or path.startswith("//") or _dotted(path):
        raise InvalidArgumentError(
            "path must begin with one slash, be percent-encoded and hold no query, fragment or dot segment; "
            "a query goes in params"
        )
    pairs = params.items() if isinstance(params, Mapping) else (params or ())
    try:
        query = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in pairs)
    except (TypeError, ValueError):  # their texts may quote what was passed
        raise InvalidArgumentError("params must be pairs of text") from None
    try:
        body = None if json is None else orjson.dumps(json)
    except TypeError:
        raise InvalidArgumentError("json must be what JSON can hold") from None
    return Request(_RAW_OPERATIONS[verb], verb, path, query, body)


def authorized(auth: Auth, key: str) -> tuple[dict[str, str], str]:
    """The headers that every request bears, and the piece of query that carries the key."""
    headers = {"Accept": "application/json", "User-Agent": f"campaigns-async/{__version__}"}
    if auth is Auth.BEARER:
        return {**headers, "Authorization": f"Bearer {key}"}, ""
    if auth is Auth.HEADER:
        return {**headers, "api-key": key}, ""
    return headers, f"api-key={_quoted(key)}"


def _paging(page: int, page_size: int, filters: str | None, sorts: str | None) -> str:
    query = f"page={page}&pageSize={page_size}"
    if sorts:
        query += f"&sorts={_quoted(sorts)}"
    if filters:
        query += f"&filters={_quoted(filters)}"
    return query


def _segment(campaign_id: str, method: str = "GET") -> str:
    """An id as one segment of a path, which it cannot leave."""
    if not isinstance(campaign_id, str):
        raise InvalidArgumentError(f"campaign_id must be text (str), not {type(campaign_id).__name__}")
    if not campaign_id:
        raise InvalidArgumentError("campaign_id is empty, which would address all campaigns")
    if _FORBIDDEN_IN_ID.search(campaign_id) or campaign_id.strip(".") == "":
        raise InvalidArgumentError(
            "campaign_id holds a slash, ?, #, %, a blank or nothing but dots: that would address another path"
        )
    if method == "POST" and campaign_id.lower() in ("true", "false"):
        raise InvalidArgumentError("campaign_id must not be true or false where the method is POST: create's paths")
    try:
        return quote(campaign_id, safe="")
    except UnicodeEncodeError:
        raise InvalidArgumentError("campaign_id holds half of a surrogate pair") from None


def _quoted(text: str) -> str:
    return quote(text, safe="")  # a raw + would arrive as a blank


def _dotted(path: str) -> bool:
    return any(part.lower().replace("%2e", ".") in (".", "..") for part in path.split("/"))
