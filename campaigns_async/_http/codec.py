"""JSON, and the models on the wire: read leniently by a cattrs converter, written as the bodies of `campaign_rules`.

The converter defines what is read. `pages` reads the rows of a page faster, and tests compare it with the converter.
No error here quotes a value, or chains an error that would.
"""

from __future__ import annotations

import re
import sys
from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from itertools import repeat
from typing import Any, TypeGuard, TypeVar

import attrs
import msgspec
from cattrs import BaseValidationError, Converter, transform_error
from cattrs.gen import make_dict_structure_fn, override

from campaigns_async._checks import is_int
from campaigns_async._field_rules import camel, format_start
from campaigns_async._http.campaign_rules import CampaignBody, ContactBody
from campaigns_async.errors import DecodeError, InvalidArgumentError
from campaigns_async.models import Campaign, CampaignStatus, CampaignUpdate, Contact, NewCampaign

M = TypeVar("M")

_STATUSES = {int(status): status for status in CampaignStatus}
_STATUSES_BY_NAME = {status.name: status for status in CampaignStatus}
_STATUS_IN_TEXT = re.compile(r"-?\d{1,9}", re.ASCII)
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)
_LEAST, _MOST = -(2**63), 2**63 - 1
_MOST_FRAMES = 10_000
_DEEPEST = 1_000
# An escape, with a lone surrogate as its group.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_LONE_IN_ID = re.compile(rb'"[iI]d"\s*:\s*"[^"]*\\u[dD][89a-fA-F]')
_TEXT_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[{\]}]', re.DOTALL)

encode_json: Callable[[object], bytes] = msgspec.json.Encoder().encode


# JSON


def decode_json(body: bytes) -> Any:
    """Return the JSON value of a body. A byte order mark before it is skipped, and a lone surrogate is read as U+FFFD.

    Raises:
        ValueError: If the body is not JSON. Does not quote the body.
    """
    if is_too_deep(body):
        raise ValueError("nested too deeply")
    body = body.removeprefix(BOM_UTF8)
    with suppress(ValueError, RecursionError):  # a msgspec.DecodeError is a ValueError, and so is one of UTF-8
        return msgspec.json.decode(body)
    with suppress(ValueError, RecursionError):
        if _LONE_IN_ID.search(body):  # an id must be exact
            raise ValueError
        return msgspec.json.decode(_ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], body))
    raise ValueError("no JSON")


def is_too_deep(body: bytes) -> bool:
    """Return True if JSON is nested so deeply that decoding it could overflow the stack.

    msgspec relies on the interpreter's recursion limit. On Python 3.11 a program may have set a limit that is too high
    for the stack.
    """
    if sys.getrecursionlimit() <= _MOST_FRAMES:
        return False
    depth = 0
    for token in _TEXT_OR_BRACKET.finditer(body):
        if token[0] in (b"[", b"{"):
            depth += 1
            if depth > _DEEPEST:
                return True
        elif token[0] in (b"]", b"}"):
            depth -= 1
    return False


# Reading


class _UnreadableError(ValueError):
    """A reason that names the expected value, and does not quote the value found."""


def read_model(value: object, cls: type[M]) -> M:
    """Return the model that a JSON value encodes. A `DecodeError` says where the value does not fit."""
    try:
        return _build_reader().structure(value, cls)
    except Exception as error:
        fault = _explain(error, "$")
    raise fault


def read_models(values: Sequence[object], cls: type[M], *, where: str) -> tuple[M, ...]:
    """Return the models of a JSON array, as `read_model` does. `where` is the place of the array."""
    rows: list[M] = []
    try:
        rows.extend(map(_build_reader().get_structure_hook(cls), values, repeat(cls)))
        return tuple(rows)
    except Exception as error:
        fault = _explain(error, f"{where}[{len(rows)}]")
    raise fault


def read_status(value: object, _: object = None) -> CampaignStatus | None:
    """Return the status with a number or a name. An error does not quote the value."""
    if value is None:
        return None
    if type(value) is int and _LEAST <= value <= _MOST:
        return _STATUSES[value] if value in _STATUSES else CampaignStatus(value)
    if isinstance(value, str):  # ASP.NET can be set to write the names of enums
        if (known := _STATUSES_BY_NAME.get(value.upper())) is not None:
            return known
        if _STATUS_IN_TEXT.fullmatch(value):
            return CampaignStatus(int(value))
    raise _UnreadableError("expected a status number")


