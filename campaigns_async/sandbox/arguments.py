"""What a sandbox can be made of: a ValueError says which argument is wrong, and what may stand there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from .checks import check_whole, wrong
from .keys import AUTHS
from .lifecycle import Lifecycle
from .quirks import Quirks
from .schema import Wire

_PREFIX: Final = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")
_MOST_PORTS: Final = 65_535


def check_arguments(
    *,
    host: object,
    port: object,
    prefix: object,
    update_method: object,
    delete_method: object,
    auth: object,
    lifecycle: object,
    max_body: object,
    quirks: object,
) -> None:
    """Look at the arguments of `Sandbox`.

    Raises:
        ValueError: One is out of range, or of another type.
    """
    if not isinstance(host, str):
        raise wrong("host", "text, such as 127.0.0.1", host)
    check_whole("port", port, least=0, most=_MOST_PORTS)
    if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
        raise ValueError(f"prefix must be a path that begins with a slash, such as /tenant, not {prefix!r}")
    if update_method not in ("PUT", "POST", "both"):
        raise ValueError(f"update_method must be PUT, POST or both, not {update_method!r}")
    if delete_method not in ("DELETE", "POST", "both"):
        raise ValueError(f"delete_method must be DELETE, POST or both, not {delete_method!r}")
    if auth not in AUTHS:
        raise ValueError(f"auth must be one of {', '.join(AUTHS)}, not {auth!r}")
    if not isinstance(lifecycle, (Lifecycle, type(None))):
        raise wrong("lifecycle", "a Lifecycle or None", lifecycle)
    check_whole("max_body", max_body, least=1)
    if not isinstance(quirks, (Quirks, type(None))):
        raise wrong("quirks", "a Quirks or None", quirks)


def check_key(api_key: object) -> str:
    """Take a key that a header can hold.

    Raises:
        ValueError: It is empty, has a blank at an end, or is not printable; it is not told.
    """
    if not isinstance(api_key, str):
        raise wrong("api_key", "text", api_key)
    if not api_key or not api_key.isprintable() or api_key != api_key.strip():
        raise ValueError("api_key must be printable text, not empty and without blanks around it")
    return api_key


def read_campaigns(campaigns: Iterable[Mapping[str, Any]]) -> list[Wire]:
    """Copy campaigns in wire form.

    Raises:
        ValueError: One is no mapping, or has no id.
    """
    rows: list[Wire] = []
    for index, campaign in enumerate(campaigns):
        if not isinstance(campaign, Mapping):
            raise wrong(f"campaigns[{index}]", "a mapping, in wire form", campaign)
        if campaign.get("id") in (None, ""):
            raise ValueError(f"campaigns[{index}] must have an id")
        rows.append(dict(campaign))
    return rows
