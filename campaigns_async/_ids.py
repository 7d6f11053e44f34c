"""Campaign ids, as they are compared."""

from __future__ import annotations

import re
from typing import Final

_is_uuid: Final = re.compile(r"[0-9A-Fa-f-]{32,36}").fullmatch


def normalize_id(campaign_id: str) -> str:
    """Return an id in the spelling in which ids are compared: a UUID in lower case, since a server may write it in either.

    Any other id is returned as it is: case may distinguish two of them. `NORMALIZED` of `jobs.sqlite_reader` is the same
    in SQL.
    """
    lower = campaign_id.lower()
    return lower if lower == campaign_id or _is_uuid(campaign_id) is not None else campaign_id
