"""The wire's spelling of names."""

from __future__ import annotations

import re

_HUMP = re.compile(r"_([a-z])")


def camel(name: str) -> str:
    """The wire's spelling of a field: `start_date_time` to `startDateTime`."""
    return _HUMP.sub(lambda match: match[1].upper(), name)
