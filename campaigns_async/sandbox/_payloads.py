"""Values as JSON, for the control and for files: faults, campaigns, the clock and the rate limit."""

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

from ._settings import RateLimit
from ._sieve import Wire
from .faults import Fault

T = TypeVar("T")

# Fields that JSON cannot hold.
_PYTHON_ONLY: Final = ("when", "hold", "message_text", "zone")


def _exact(wanted: str, *kinds: type) -> Callable[[Any, Any], Any]:
    """Return a hook that takes values of a type. cattrs would convert others: the text "1" to a number."""

    def hook(given: Any, _: Any) -> Any:
        if not isinstance(given, kinds) or (isinstance(given, bool) and bool not in kinds):
            raise ValueError(f"must be {wanted}")
        return given

    return hook


def _read_number(given: Any, _: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not math.isfinite(given):
        raise ValueError("must be a number")
    return given


def _read_seconds(given: Any, _: Any) -> float | None:
    return None if given is None else _read_number(given, float)


def _read_moment(given: Any, _: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(given) if isinstance(given, str) else None
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):  # such as a time in the year 0 in UTC
        pass
    raise ValueError("must be a date and time with a zone, such as 2031-06-27T09:30:00Z")


def _is_literal(type_: Any) -> bool:
    return get_origin(type_) is Literal


def _read_choice(given: Any, type_: Any) -> Any:
    if given not in get_args(type_) or isinstance(given, bool):
        raise ValueError(f"must be one of {', '.join(map(str, get_args(type_)))}")
    return given


def _read_body(given: Any, _: Any) -> bytes:
    match given:
        case str():
            return given.encode()
        case {"base64": str() as encoded, **others} if not others:
            return base64.b64decode(encoded, validate=True)
        case _:
            raise ValueError('must be text, or {"base64": "..."}')


def _write_body(body: bytes) -> str | dict[str, str]:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def _object_hook(cls: type[Any], converter: Converter) -> Callable[[Any, Any], Any]:
    overrides: dict[str, Any] = {name: override(omit=True) for name in _PYTHON_ONLY if name in attrs.fields_dict(cls)}
    check = _exact("an object", dict)
    structure = make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True, **overrides)

    return lambda given, type_: structure(check(given, type_), type_)


def _make_converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, omit_if_default=True)
    converter.register_structure_hook(str, _exact("text", str))
    converter.register_structure_hook(bool, _exact("true or false", bool))
    converter.register_structure_hook(int, _exact("a whole number", int))
    converter.register_structure_hook(float, _read_number)
    converter.register_structure_hook(float | asyncio.Event | None, _read_seconds)
    converter.register_structure_hook(bytes, _read_body)
    converter.register_structure_hook(datetime, _read_moment)
    converter.register_structure_hook_func(_is_literal, _read_choice)
    converter.register_structure_hook_factory(attrs.has, _object_hook)
    converter.register_unstructure_hook(bytes, _write_body)
    return converter


_CONVERTER: Final = _make_converter()


def structure(value: Any, cls: type[T]) -> T:
    """Read a value of JSON.

    Raises:
        ValueError: If it cannot be read, with the path of each wrong value and what is allowed there.
    """
    try:
        return _CONVERTER.structure(value, cls)
    except BaseValidationError as error:
        raise ValueError("; ".join(transform_error(error, format_exception=_describe))) from None


def _describe(error: BaseException, _: type | None) -> str:
    if isinstance(error, ForbiddenExtraKeysError):
        known = [name for name in attrs.fields_dict(error.cl) if name not in _PYTHON_ONLY]
        return f"unknown name {', '.join(map(repr, sorted(error.extra_fields)))}; known are {', '.join(known)}"
    if isinstance(error, KeyError):
        return "missing"
    # What a list, and a mapping, are read from has other methods.
    if isinstance(error, (TypeError, AttributeError)):
        return "must be an array" if isinstance(error, TypeError) else "must be an object"
    return str(error)


def read_faults(value: Any) -> list[Fault]:
    """Read a fault, which is an object, or an array of faults.

    The names are those of the fields of `Fault`, without `when` and `hold`. Seconds are numbers; `body` is text,
    or ``{"base64": "..."}`` where it is not UTF-8.

    Raises:
        ValueError: As in `structure`.
    """
    return structure(value, list[Fault]) if isinstance(value, list) else [structure(value, Fault)]


def write_fault(fault: Fault) -> dict[str, Any]:
    """Return the fields of a fault that differ from their defaults and that JSON can hold."""
    left_out = fields_left_out(fault)
    return {name: value for name, value in _CONVERTER.unstructure(fault).items() if name not in left_out}


def fields_left_out(fault: Fault) -> list[str]:
    """Return the names of the fields that are set and that JSON cannot hold."""
    values = attrs.asdict(fault, recurse=False)
    return [name for name, value in values.items() if isinstance(value, asyncio.Event) or callable(value)]


@frozen
class Seeds:
    """Campaigns in wire form, each with an id of its own, and the contacts of some of them.

    Raises:
        ValueError: If an id is missing, occurs twice, or has contacts and no campaign.
    """

    campaigns: list[Wire] = field(factory=list[Wire], repr=False)
    contacts: dict[str, list[Wire]] = field(factory=dict[str, list[Wire]], repr=False)

    def __attrs_post_init__(self) -> None:
        ids: set[str] = set()
        for index, campaign in enumerate(self.campaigns):
            key = campaign.get("id")
            if not isinstance(key, str) or not key:
                raise ValueError(f"campaigns[{index}].id must be text, and not empty")
            if key in ids:
                raise ValueError(f"campaigns[{index}].id must be another than that of a campaign before it")
            ids.add(key)
        for key in self.contacts:
            if key not in ids:
                raise ValueError(f"contacts[{key!r}] must belong to one of the campaigns")


@frozen
class ClockChange:
    """A change of the clock, in the order of the fields; None for no change.

    Raises:
        ValueError: If nothing is to change, or both `now` and `move` are given.
    """

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
    """The part of the request log that is asked for: `limit` requests with numbers above `after`."""

    after: int = 0
    limit: int = field(default=100, validator=attrs.validators.ge(1))


def read_rate_limit(value: Any) -> RateLimit | None:
    """Read null, for no limit; a number of requests a second; or an object of the fields of `RateLimit`.

    Raises:
        ValueError: As in `structure`, or if the limit is out of range.
    """
    if value is None:
        return None
    return structure(value, RateLimit) if isinstance(value, dict) else RateLimit(structure(value, float))


def read_texts(texts: Mapping[str, str], cls: type[T]) -> T:
    """Read values that are text, as in a query and on a command line: true, false and numbers of up to 9 digits.

    Raises:
        ValueError: As in `structure`.
    """
    words: dict[str, Any] = {"true": True, "false": False}
    digits = {text: int(text) for text in texts.values() if text.isascii() and text.isdigit() and len(text) < 10}
    return structure({name: digits.get(text, words.get(text, text)) for name, text in texts.items()}, cls)
