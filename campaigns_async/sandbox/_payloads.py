"""JSON values of the control and of files: faults, campaigns, the clock and the rate limit."""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

import attrs
from attrs import field, frozen
from cattrs import BaseValidationError, Converter, ForbiddenExtraKeysError, transform_error
from cattrs.gen import make_dict_structure_fn, override

from ._rows import Wire
from ._settings import RateLimit
from .faults import Fault

T = TypeVar("T")

# Fields whose values JSON cannot represent.
_PYTHON_ONLY: Final = frozenset({"when", "hold", "message_text", "zone"})


def _require(wanted: str, *kinds: type) -> Callable[[Any, Any], Any]:
    """Return a hook that accepts values of these types. cattrs would convert other types: the text "1" to a number."""

    def read(value: Any, _: Any) -> Any:
        is_infinite = float in kinds and isinstance(value, (int, float)) and not math.isfinite(value)
        if is_infinite or not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise ValueError(f"must be {wanted}")
        return value

    return read


def _read_time(value: Any, _: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):  # such as a time in the year 0 in UTC
        pass
    raise ValueError("must be a date and time with a zone, such as 2031-06-27T09:30:00Z")


def _is_literal(type_: Any) -> bool:
    return get_origin(type_) is Literal


def _read_choice(value: Any, type_: Any) -> Any:
    if value not in get_args(type_) or isinstance(value, bool):
        raise ValueError(f"must be one of {', '.join(map(str, get_args(type_)))}")
    return value


def _read_body(value: Any, _: Any) -> bytes:
    match value:
        case str():
            return value.encode()
        case {"base64": str() as encoded, **others} if not others:
            return base64.b64decode(encoded, validate=True)
        case _:
            raise ValueError('must be text, or {"base64": "..."}')


def _write_body(body: bytes) -> str | dict[str, str]:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def _make_object_hook(cls: type[Any], converter: Converter) -> Callable[[Any, Any], Any]:
    overrides: dict[str, Any] = {name: override(omit=True) for name in _PYTHON_ONLY & attrs.fields_dict(cls).keys()}
    read = make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True, **overrides)
    check = _require("an object", dict)
    return lambda value, type_: read(check(value, type_), type_)


def _make_converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, omit_if_default=True)
    converter.register_structure_hook(str, _require("text", str))
    converter.register_structure_hook(bool, _require("true or false", bool))
    converter.register_structure_hook(int, _require("a whole number", int))
    converter.register_structure_hook(float, _require("a number", int, float))
    converter.register_structure_hook(float | asyncio.Event | None, _require("a number", int, float, type(None)))
    converter.register_structure_hook(bytes, _read_body)
    converter.register_structure_hook(datetime, _read_time)
    converter.register_structure_hook_func(_is_literal, _read_choice)
    converter.register_structure_hook_factory(attrs.has, _make_object_hook)
    converter.register_unstructure_hook(bytes, _write_body)
    return converter


_CONVERTER: Final = _make_converter()


def structure(value: Any, cls: type[T]) -> T:
    """Build an object from a JSON value. The error has the path of each wrong value, and what is allowed there."""
    try:
        return _CONVERTER.structure(value, cls)
    except BaseValidationError as error:
        raise ValueError("; ".join(transform_error(error, format_exception=_describe))) from None


def _describe(error: BaseException, _: type | None) -> str:
    match error:
        case ForbiddenExtraKeysError():
            known = [name for name in attrs.fields_dict(error.cl) if name not in _PYTHON_ONLY]
            return f"unknown name {', '.join(map(repr, sorted(error.extra_fields)))}; known are {', '.join(known)}"
        case KeyError():
            return "missing"
        case TypeError():  # iterating over a value that should be a list
            return "must be an array"
        case AttributeError():  # calling a mapping's method
            return "must be an object"
        case _:
            return str(error)


def read_faults(value: Any) -> list[Fault]:
    """Read a fault, which is an object, or an array of faults."""
    return structure(value, list[Fault]) if isinstance(value, list) else [structure(value, Fault)]


def write_fault(fault: Fault) -> dict[str, Any]:
    """Return the fields of a fault that differ from their defaults and that JSON can represent."""
    left_out = list_unwritable_fields(fault)
    return {name: value for name, value in _CONVERTER.unstructure(fault).items() if name not in left_out}


def list_unwritable_fields(fault: Fault) -> list[str]:
    """Return the names of the fields that are set and that JSON cannot represent."""
    values = attrs.asdict(fault, recurse=False)
    return [name for name, value in values.items() if isinstance(value, asyncio.Event) or callable(value)]


@frozen
class Seeds:
    """Campaigns in wire form, each with a unique id, and the contacts of some of them."""

    campaigns: list[Wire] = field(factory=list[Wire], repr=False)
    contacts: dict[str, list[Wire]] = field(factory=dict[str, list[Wire]], repr=False)

    def __attrs_post_init__(self) -> None:
        ids: set[str] = set()
        for index, campaign in enumerate(self.campaigns):
            campaign_id = campaign.get("id")
            if not isinstance(campaign_id, str) or not campaign_id:
                raise ValueError(f"campaigns[{index}].id must be text, and not empty")
            if campaign_id in ids:
                raise ValueError(f"campaigns[{index}].id must differ from the ids before it")
            ids.add(campaign_id)
        for campaign_id in self.contacts:
            if campaign_id not in ids:
                raise ValueError(f"contacts[{campaign_id!r}] must belong to one of the campaigns")


@frozen
class ClockChange:
    """A change of the clock, in the order of the fields: stop it at a time, move it by seconds, run or stop it."""

    now: datetime | None = None
    move: float | None = None
    running: bool | None = None

    def __attrs_post_init__(self) -> None:
        if self.now is not None and self.move is not None:
            raise ValueError("now and move must not be given together")
        if self.now is None and self.move is None and self.running is None:
            raise ValueError("one of now, move and running must be given")


@frozen
class LogPage:
    """A page of the request log: at most `limit` requests with numbers above `after`."""

    after: int = 0
    limit: int = field(default=100, validator=attrs.validators.ge(1))


def read_rate_limit(value: Any) -> RateLimit | None:
    """Read null, for no limit; a number of requests per second; or an object of the fields of `RateLimit`."""
    if value is None:
        return None
    return structure(value, RateLimit) if isinstance(value, dict) else RateLimit(structure(value, float))


def read_texts(texts: Mapping[str, str], cls: type[T]) -> T:
    """Build an object from texts, as in a query and on a command line: true, false and numbers of up to 9 digits."""
    words: dict[str, Any] = {"true": True, "false": False}
    digits = {text: int(text) for text in texts.values() if text.isascii() and text.isdigit() and len(text) < 10}
    return structure({name: digits.get(text, words.get(text, text)) for name, text in texts.items()}, cls)
