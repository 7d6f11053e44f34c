"""Build the request of each operation (provider's documentation, Campaigns).

Wrong arguments are refused here, before a slot is taken and a byte goes out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from json import dumps
from typing import TypeAlias, cast
from urllib.parse import quote

from attrs import define, field

from campaigns_async._checks import LONE_SURROGATE, check_instance, is_path, is_utf8
from campaigns_async._http.codec import encode_model
from campaigns_async.errors import InvalidArgumentError
from campaigns_async.models import CampaignUpdate, NewCampaign
from campaigns_async.values import Operation


@define
class Request:
    """A request without the host and the API key."""

    operation: Operation
    method: str
    path: str  # the percent-encoded path, from the root: `/api/Campaigns/abc`
    query: str = field(default="", repr=False)  # the percent-encoded query, without the question mark
    body: bytes | None = field(default=None, repr=False)


Content: TypeAlias = NewCampaign | Callable[[], NewCampaign]
"""A campaign, or a function that returns it, which is called only if the campaign is compared with another one."""


@define
class CreateRequest(Request):
    """A create's request.

    Attributes:
        content: The campaign in the body.
    """

    content: Content = field(kw_only=True, repr=False)
    drops_invalid: bool = field(kw_only=True)  # True if the server leaves out contacts with an invalid number


CAMPAIGNS_PATH = "/api/Campaigns"
_LONGEST_ID = 500
_CREATE = Operation.CREATE  # Python 3.11 looks up a member slowly
_CREATE_PATHS = {None: CAMPAIGNS_PATH, True: "/api/campaigns/true", False: "/api/campaigns/false"}
_RAW_OPERATIONS = {
    "GET": Operation.RAW_READ,
    "HEAD": Operation.RAW_READ,
    "OPTIONS": Operation.RAW_READ,
    "PUT": Operation.RAW_REPLACE,
    "DELETE": Operation.RAW_REPLACE,
    "POST": Operation.RAW_SEND,
    "PATCH": Operation.RAW_SEND,
}
_FORBIDDEN_IN_ID = re.compile(r"[/\\?#%; ]")  # all other blanks and controls are not printable


def build_page(
    operation: Operation, path: str, *, page: int, page_size: int, filters: str | None = None, sorts: str | None = None
) -> Request:
    """Build `GET /api/Campaigns`, or `GET /api/Campaigns/:Id/Contacts`."""
    query = f"page={page}&pageSize={page_size}"
    if sorts:
        query += f"&sorts={_quote('sorts', sorts)}"
    if filters:
        query += f"&filters={_quote('filters', filters)}"
    return Request(operation, "GET", path, query)


def build_get(campaign_id: str) -> Request:
    """Build `GET /api/Campaigns/:Id`."""
    return Request(Operation.GET, "GET", campaign_path(campaign_id))


def build_create(new: NewCampaign, ignore_invalid_phone_numbers: bool | None = None) -> CreateRequest:
    """Build `POST /api/Campaigns`, or `/true` or `/false` below it."""
    check_instance("new", new, NewCampaign, error=InvalidArgumentError)
    if ignore_invalid_phone_numbers is not None:
        check_instance("ignore_invalid_phone_numbers", ignore_invalid_phone_numbers, bool, error=InvalidArgumentError)
    path, drops_invalid = _CREATE_PATHS[ignore_invalid_phone_numbers], ignore_invalid_phone_numbers is True
    return CreateRequest(_CREATE, "POST", path, "", encode_model(new), content=new, drops_invalid=drops_invalid)


def build_encoded_create(
    body: bytes, content: Callable[[], NewCampaign], ignore_invalid_phone_numbers: bool | None = None
) -> CreateRequest:
    """Build the request of a create from an encoded body.

    `content` returns the campaign that the body encodes. It is called only if another create is compared with this one, or
    if the outcome is unknown.
    """
    path, drops_invalid = _CREATE_PATHS[ignore_invalid_phone_numbers], ignore_invalid_phone_numbers is True
    return CreateRequest(_CREATE, "POST", path, "", body, content=content, drops_invalid=drops_invalid)


def build_update(campaign_id: str, changed: CampaignUpdate, method: str = "PUT") -> Request:
    """Build `PUT /api/Campaigns/:id`, or POST for a server that takes it."""
    check_instance("changed", changed, CampaignUpdate, error=InvalidArgumentError)
    return Request(Operation.UPDATE, method, campaign_path(campaign_id, method), "", encode_model(changed))


def build_delete(campaign_id: str, method: str = "DELETE") -> Request:
    """Build `DELETE /api/Campaigns/:Id`, or POST for a server that takes it."""
    return Request(Operation.DELETE, method, campaign_path(campaign_id, method), "", b"")


def build_raw(
    method: str, path: str, *, params: Mapping[str, str] | Iterable[tuple[str, str]] | None = None, json: object = None
) -> Request:
    """Build any request below the base URL."""
    check_instance("method", method, str, error=InvalidArgumentError)
    verb = method.upper()
    if verb not in _RAW_OPERATIONS:
        raise InvalidArgumentError(f"method must be one of {', '.join(_RAW_OPERATIONS)}", parameter="method")
    if json is not None and _RAW_OPERATIONS[verb] is Operation.RAW_READ:
        # It would go out without a length, and its bytes would stand before the next request of the connection.
        raise InvalidArgumentError(f"json cannot be sent with {verb}: pass params, or another method", parameter="json")
    check_instance("path", path, str, error=InvalidArgumentError)
    if not path.startswith("/") or path.startswith("//") or not is_path(path):
        raise InvalidArgumentError(
            "path must begin with one slash, be percent-encoded, and have no query, fragment or dot segment: "
            "pass a query as params",
            parameter="path",
        )
    query = "" if params is None else _encode_params(params)
    return Request(_RAW_OPERATIONS[verb], verb, path, query, None if json is None else _encode_json(json))


def check_campaign_id(campaign_id: str, method: str = "GET") -> None:
    """Raise an error for an id that a server could read as another path than one segment."""
    check_instance("campaign_id", campaign_id, str, error=InvalidArgumentError)
    reason = None
    if len(campaign_id) > _LONGEST_ID:
        reason = f"is {len(campaign_id):,} characters long: an id has at most {_LONGEST_ID}"
    elif not campaign_id:
        reason = "is empty, which would address all campaigns"
    # A server may normalize the path: full-width dots become dots.
    elif (
        _FORBIDDEN_IN_ID.search(campaign_id)
        or not campaign_id.isprintable()
        or not unicodedata.normalize("NFKC", campaign_id).strip(".")
    ):
        reason = (
            "contains a slash, ?, #, %, ;, a blank, an invisible character, a lone surrogate, or nothing but dots: "
            "that would address another path"
        )
    elif method == "POST" and campaign_id.lower() in ("true", "false"):
        reason = "must not be true or false with the method POST: those are paths of create"
    if reason is not None:
        raise InvalidArgumentError(f"campaign_id {reason}", parameter="campaign_id")


def campaign_path(campaign_id: str, method: str = "GET") -> str:
    """Return the path of a campaign, percent-encoded."""
    check_campaign_id(campaign_id, method)
    return f"{CAMPAIGNS_PATH}/{quote(campaign_id, safe='')}"


def contacts_path(campaign_id: str) -> str:
    """Return the path of a campaign's contacts, percent-encoded."""
    return f"{campaign_path(campaign_id)}/Contacts"


