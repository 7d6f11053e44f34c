"""Models to and from JSON values: lenient when reading, strict when writing (cattrs converters).

Reading goes through a converter that stops at the first fault without saying where; only a body that has a
fault is read again by one that keeps the path. Neither quotes a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import attrs
import orjson
from cattrs import BaseValidationError, Converter, transform_error
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from campaigns_async.errors import DecodeError, InvalidArgumentError
from campaigns_async.models import Campaign, CampaignStatus, CampaignUpdate, Contact, NewCampaign, NewContact

M = TypeVar("M")

_READ = (Campaign, Contact)
_WRITTEN = (NewContact, NewCampaign, CampaignUpdate)
_INTEGERS = range(-(2**63), 2**63)
_STATUS_BY_NAME = {status.name: status for status in CampaignStatus}


def camel(name: str) -> str:
    """The wire's spelling of a field: `start_date_time` to `startDateTime`."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


# Reading


class _Unreadable(ValueError):
    """What was expected, without what was found."""


def _read_text(value: object, _: object = None) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # an id or a number that a server keeps as an integer
    raise _Unreadable("expected text")


def _read_int(value: object, _: object = None) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _Unreadable("expected a whole number")


def _read_status(value: object, _: object = None) -> CampaignStatus:
    if isinstance(value, int) and not isinstance(value, bool):
        return CampaignStatus(value)
    if isinstance(value, str):  # ASP.NET can be set to write the names of enums
        if (known := _STATUS_BY_NAME.get(value.upper())) is not None:
            return known
        if re.fullmatch(r"-?\d{1,9}", value, re.ASCII):
            return CampaignStatus(int(value))
    raise _Unreadable("expected a status number")


def _read_date(value: object, _: object = None) -> datetime:
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
    except OverflowError:  # .NET's DateTime.MinValue, with an offset
        return moment


def _reader(*, detailed: bool) -> Converter:
    converter = Converter(detailed_validation=detailed)
    converter.register_structure_hook(str, _read_text)
    converter.register_structure_hook(int, _read_int)
    converter.register_structure_hook(datetime, _read_date)
    converter.register_structure_hook(CampaignStatus, _read_status)
    for cls in _READ:
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


_fast = _reader(detailed=False)
_exact = _reader(detailed=True)
_FAST_HOOKS = {cls: _fast.get_structure_hook(cls) for cls in _READ}


def read_one(value: object, cls: type[M], *, where: str = "$") -> M:
    """A model out of a JSON value.

    Raises:
        DecodeError: It does not fit; says where.
    """
    hook = _FAST_HOOKS[cls]  # type: ignore[index]  # only models are read
    try:
        return hook(value, cls)  # type: ignore[no-any-return]
    except Exception:  # whatever the fast one trips over, the exact one names
        pass
    raise _diagnosed(value, cls, where)


def read_many(values: list[object], cls: type[M], *, where: str = "$") -> tuple[M, ...]:
    """Models out of a JSON array.

    Raises:
        DecodeError: One does not fit; says which and where.
    """
    hook = _FAST_HOOKS[cls]  # type: ignore[index]
    try:
        return tuple([hook(value, cls) for value in values])
    except Exception:
        pass
    for index, value in enumerate(values):
        read_one(value, cls, where=f"{where}[{index}]")
    raise DecodeError("cannot be read", where=where)  # the two readers disagree


def _diagnosed(value: object, cls: type[M], where: str) -> DecodeError:
    try:
        _exact.structure(value, cls)
    except BaseValidationError as error:
        text = transform_error(error, path=where, format_exception=_described)[0]
        reason, _, path = text.rpartition(" @ ")
        return DecodeError(f"{camel(path)}: {reason}", where=camel(path))
    except _Unreadable as error:
        return DecodeError(f"{where}: {error}", where=where)
    return DecodeError(f"{where}: cannot be read", where=where)


