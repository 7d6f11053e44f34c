"""The wire's spelling of names."""

from __future__ import annotations

import re

_HUMP = re.compile(r"_([a-z])")
_CAPITAL = re.compile(r"[A-Z]")


def camel(name: str) -> str:
    """The wire's spelling of a field: `start_date_time` to `startDateTime`."""
    return _HUMP.sub(lambda match: match[1].upper(), name)


def snake(name: str) -> str:
    """Return the field's name for the wire's spelling: `startDateTime` to `start_date_time`."""
    return _CAPITAL.sub(lambda match: f"_{match[0].lower()}", name)
