"""Models out of JSON values, leniently (cattrs converters).

A converter that stops at the first fault without saying where reads everything; only what has a fault is
read again, by one that keeps the path. Neither quotes a value.

The converters say what is read. For the rows of a page each model has a loop besides, which takes a fifth of
the time: it reads rows that are as documented, and leaves others to the converter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

import attrs
from cattrs import BaseValidationError, Converter, transform_error
from cattrs.gen import make_dict_structure_fn, override

from campaigns_async.errors import DecodeError
from campaigns_async.models import Campaign, CampaignStatus, Contact
from campaigns_async.opening import opened
from campaigns_async.wire.naming import camel

M = TypeVar("M")

_MODELS = (Campaign, Contact)
STATUS_BY_NUMBER: dict[int | None, CampaignStatus] = {int(status): status for status in CampaignStatus}
_STATUS_BY_NAME = {status.name: status for status in CampaignStatus}
_STATUS_IN_TEXT = re.compile(r"-?\d{1,9}", re.ASCII)
_moment = datetime.fromisoformat  # cuts .NET's seventh digit, never rounds
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)


class _Unreadable(ValueError):
    """What was expected, without what was found."""


def read_one(value: object, cls: type[M], *, where: str = "$") -> M:
    """A model out of a JSON value.

    Raises:
        DecodeError: It does not fit; says where.
    """
    hook = _hooks()[cls]
    with suppress(Exception):  # whatever the fast one trips over, the exact one names
        return hook(value, cls)  # type: ignore[no-any-return]  # cattrs types its hooks so
    raise _diagnosed(value, cls, where)


def read_many(values: list[object], cls: type[M], *, where: str = "$") -> tuple[M, ...]:
    """Models out of a JSON array.

    Raises:
        DecodeError: One does not fit; says which and where.
    """
    loop = _LOOPS[cls]
    with suppress(Exception):
        return tuple(loop(values))
    with suppress(Exception):  # a server may leave out what is null
        return tuple(loop([{**_ABSENT[cls], **value} for value in values]))  # type: ignore[dict-item]  # any other raises
    return tuple([read_one(value, cls, where=f"{where}[{index}]") for index, value in enumerate(values)])


def _text(value: object, _: object = None) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # an id or a number that a server keeps as an integer
    raise _Unreadable("expected text")


def _optional_text(value: object, _: object = None) -> str | None:
    return value if value is None or type(value) is str else _text(value)


def _optional_int(value: object, _: object = None) -> int | None:
    if value is None or type(value) is int:
        return value
    raise _Unreadable("expected a whole number")


def read_status(value: object, _: object = None) -> CampaignStatus | None:
    """A status out of its number, or out of its name.

    Raises:
        ValueError: It is neither; quotes no value.
    """
    if value is None:
        return None
    if type(value) is int:
        return STATUS_BY_NUMBER[value] if value in STATUS_BY_NUMBER else CampaignStatus(value)
    if isinstance(value, str):  # ASP.NET can be set to write the names of enums
        if (known := _STATUS_BY_NAME.get(value.upper())) is not None:
            return known
        if _STATUS_IN_TEXT.fullmatch(value):
            return CampaignStatus(int(value))
    raise _Unreadable("expected a status number")


def read_date(value: object, _: object = None) -> datetime | None:
    """A moment in UTC, out of its text.

    Raises:
        ValueError: It is none; quotes no value.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise _Unreadable("expected an ISO 8601 date")
    try:
        moment = _moment(value)
    except ValueError:
        raise _Unreadable("expected an ISO 8601 date") from None
    return moment if moment.tzinfo is UTC else _in_utc(moment)


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # .NET's DateTime.MinValue or MaxValue, with an offset
        return _EARLIEST if moment.year == 1 else _LATEST


def _converter(*, detailed: bool) -> Converter:
    converter = Converter(detailed_validation=detailed)
    # The optional types have hooks of their own: cattrs' would cost a second call for each field.
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(str | None, _optional_text)
    converter.register_structure_hook(int | None, _optional_int)
    converter.register_structure_hook(datetime | None, read_date)
    converter.register_structure_hook(CampaignStatus | None, read_status)
    for cls in _MODELS:
        renames = {name: override(rename=camel(name)) for name in attrs.fields_dict(cls)}
        structure = make_dict_structure_fn(cls, converter, **renames)  # type: ignore[arg-type]  # overrides are its keywords
        converter.register_structure_hook(cls, _only_objects(structure))
    return converter


