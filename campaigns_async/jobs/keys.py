"""Keys of a plan's lines: by them a row is known from run to run."""

from __future__ import annotations

import re
from typing import Final

from campaigns_async.jobs.ndjson import BLANK, TEXT

_LONGEST_KEY: Final = 200
_NOT_IN_KEY: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def key_fault(key: object) -> str | None:
    """Why it cannot be the key of a line; None if it can."""
    if key is None:
        return "is missing: each campaign needs one of its own, which stays the same in every run"
    if not isinstance(key, str):
        return TEXT
    if not key.strip():
        return BLANK
    if len(key) > _LONGEST_KEY:
        return f"must have at most {_LONGEST_KEY} characters, not {len(key)}"
    return "must hold no control characters, such as line breaks and tabs" if _NOT_IN_KEY.search(key) else None
