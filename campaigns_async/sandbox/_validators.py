"""Validators of arguments. Their errors name a value's type and not the value, which may be a key or a number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from attrs import Attribute
from attrs.validators import and_, ge, lt

Validator: TypeAlias = "Callable[[object, Attribute[Any], Any], None]"  # attrs has no such type at run time


def wrong_type(name: str, wanted: str, given: object) -> ValueError:
    """Return the error about a value of another type."""
    return ValueError(f"{name} must be {wanted}, not {'None' if given is None else type(given).__name__}")


def of_type(wanted: str, *kinds: type) -> Validator:
    """Return a validator that takes instances of `kinds`, which `wanted` describes. True is no number."""

    def validate(_: object, attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise wrong_type(attribute.name, wanted, value)

    return validate


def one_of(choices: Sequence[object]) -> Validator:
    """Return a validator that takes one of these values. The error of attrs' own shows its internals."""

    def validate(_: object, attribute: Attribute[Any], value: object) -> None:
        if value not in choices:
            known = ", ".join(map(str, choices))
            raise ValueError(f"{attribute.name} must be one of {known}, not {value!r}")

    return validate


def function(_: object, attribute: Attribute[Any], value: object) -> None:
    """Take a function."""
    if not callable(value):
        raise wrong_type(attribute.name, "a function", value)


text: Final = of_type("text", str)
flag: Final = of_type("True or False", bool)
whole: Final = of_type("a whole number", int)
number: Final = of_type("a number", int, float)
count: Final = and_(whole, ge(1))
seconds: Final = and_(of_type("a number of seconds", int, float), ge(0), lt(float("inf")))