def _only_objects(structure: Callable[[Any, Any], M]) -> Callable[[object, Any], M]:
    def hook(value: object, cls: Any) -> M:
        if not isinstance(value, dict):
            raise _Unreadable("expected an object")
        return structure(value, cls)

    return hook


@cache
def _hooks() -> dict[type, Callable[[object, Any], Any]]:
    """The converter that stops at the first fault; made where it is needed first, which in many programs is never."""
    fast = _converter(detailed=False)
    return {cls: fast.get_structure_hook(cls) for cls in _MODELS}


@cache
def _exact() -> Converter:
    return _converter(detailed=True)


OpenCampaign: Any = opened(Campaign)
OpenContact: Any = opened(Contact)


def _campaigns(values: Iterable[Any]) -> list[Campaign]:
    rows: list[Campaign] = []
    for value in values:
        row = OpenCampaign()
        row.id = identity = value["id"]
        start = value["startDateTime"]
        row.sender = sender = value["sender"]
        row.recipient_count = count = value["recipientCount"]
        row.message = message = value["message"]
        status = value["status"]
        row.opt_out_link_id = opt_out = value["optOutLinkId"]
        row.track_link_url = track = value["trackLinkUrl"]
        if (
            type(identity) is not str
            or (sender is not None and type(sender) is not str)
            or (count is not None and type(count) is not int)
            or (message is not None and type(message) is not str)
            or (status is not None and type(status) is not int)
            or (opt_out is not None and type(opt_out) is not int)
            or (track is not None and type(track) is not str)
        ):
            rows.append(_read(value, Campaign))
            continue
        row.status = known = STATUS_BY_NUMBER.get(status)
        if known is None and status is not None:
            row.status = CampaignStatus(status)
        row.start_date_time = moment = None if start is None else _moment(start)
        if moment is not None and moment.tzinfo is not UTC:
            row.start_date_time = _in_utc(moment)
        row.__class__ = Campaign
        rows.append(row)
    return rows


def _contacts(values: Iterable[Any]) -> list[Contact]:
    rows: list[Contact] = []
    for value in values:
        row = OpenContact()
        row.id = identity = value["id"]
        row.phone_number = number = value["phoneNumber"]
        row.name = name = value["name"]
        row.custom1 = custom1 = value["custom1"]
        row.custom2 = custom2 = value["custom2"]
        if (
            type(identity) is not str
            or (number is not None and type(number) is not str)
            or (name is not None and type(name) is not str)
            or (custom1 is not None and type(custom1) is not str)
            or (custom2 is not None and type(custom2) is not str)
        ):
            rows.append(_read(value, Contact))
            continue
        row.__class__ = Contact
        rows.append(row)
    return rows


_LOOPS: dict[type, Callable[[Iterable[Any]], list[Any]]] = {Campaign: _campaigns, Contact: _contacts}
_ABSENT: dict[type, dict[str, object]] = {
    cls: {camel(name): None for name in attrs.fields_dict(cls) if name != "id"} for cls in _MODELS
}


def _read(value: object, cls: type[M]) -> M:
    return _hooks()[cls](value, cls)  # type: ignore[no-any-return]  # as above


def _diagnosed(value: object, cls: type[M], where: str) -> DecodeError:
    try:
        _exact().structure(value, cls)
    except BaseValidationError as error:
        text = transform_error(error, path=where, format_exception=_described)[0]
        reason, _, path = text.rpartition(" @ ")
        return DecodeError(f"{camel(path)}: {reason}", where=camel(path))
    except _Unreadable as error:
        return DecodeError(f"{where}: {error}", where=where)
    return DecodeError(f"{where}: cannot be read", where=where)  # the two readers disagree


def _described(error: BaseException, _: type | None) -> str:
    return str(error) if isinstance(error, _Unreadable) else "missing"
