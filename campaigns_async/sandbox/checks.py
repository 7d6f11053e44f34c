"""Checks of arguments: what is wrong is told by the argument's name, what may stand there, and what stood there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, TypeGuard

from attrs import Attribute

Check: TypeAlias = "Callable[[object, Attribute[Any], Any], None]"  # attrs knows no such form at run time


def wrong(name: str, wanted: str, given: object) -> ValueError:
    """The error of a value of another type; the value itself is not told, as it may be a key or a number."""
    return ValueError(f"{name} must be {wanted}, not {'None' if given is None else type(given).__name__}")


def is_whole(value: object) -> TypeGuard[int]:
    """Whether it is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_whole(name: str, value: object, *, least: int, most: int | None = None) -> None:
    """Take a whole number within bounds.

    Raises:
        ValueError: It is none, or out of bounds.
    """
    if not is_whole(value):
        raise wrong(name, "a whole number", value)
    if value < least or (most is not None and value > most):
        bounds = f"{least} or more" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be {bounds}, not {value}")


def at_least_one(_: object, attribute: Attribute[Any], value: object) -> None:
    """Take a whole number from 1."""
    check_whole(attribute.name, value, least=1)


def whole(_: object, attribute: Attribute[Any], value: object) -> None:
    """Take a whole number."""
    if not is_whole(value):
        raise wrong(attribute.name, "a whole number", value)


def seconds(_: object, attribute: Attribute[Any], value: object) -> None:
    """Take a number of seconds from 0."""
    if not is_number(value):
        raise wrong(attribute.name, "a number of seconds", value)
    if not 0 <= value < float("inf"):
        raise ValueError(f"{attribute.name} must be 0 seconds or more, not {value}")


def seconds_or_event(_: object, attribute: Attribute[Any], value: object) -> None:
    """Take a number of seconds from 0, or an event."""
    if not isinstance(value, asyncio.Event):
        seconds(_, attribute, value)


def one_of(*choices: str) -> Check:
    """Take one of these texts, or None."""

    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if value is not None and value not in choices:
            raise ValueError(f"{attribute.name} must be one of {', '.join(choices)}, not {value!r}")

    return check


def of_type(wanted: str, *kinds: type) -> Check:
    """Take a value of one of these types; `wanted` says so in words."""

    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, kinds):
            raise wrong(attribute.name, wanted, value)

    return check


def function(_: object, attribute: Attribute[Any], value: object) -> None:
    """Take what can be called."""
    if not callable(value):
        raise wrong(attribute.name, "a function", value)


def texts_by_name(_: object, attribute: Attribute[Any], value: object) -> None:
    """Take a mapping of texts to texts."""
    if not isinstance(value, Mapping):
        raise wrong(attribute.name, "a mapping of names to texts", value)
    for each in (*value.keys(), *value.values()):  # pyright: ignore[reportUnknownVariableType]
        text(_, attribute, each)


text: Final = of_type("text", str)
flag: Final = of_type("True or False", bool)
