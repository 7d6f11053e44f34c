"""The API key on the wire: its check, the headers or query that carry it, and a repr that hides it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from attrs import frozen

from campaigns_async._version import __version__
from campaigns_async.errors import ConfigurationError
from campaigns_async.settings import Auth

_KEY = re.compile(r"[\x21-\x7e]+\Z")
_FAULTS = (  # patterns as text, which `re` compiles on first use
    # The second form is a byte order mark that was read as Latin-1.
    ("\\A(?:\ufeff|\xef\xbb\xbf)", 'begins with a byte order mark: read its file with encoding="utf-8-sig"'),
    (r"\0", "contains NUL characters, as a file in UTF-16 does: save the file as UTF-8"),
    (r"\A\s|\s\Z", "has a blank or a line break at its beginning or end: remove it, as str.strip() does"),
    (r"\s", "contains a blank or a line break, which no key does: is there more in it than the key?"),
    (r"[\x01-\x1f\x7f]", "contains a control character, which no key does"),
    (r"", "contains a character outside ASCII, which no key does: copy the key again"),
)


def check_api_key(name: str, value: object) -> str:
    """Return an API key that fits in a header: visible ASCII without blanks. No error quotes the key."""
    if not isinstance(value, str):
        raise ConfigurationError(
            f"{name} must be text or an async callable that returns text, not {type(value).__name__}", parameter=name
        )
    if not value:
        raise ConfigurationError(f"{name} is empty", parameter=name)
    if not _KEY.match(value):
        fault = next(fault for pattern, fault in _FAULTS if re.search(pattern, value))
        raise ConfigurationError(f"{name} {fault}", parameter=name)
    return value


@frozen
class Credentials:
    """The API key, and the headers and the part of the query that carry it."""

    key: str
    headers: Mapping[str, str]
    query: str = ""

    def __repr__(self) -> str:
        return "Credentials(<hidden>)"


def build_credentials(auth: Auth, key: str, also: Mapping[str, str] | None = None) -> Credentials:
    """Build the headers and the query that every request with this API key carries; `also` are headers of the caller."""
    headers = {"Accept": "application/json", **(also or {})}
    if "user-agent" not in map(str.lower, headers):
        headers["User-Agent"] = f"campaigns-async/{__version__}"
    if auth is Auth.BEARER:
        return Credentials(key, {**headers, "Authorization": f"Bearer {key}"})
    if auth is Auth.HEADER:
        return Credentials(key, {**headers, "api-key": key})
    return Credentials(key, headers, f"api-key={quote(key, safe='')}")