def _described(error: BaseException, _: type | None) -> str:
    if isinstance(error, _Unreadable):
        return str(error)
    return "missing" if isinstance(error, KeyError) else "cannot be read"


# Writing


def _write_text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise InvalidArgumentError(f"must be text (str), not {type(value).__name__}")


def _write_int(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        if value in _INTEGERS:
            return int(value)
        raise InvalidArgumentError("does not fit in 64 bits")
    raise InvalidArgumentError(f"must be a whole number (int), not {type(value).__name__}")


def _write_uuid(value: object) -> str:
    if isinstance(value, UUID):
        return str(value)
    raise InvalidArgumentError(f"must be a uuid.UUID, not {type(value).__name__}")


def write_date(value: object) -> str:
    """A moment as the API wants it: UTC, milliseconds, `Z`.

    Raises:
        InvalidArgumentError: It is no datetime, or has no time zone.
    """
    if not isinstance(value, datetime):
        raise InvalidArgumentError(f"must be a datetime, not {type(value).__name__}")
    if value.utcoffset() is None:
        raise InvalidArgumentError(
            "has no time zone, so it could mean any hour: pass tzinfo=, for example zoneinfo.ZoneInfo('Europe/London')"
        )
    try:
        moment = value if value.tzinfo is UTC else value.astimezone(UTC)
    except OverflowError:
        raise InvalidArgumentError("is out of range in UTC") from None
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _writer() -> Converter:
    converter = Converter()
    converter.register_unstructure_hook(str, _write_text)
    converter.register_unstructure_hook(int, _write_int)
    converter.register_unstructure_hook(UUID, _write_uuid)
    converter.register_unstructure_hook(datetime, write_date)
    for cls in _WRITTEN:
        # None is left out, whatever an API may make of null.
        renames = {
            name: override(rename=camel(name), omit_if_default=attribute.default is None)
            for name, attribute in attrs.fields_dict(cls).items()
        }
        converter.register_unstructure_hook(cls, make_dict_unstructure_fn(cls, converter, **renames))  # type: ignore[arg-type]
    return converter


_write = _writer()


def write(value: NewCampaign | CampaignUpdate) -> bytes:
    """A model as a JSON body.

    Raises:
        InvalidArgumentError: A field cannot be sent; says which and why.
    """
    try:
        return orjson.dumps(_write.unstructure(value))
    except (InvalidArgumentError, TypeError, AttributeError, RecursionError):
        pass  # raised below, where the path is known and nothing is chained that could quote a value
    raise _first_fault(value, "")


def _first_fault(value: Any, path: str) -> InvalidArgumentError:
    """Which field cannot be sent, found by trying them one by one."""
    for attribute in attrs.fields(type(value)):
        item, name = getattr(value, attribute.name), path + attribute.name
        if item is None and attribute.default is None:
            continue
        try:
            orjson.dumps(_write.get_unstructure_hook(attribute.type)(item))
            continue
        except InvalidArgumentError as error:
            problem = error.message
        except orjson.JSONEncodeError:
            problem = "holds half of a surrogate pair, which UTF-8 cannot carry"
        except (TypeError, AttributeError):
            problem = "cannot be written"
        if attribute.name == "contacts":
            return _faulty_contact(item, name)
        return InvalidArgumentError(f"{name} {problem}")
    return InvalidArgumentError(f"{path or type(value).__name__} cannot be written")


def _faulty_contact(contacts: tuple[object, ...], name: str) -> InvalidArgumentError:
    for index, contact in enumerate(contacts):
        if not isinstance(contact, NewContact):
            return InvalidArgumentError(f"{name}[{index}] must be a NewContact, not {type(contact).__name__}")
        try:
            orjson.dumps(_write.unstructure(contact))
        except (InvalidArgumentError, TypeError):
            return _first_fault(contact, f"{name}[{index}].")
    return InvalidArgumentError(f"{name} cannot be written")