def read_date(value: object, _: object = None) -> datetime | None:
    """Return the moment that a text of ISO 8601 names, in UTC. A seventh fractional digit is cut."""
    if value is None:
        return None
    with suppress(TypeError, ValueError):
        return _in_utc(datetime.fromisoformat(value))  # type: ignore[arg-type]  # raises TypeError
    raise _UnreadableError("expected an ISO 8601 date")


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    except OverflowError:  # .NET's DateTime.MinValue or MaxValue, with an offset
        return _EARLIEST if moment.year == 1 else _LATEST


def _read_text(value: object, _: object = None) -> str:
    if isinstance(value, str):
        return value
    if is_int(value):
        return str(value)  # an id or a number that a server keeps as an integer
    raise _UnreadableError("expected text")


def _read_optional_text(value: object, _: object = None) -> str | None:
    return value if value is None or type(value) is str else _read_text(value)


def _read_optional_int(value: object, _: object = None) -> int | None:
    if value is None or (type(value) is int and _LEAST <= value <= _MOST):
        return value
    raise _UnreadableError("expected a whole number")


@cache  # built on first use: many programs read no models
def _build_reader() -> Converter:
    converter = Converter()
    # The optional types have hooks of their own: cattrs' would cost a second call for each field.
    converter.register_structure_hook(str, _read_text)
    converter.register_structure_hook(str | None, _read_optional_text)
    converter.register_structure_hook(int | None, _read_optional_int)
    converter.register_structure_hook(datetime | None, read_date)
    converter.register_structure_hook(CampaignStatus | None, read_status)
    for cls in (Campaign, Contact):
        renames = {name: override(rename=camel(name)) for name in attrs.fields_dict(cls)}
        structure = make_dict_structure_fn(cls, converter, **renames)  # type: ignore[arg-type]  # overrides are its keywords
        converter.register_structure_hook(cls, _only_objects(structure))
    return converter


def _only_objects(structure: Callable[[Any, Any], M]) -> Callable[[object, Any], M]:
    def hook(value: object, cls: Any) -> M:
        if not isinstance(value, dict):
            raise _UnreadableError("expected an object")
        return structure(value, cls)

    return hook


def _explain(error: Exception, where: str) -> DecodeError:
    """Return the error of a value that does not fit. It is not chained: the error of cattrs holds the value."""
    if isinstance(error, BaseValidationError):
        text = transform_error(error, path=where, format_exception=_describe)[0]
        reason, _, path = text.rpartition(" @ ")
        return DecodeError(f"{camel(path)}: {reason}", where=camel(path))
    reason = str(error) if isinstance(error, _UnreadableError) else "cannot be read"
    return DecodeError(f"{where}: {reason}", where=where)


def _describe(error: BaseException, _: type | None) -> str:
    return str(error) if isinstance(error, _UnreadableError) else "missing"


# Writing


class _UpdateBody(msgspec.Struct, rename="camel", omit_defaults=True):
    start_date_time: str
    sender: str
    message: str
    opt_out_link_id: int | None = None
    track_link_url: str | None = None


def encode_model(value: NewCampaign | CampaignUpdate) -> bytes:
    """Return the JSON body of a model. None is left out: what an API makes of null is uncertain.

    Raises:
        InvalidArgumentError: If the model changed after it was checked, as a `tzinfo` of the caller's own may.
    """
    try:
        return encode_json(to_body(value) if isinstance(value, NewCampaign) else _to_update_body(value))
    except Exception:  # not chained: a tzinfo may raise anything, and quote anything
        refusal = InvalidArgumentError(f"{type(value).__name__} cannot be encoded")
    raise refusal


def to_body(new: NewCampaign) -> CampaignBody:
    """Return the body of the request that creates a campaign."""
    return CampaignBody(
        format_start(new.start_date_time),
        new.sender,
        new.message,
        [
            ContactBody(
                contact.phone_number,
                contact.name,
                contact.custom1,
                contact.custom2,
                None if contact.contact_group_id is None else str(contact.contact_group_id),
            )
            for contact in new.contacts
        ],
        new.opt_out_link_id,
        new.track_link_url,
    )


def _to_update_body(changed: CampaignUpdate) -> _UpdateBody:
    return _UpdateBody(
        format_start(changed.start_date_time),
        changed.sender,
        changed.message,
        changed.opt_out_link_id,
        changed.track_link_url,
    )


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Return True if a JSON value is an object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[object]]:
    """Return True if a JSON value is an array."""
    return isinstance(value, list)


def single(value: object) -> object:
    """Return the only item of an array of one: the documentation shows the list's envelope in an array."""
    return value[0] if is_array(value) and len(value) == 1 else value
