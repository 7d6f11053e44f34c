"""Models out of JSON values, leniently (cattrs converters).

A converter that stops at the first fault without saying where reads everything; only what has a fault is
read again, by one that keeps the path. Neither quotes a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

import attrs
from cattrs import BaseValidationError, Converter, transform_error
from cattrs.gen import make_dict_structure_fn, override

from campaigns_async.errors import DecodeError
from campaigns_async.models import Campaign, CampaignStatus, Contact
from campaigns_async.wire.naming import camel

M = TypeVar("M")

_MODELS = (Campaign, Contact)
_STATUS_BY_NUMBER = {int(status): status for status in CampaignStatus}
_STATUS_BY_NAME = {status.name: status for status in CampaignStatus}
_STATUS_IN_TEXT = re.compile(r"-?\d{1,9}", re.ASCII)
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)


class _Unreadable(ValueError):
    """What was expected, without what was found."""


def read_one(value: object, cls: type[M], *, where: str = "$") -> M:
    """A model out of a JSON value.

    Raises:
        DecodeError: It does not fit; says where.
    """
    hook = _HOOKS[cls]
    with suppress(Exception):  # whatever the fast one trips over, the exact one names
        return hook(value, cls)  # type: ignore[no-any-return]  # cattrs types its hooks so
    raise _diagnosed(value, cls, where)


def read_many(values: list[object], cls: type[M], *, where: str = "$") -> tuple[M, ...]:
    """Models out of a JSON array.

    Raises:
        DecodeError: One does not fit; says which and where.
    """
    hook = _HOOKS[cls]
    with suppress(Exception):
        return tuple([hook(value, cls) for value in values])
    for index, value in enumerate(values):
        read_one(value, cls, where=f"{where}[{index}]")
    raise DecodeError(f"{where}: cannot be read", where=where)  # the two readers disagree


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


def _optional_status(value: object, _: object = None) -> CampaignStatus | None:
    if value is None:
        return None
    if type(value) is int:
        return _STATUS_BY_NUMBER.get(value) or CampaignStatus(value)
    if isinstance(value, str):  # ASP.NET can be set to write the names of enums
        if (known := _STATUS_BY_NAME.get(value.upper())) is not None:
            return known
        if _STATUS_IN_TEXT.fullmatch(value):
            return CampaignStatus(int(value))
    raise _Unreadable("expected a status number")


def _optional_date(value: object, _: object = None) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise _Unreadable("expected an ISO 8601 date")
    try:
        moment = datetime.fromisoformat(value)  # cuts .NET's seventh digit, never rounds
    except ValueError:
        raise _Unreadable("expected an ISO 8601 date") from None
    zone = moment.tzinfo
    if zone is UTC:
        return moment
    if zone is None:
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
    converter.register_structure_hook(datetime | None, _optional_date)
    converter.register_structure_hook(CampaignStatus | None, _optional_status)
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


_fast = _converter(detailed=False)
_exact = _converter(detailed=True)
_HOOKS: dict[type, Callable[[object, Any], Any]] = {cls: _fast.get_structure_hook(cls) for cls in _MODELS}


def _diagnosed(value: object, cls: type[M], where: str) -> DecodeError:
    try:
        _exact.structure(value, cls)
    except BaseValidationError as error:
        text = transform_error(error, path=where, format_exception=_described)[0]
        reason, _, path = text.rpartition(" @ ")
        return DecodeError(f"{camel(path)}: {reason}", where=camel(path))
    except _Unreadable as error:
        return DecodeError(f"{where}: {error}", where=where)
    return DecodeError(f"{where}: cannot be read", where=where)  # the two readers disagree


def _described(error: BaseException, _: type | None) -> str:
    return str(error) if isinstance(error, _Unreadable) else "missing"
