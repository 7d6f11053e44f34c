"""Checks of settings and arguments. Each error names the setting and its range, and quotes no secret."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from enum import Enum
from ipaddress import IPv6Address
from typing import TypeGuard, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from campaigns_async.errors import CampaignsError, ConfigurationError

C = TypeVar("C")

NO_ZONE = "has no time zone, so it could mean any hour"
ADD_ZONE = "pass tzinfo=, for example zoneinfo.ZoneInfo('Europe/London')"
OUT_OF_RANGE = "is out of range in UTC"
LONE_SURROGATE = "contains a lone surrogate, which UTF-8 cannot encode"

_SURROGATE = re.compile("[\ud800-\udfff]")
_PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/%-]*\Z")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NOT_IN_URL = re.compile(r"[\x00- \\]")
_SLASH = re.compile(r"[/\\]")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\Z")
_LONGEST_HOST = 253
_LONGEST_SHOWN = 10**15


def is_int(value: object) -> TypeGuard[int]:
    """Return True if a value is an int and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_utf8(text: str) -> bool:
    """Return True if UTF-8 can encode a text. It cannot encode a lone surrogate."""
    return text.isascii() or _SURROGATE.search(text) is None


def find_text_fault(content: bytes) -> str | None:
    """Return why the content of a file is no text in UTF-8; None if it is."""
    save = "save it as UTF-8"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return f"is UTF-16, as PowerShell and Notepad may write it: {save}"
    if b"\0" in content:
        is_utf_16 = max(content[::2].count(0), content[1::2].count(0)) > len(content) // 4
        return f"is UTF-16 without a byte order mark: {save}" if is_utf_16 else "is not text, but binary"
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return f"is not UTF-8 in line {line}, but may be Windows-1252 or Latin-1: {save}"
    return None


def find_date_fault(value: object) -> str | None:
    """Return why a value cannot be converted to UTC; None if it can."""
    if not isinstance(value, datetime):
        return f"must be a datetime, not {type(value).__name__}"
    try:
        if value.utcoffset() is None:
            return NO_ZONE
        value.astimezone(UTC)
    except OverflowError:
        return OUT_OF_RANGE
    except Exception:  # a tzinfo of the caller's own may raise anything, and quote anything
        return "has a time zone that fails"
    return None


def check_int(
    name: str, value: object, *, ge: int, le: int | None = None, error: type[CampaignsError] = ConfigurationError
) -> int:
    """Return an int from `ge` to `le`; raise `error` for another value."""
    if not is_int(value):
        raise error(f"{name} must be a whole number, not {_describe(value)}", parameter=name)
    if value < ge:
        raise error(f"{name} must be at least {ge}, not {_describe(value)}", parameter=name)
    if le is not None and value > le:
        raise error(f"{name} must be at most {le}, not {_describe(value)}", parameter=name)
    return value


def check_seconds(name: str, value: object, *, ge: float | None = None, le: float | None = None) -> float:
    """Return a finite number of seconds above 0, or from `ge`, and up to `le`; raise an error for another value."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_finite(value):
        raise ConfigurationError(f"{name} must be a finite number, not {_describe(value)}", parameter=name)
    if ge is not None:
        if value < ge:
            raise ConfigurationError(f"{name} must be at least {ge:g}, not {value:g}", parameter=name)
    elif value <= 0:
        raise ConfigurationError(f"{name} must be more than 0, not {value:g}", parameter=name)
    if le is not None and value > le:
        raise ConfigurationError(f"{name} must be at most {le:g}, not {value:g}", parameter=name)
    return float(value)


def check_choice(
    name: str, value: object, allowed: tuple[C, ...], *, error: type[CampaignsError] = ConfigurationError
) -> C:
    """Return the allowed value that equals `value`; raise `error` if none does."""
    for choice in allowed:
        if value == choice:
            return choice
    shown = ", ".join(repr(choice.value if isinstance(choice, Enum) else choice) for choice in allowed)
    raise error(f"{name} must be one of {shown}", parameter=name)


def check_instance(name: str, value: object, cls: type[C], *, error: type[CampaignsError] = ConfigurationError) -> C:
    """Return `value`; raise `error` if it is no `cls`."""
    if not isinstance(value, cls):
        raise error(f"{name} must be a {cls.__name__}, not {type(value).__name__}", parameter=name)
    return value


def check_base_url(name: str, value: object) -> str:
    """Return an http or https URL without query, fragment and credentials, without slashes at its end."""
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be text, not {type(value).__name__}", parameter=name)
    if (fault := _find_url_fault(value)) is not None:
        raise ConfigurationError(f"{name} {fault}", parameter=name)
    return value.rstrip("/")


def _find_url_fault(url: str) -> str | None:
    if not url.isascii() or _NOT_IN_URL.search(url):
        return "must be plain ASCII without blanks: write it percent-encoded, a host in punycode"
    parts = _split(url)
    if parts is None:
        return "is no URL: it should look like https://host or https://host/prefix"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "must begin with https:// or http:// and name a host"
    if "@" in parts.netloc:
        return "must not carry a user name or password; the key goes in api_key"
    if "?" in url or "#" in url:
        return "must not carry a query or a fragment"
    if not _is_host(parts.hostname):
        return "must name a host that can be: letters, digits, hyphens and dots, or [IPv6]"
    if not is_path(parts.path):
        return "must carry a percent-encoded prefix without . and .. as its path, or none"
    return None


def is_path(text: str) -> bool:
    """Return True for a percent-encoded path without query, fragment and dot segments, encoded ones included."""
    if not _PATH.match(text) or _BAD_ESCAPE.search(text):
        return False
    # A server may decode slashes too, and drop parameters (`..;a`).
    segments = _SLASH.split(unquote(text, "latin-1"))
    return not any(segment.partition(";")[0] in (".", "..") for segment in segments)


def _split(url: str) -> SplitResult | None:
    """Split a URL. Return None if it has no parts, or an impossible port."""
    try:
        parts = urlsplit(url)
        bad = parts.port == 0 or parts.netloc.endswith(":")
    except ValueError:  # not chained: it may quote a password
        return None
    return None if bad else parts


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            IPv6Address(host)
        except ValueError:
            return False
        return True
    labels = host.removesuffix(".").split(".")
    return len(host) <= _LONGEST_HOST and all(_LABEL.match(label) for label in labels)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def _describe(value: object) -> str:
    if is_int(value) and abs(value) > _LONGEST_SHOWN:
        return "a number of that size"
    return repr(value) if isinstance(value, (bool, int, float)) else type(value).__name__
