"""Headers that a caller or an observer adds to requests: those that can do no harm."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from campaigns_async.errors import ConfigurationError

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}\Z")
_VALUE = re.compile(r"[\t\x20-\x7e]{0,4000}\Z")
_RESERVED = re.compile(
    # The API key; all that decides where and how a server reads the request, or lets headers leave before the body.
    r"(authorization|proxy-.*|api-key|cookie|host|content-.*|transfer-encoding|te|trailer|connection|keep-alive"
    r"|upgrade|expect|accept|accept-encoding|x-http-method|x-http-method-override|x-method-override)\Z",
    re.IGNORECASE,
)


def find_header_fault(name: object, value: object) -> str | None:
    """Return why a header must not be added to a request; None if it may be. No fault quotes the value."""
    if not isinstance(name, str) or not _NAME.match(name) or _RESERVED.match(name):
        return "it may not set this name"
    if not isinstance(value, str) or not _VALUE.match(value):
        return "its value is not text of printable ASCII"
    return None


def check_headers(headers: object) -> dict[str, str]:
    """Return the headers of every request; raise an error if one of them must not be sent."""
    if not isinstance(headers, Mapping):
        raise ConfigurationError(f"headers must be a mapping, not {type(headers).__name__}", parameter="headers")
    checked = dict(cast("Mapping[str, str]", headers))
    for name, value in checked.items():
        is_cookie = isinstance(name, str) and name.lower() == "cookie"
        if (fault := find_header_fault("X-Cookie" if is_cookie else name, value)) is not None:
            raise ConfigurationError(f"headers must not have {name!r}: {fault}", parameter="headers")
    return checked