def _encode_params(params: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    if not hasattr(params, "__iter__"):
        raise InvalidArgumentError(
            f"params must be a mapping or an iterable of pairs, not {type(params).__name__}", parameter="params"
        )
    pairs = cast("Iterable[tuple[str, str]]", params.items() if isinstance(params, Mapping) else params)
    return "&".join(map(_encode_pair, pairs))


def _encode_pair(pair: tuple[str, str]) -> str:
    check_instance("a pair in params", pair, tuple, error=InvalidArgumentError)
    if len(pair) != 2:
        raise InvalidArgumentError("a pair in params must be a name and a value", parameter="params")
    return f"{_quote('a name in params', pair[0])}={_quote('a value in params', pair[1])}"


def _encode_json(value: object) -> bytes:
    with suppress(TypeError, ValueError, RecursionError):  # not chained: the errors may quote the value
        return dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    raise InvalidArgumentError(
        "json must be a JSON value: no bytes, no objects, no lone surrogates, no NaN, no cycles", parameter="json"
    )


def _quote(name: str, text: object) -> str:
    if not isinstance(text, str):
        raise InvalidArgumentError(f"{name} must be text (str), not {type(text).__name__}")
    if not is_utf8(text):
        raise InvalidArgumentError(f"{name} {LONE_SURROGATE}", parameter=name)
    return quote(text, safe="")  # servers read a raw + as a blank
