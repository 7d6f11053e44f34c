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
from cattrs.cols import list_structure_factory
from cattrs.gen import (
    make_dict_structure_fn,
    make_dict_unstructure_fn,
    mapping_structure_factory,  # pyright: ignore[reportUnknownVariableType]
    override,
)

from ._settings import Quirks, RateLimit
from ._sieve import Wire
from .faults import Fault

T = TypeVar("T")

_SECONDS_OR_EVENTS: Final = ("act_after", "hidden_for")
# Fields that JSON cannot hold.
_PYTHON_ONLY: Final = ("when", "hold", "message_text", "zone")
_KINDS: Final[tuple[tuple[type, str], ...]] = (
    (bool, "true or false"),
    (int, "a number"),
    (float, "a number"),
    (str, "text"),  # and none of it: it may be a key in the wrong place
    (list, "an array"),
    (dict, "an object"),
)


def _wrong(wanted: str, given: object) -> ValueError:
    kind = next((name for type_, name in _KINDS if isinstance(given, type_)), "null")
    return ValueError(f"must be {wanted}, not {kind}")


def _expect(kind: type, wanted: str, structure: Callable[[Any, Any], Any] | None = None) -> Callable[[Any, Any], Any]:
    """Return a hook that takes values of a type, and nothing that could be converted to it."""

    def hook(given: Any, type_: Any) -> Any:
        if not isinstance(given, kind) or (isinstance(given, bool) and kind is not bool):
            raise _wrong(wanted, given)
        return given if structure is None else structure(given, type_)

    return hook


def _read_number(given: Any, _: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not math.isfinite(given):
        raise _wrong("a number", given)
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


def _read_body(given: Any, _: Any) -> bytes:
    if isinstance(given, str):
        return given.encode()
    match given:
        case {"base64": str() as encoded, **others} if not others:
            try:
                return base64.b64decode(encoded, validate=True)
            except ValueError:
                raise ValueError("must have base64 in base64") from None
        case _:
            raise _wrong('text, or {"base64": "..."}', given)


def _write_body(body: bytes) -> str | dict[str, str]:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def _read_choice(given: Any, type_: Any) -> Any:
    choices = get_args(type_)
    if given not in choices or isinstance(given, bool):
        raise ValueError(f"must be one of {', '.join(map(str, choices))}")
    return given


def _object_hook(cls: type[Any], converter: Converter) -> Callable[[Any, Any], Any]:
    overrides: dict[str, Any] = {name: override(omit=True) for name in _PYTHON_ONLY if name in attrs.fields_dict(cls)}
    if cls is Fault:
        overrides |= {name: override(struct_hook=_read_seconds) for name in _SECONDS_OR_EVENTS}
    structure = make_dict_structure_fn(
        cls, converter, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True, **overrides
    )
    return _expect(dict, "an object", structure)


def _list_hook(type_: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    return _expect(list, "an array", list_structure_factory(type_, converter))


def _mapping_hook(type_: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    return _expect(dict, "an object", mapping_structure_factory(type_, converter))


def _has_origin(*origins: Any) -> Callable[[Any], bool]:
    return lambda type_: get_origin(type_) in origins


def make_converter() -> Converter:
    """Return a converter that reads attrs classes from JSON, with exact types and no unknown names."""
    converter = Converter(forbid_extra_keys=True)
    for kind, wanted in ((str, "text"), (bool, "true or false"), (int, "a whole number")):
        converter.register_structure_hook(kind, _expect(kind, wanted))
    converter.register_structure_hook(float, _read_number)
    converter.register_structure_hook(bytes, _read_body)
    converter.register_structure_hook(datetime, _read_moment)
    converter.register_structure_hook_func(_has_origin(Literal), _read_choice)
    converter.register_structure_hook_factory(attrs.has, _object_hook)
    converter.register_structure_hook_factory(_has_origin(list), _list_hook)
    converter.register_structure_hook_factory(_has_origin(dict, Mapping), _mapping_hook)
    converter.register_unstructure_hook(bytes, _write_body)
    converter.register_unstructure_hook(
        Fault,
        make_dict_unstructure_fn(
            Fault,
            converter,
            _cattrs_omit_if_default=True,
            when=override(omit=True),
            hold=override(omit=True),
        ),
    )
    return converter


_CONVERTER: Final = make_converter()


def structure(value: Any, cls: type[T], converter: Converter = _CONVERTER) -> T:
    """Read a value of JSON.

    Raises:
        ValueError: If it cannot be read, with the path of each wrong value and what is allowed there.
    """
    try:
        return converter.structure(value, cls)
    except BaseValidationError as error:
        raise ValueError("; ".join(transform_error(error, "body", format_exception=_describe))) from None


def _describe(error: BaseException, _: type | None) -> str:
    if isinstance(error, ForbiddenExtraKeysError):
        known = [name for name in attrs.fields_dict(error.cl) if name not in _PYTHON_ONLY]
        return f"unknown name {', '.join(map(repr, sorted(error.extra_fields)))}; known are {', '.join(known)}"
    if isinstance(error, KeyError):
        return "missing"
    return str(error) or type(error).__name__


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
    written: dict[str, Any] = _CONVERTER.unstructure(fault)
    return {name: value for name, value in written.items() if name not in left_out}


def fields_left_out(fault: Fault) -> list[str]:
    """Return the names of the fields that are set and that JSON cannot hold."""
    return [
        name
        for name in attrs.fields_dict(Fault)
        if isinstance(getattr(fault, name), asyncio.Event) or callable(getattr(fault, name))
    ]


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


def read_rate_limit(value: Any) -> RateLimit | None:
    """Read null, for no limit; a number of requests a second; or an object of the fields of `RateLimit`.

    Raises:
        ValueError: As in `structure`, or if the limit is out of range.
    """
    if value is None:
        return None
    return structure(value, RateLimit) if isinstance(value, dict) else RateLimit(structure(value, float))


def read_moment(text: str) -> datetime:
    """Read an ISO 8601 time with a zone.

    Raises:
        ValueError: If it is not one.
    """
    return _read_moment(text, datetime)


def read_quirks(texts: Mapping[str, str]) -> Quirks:
    """Read quirks whose values are text, as on a command line: true, false and digits.

    Raises:
        ValueError: As in `structure`.
    """
    words: dict[str, Any] = {"true": True, "false": False}
    values = {
        name: int(text) if text.isascii() and text.isdigit() else words.get(text, text) for name, text in texts.items()
    }
    return structure(values, Quirks)
