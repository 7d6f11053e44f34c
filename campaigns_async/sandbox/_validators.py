"""Validators of the fields of faults, settings and their parts.

Their errors show a value's type in place of the value, which may be a key or a phone number. A module of its own, as
`faults` and `_settings` both need them and the settings hold faults.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from attrs import Attribute
from attrs.validators import and_, ge, lt

from ._mobile_numbers import parse_mobile

Validator: TypeAlias = "Callable[[object, Attribute[Any], Any], None]"  # attrs has no such type at run time

_PREFIX: Final = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")
_LINE: Final = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def wrong_type(name: str, wanted: str, value: object) -> ValueError:
    return ValueError(f"{name} must be {wanted}, not {'None' if value is None else type(value).__name__}")


def of_type(wanted: str, *kinds: Any) -> Validator:
    """Return a validator that accepts instances of `kinds`, which `wanted` describes. A bool is not a number."""

    def validate(_: object, attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise wrong_type(attribute.name, wanted, value)

    return validate


def one_of(choices: Sequence[object]) -> Validator:
    """Return a validator that accepts one of these values. The error of attrs' own `in_` shows its internals."""

    def validate(_: object, attribute: Attribute[Any], value: object) -> None:
        if value not in choices:
            known = ", ".join(map(str, choices))
            raise ValueError(f"{attribute.name} must be one of {known}, not {value!r}")

    return validate


text: Final = of_type("text", str)
flag: Final = of_type("True or False", bool)
whole: Final = of_type("a whole number", int)
number: Final = of_type("a number", int, float)
function: Final = of_type("a function", Callable)
count: Final = and_(whole, ge(1))
seconds: Final = and_(of_type("a number of seconds", int, float), ge(0), lt(float("inf")))


def seconds_or_event(instance: object, attribute: Attribute[Any], value: object) -> None:
    if not isinstance(value, asyncio.Event):
        seconds(instance, attribute, value)


def line(instance: object, attribute: Attribute[Any], value: object) -> None:
    text(instance, attribute, value)
    if not _LINE.fullmatch(str(value)):
        raise ValueError(f"{attribute.name} must be one line, in Latin-1")


def headers(instance: object, attribute: Attribute[Any], value: Mapping[str, str]) -> None:
    """Accept headers, except those that follow from a body."""
    of_type("a mapping of names to texts", Mapping)(instance, attribute, value)
    for name, each in value.items():
        text(instance, attribute, name)
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError("headers must have names of letters, digits and dashes")
        if name.lower() in {"content-type", "content-length"}:
            raise ValueError("headers must not name Content-Type or Content-Length: use content_type and body")
        line(instance, attribute, each)


def mobile(instance: object, attribute: Attribute[Any], value: object) -> None:
    text(instance, attribute, value)
    if parse_mobile(value) is None:
        raise ValueError(f"{attribute.name} must be a phone number, such as 07700 900123")


def check_api_key(key: str) -> str:
    """Return a key that can be sent in a header. The errors never show the key."""
    if not isinstance(key, str):
        raise wrong_type("api_key", "text", key)
    if not key or not key.isprintable() or key != key.strip():
        raise ValueError("api_key must be printable text, not empty and without blanks around it")
    return key


def url_path(_: object, attribute: Attribute[Any], value: object) -> None:
    """Accept a path that begins with a slash, or no text."""
    if not isinstance(value, str) or not _PREFIX.fullmatch(value):
        raise ValueError(f"{attribute.name} must be a path that begins with a slash, such as /tenant, not {value!r}")
