"""Values of JSON with their types checked; what is wrong is told in words of JSON."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import cast


def wrong(name: str, wanted: str, given: object) -> ValueError:
    """The error of a value of another kind."""
    return ValueError(f"{name} must be {wanted}, not {_shown(given)}")


def text(name: str, given: object) -> str:
    """Text.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(given, str):
        raise wrong(name, "text", given)
    return given


def whole(name: str, given: object) -> int:
    """A whole number.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(given, int) or isinstance(given, bool):
        raise wrong(name, "a whole number", given)
    return given


def number(name: str, given: object) -> float:
    """A finite number.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(given, (int, float)) or isinstance(given, bool) or not -math.inf < given < math.inf:
        raise wrong(name, "a number", given)
    return given


def flag(name: str, given: object) -> bool:
    """True or false.

    Raises:
        ValueError: It is neither.
    """
    if not isinstance(given, bool):
        raise wrong(name, "true or false", given)
    return given


def members(name: str, given: object, known: Collection[str] | None = None) -> dict[str, object]:
    """An object.

    Args:
        name: What it is.
        given: As it was parsed.
        known: The names that it may have; None: any.

    Raises:
        ValueError: It is none, or has another name.
    """
    if not isinstance(given, dict):
        of = f" of {', '.join(known)}" if known else ""
        raise wrong(name, f"an object{of}", given)
    found = cast("dict[str, object]", given)
    for one in found:
        if known is not None and one not in known:
            raise ValueError(f"{name} has no {one!r}; there are {', '.join(known)}")
    return found


def rows(name: str, given: object) -> list[dict[str, object]]:
    """An array of objects.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(given, list):
        raise wrong(name, "an array", given)
    return [members(f"{name}[{index}]", one) for index, one in enumerate(cast("list[object]", given))]


def _shown(given: object) -> str:
    if given is None:
        return "null"
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, (int, float)):
        return f"{given}"
    if isinstance(given, str):
        return "text"  # and nothing of it: it may be a key in the wrong place
    return "an object" if isinstance(given, dict) else "an array" if isinstance(given, list) else "something else"
