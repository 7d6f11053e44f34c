"""Checks of settings. Each error names the setting and the range; none quotes the value of a secret."""

from __future__ import annotations

import math
import re
from enum import Enum
from ipaddress import IPv6Address
from typing import TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from campaigns_async.errors import ConfigurationError

C = TypeVar("C")

_KEY = re.compile(r"[\x21-\x7e]+\Z")
_PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/%-]*\Z")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NOT_IN_URL = re.compile(r"[\x00- \\]")
_SLASH = re.compile(r"[/\\]")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\Z")
_LONGEST_HOST = 253
_LONGEST_SHOWN = 10**15


def seconds(
    name: str, value: object, *, above: float = 0.0, least: float | None = None, most: float | None = None
) -> float:
    """A finite number of seconds, above or at least a bound, and at most another.

    Raises:
        ConfigurationError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_finite(value):
        raise ConfigurationError(f"{name} must be a finite number, not {_shown(value)}")
    if least is not None:
        if value < least:
            raise ConfigurationError(f"{name} must be at least {least:g}, not {value:g}")
    elif value <= above:
        raise ConfigurationError(f"{name} must be more than {above:g}, not {value:g}")
    if most is not None and value > most:
        raise ConfigurationError(f"{name} must be at most {most:g}, not {value:g}")
    return float(value)


def whole(name: str, value: object, *, least: int, most: int | None = None) -> int:
    """A whole number within a range, ends included.

    Raises:
        ConfigurationError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"{name} must be a whole number, not {_shown(value)}")
    if value < least:
        raise ConfigurationError(f"{name} must be at least {least}, not {_shown(value)}")
    if most is not None and value > most:
        raise ConfigurationError(f"{name} must be at most {most}, not {_shown(value)}")
    return value


def one_of(name: str, value: object, allowed: tuple[C, ...]) -> C:
    """One of a few values.

    Raises:
        ConfigurationError: It is none of them.
    """
    for choice in allowed:
        if value == choice:
            return choice
    raise ConfigurationError(f"{name} must be one of {', '.join(map(_choice, allowed))}")


def instance(name: str, value: object, cls: type[C]) -> C:
    """An instance of a class.

    Raises:
        ConfigurationError: It is none.
    """
    if not isinstance(value, cls):
        raise ConfigurationError(f"{name} must be a {cls.__name__}, not {type(value).__name__}")
    return value


def api_key(name: str, value: object) -> str:
    """A key that fits in a header: visible ASCII, no blanks.

    Raises:
        ConfigurationError: It does not; the key is not quoted.
    """
    if not isinstance(value, str):
        raise ConfigurationError(
            f"{name} must be text or an async callable that gives text, not {type(value).__name__}"
        )
    if not value:
        raise ConfigurationError(f"{name} is empty")
    if not _KEY.match(value):
        raise ConfigurationError(
            f"{name} holds a blank, a line break or a character outside ASCII, which no key does: "
            "was it read from a file without stripping the end of the line?"
        )
    return value


def base_url(name: str, value: object) -> str:
    """An http or https URL without query, fragment and credentials; returned without a slash at its end.

    Raises:
        ConfigurationError: It is none.
    """
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be text, not {type(value).__name__}")
    if not value.isascii() or _NOT_IN_URL.search(value):
        raise ConfigurationError(
            f"{name} must be plain ASCII without blanks: write it percent-encoded, a host in punycode"
        )
    parts = _split(value)
    if parts is None:
        raise ConfigurationError(f"{name} is no URL: it should look like https://host or https://host/prefix")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"{name} must begin with https:// or http:// and name a host")
    if "@" in parts.netloc:
        raise ConfigurationError(f"{name} must not carry a user name or password; the key goes in api_key")
    if "?" in value or "#" in value:
        raise ConfigurationError(f"{name} must not carry a query or a fragment")
    if not _is_host(parts.hostname):
        raise ConfigurationError(f"{name} must name a host that can be: letters, digits, hyphens and dots, or [IPv6]")
    if not is_path(parts.path):
        raise ConfigurationError(f"{name} must carry a percent-encoded prefix without . and .. as its path, or none")
    return value.rstrip("/")


def is_path(text: str) -> bool:
    """Whether it is a percent-encoded path without query, fragment and dot segments, disguised ones included."""
    if not _PATH.match(text) or _BAD_ESCAPE.search(text):
        return False
    # What a server may see, should it decode slashes too, and drop parameters (`..;a`).
    segments = _SLASH.split(unquote(text, "latin-1"))
    return not any(segment.partition(";")[0] in (".", "..") for segment in segments)


def _split(url: str) -> SplitResult | None:
    """Its parts; None where it has none, or a port that cannot be."""
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


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) > _LONGEST_SHOWN:
        return "a number of that size"
    return repr(value) if isinstance(value, (bool, int, float)) else type(value).__name__


def _choice(value: object) -> str:
    return repr(value.value) if isinstance(value, Enum) else repr(value)
