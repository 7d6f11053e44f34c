"""Checks of settings. Each error names the setting and the range; none quotes the value of a secret."""

from __future__ import annotations

import math
import re
from typing import TypeVar
from urllib.parse import urlsplit

from campaigns_async.errors import ConfigurationError

C = TypeVar("C")

_KEY = re.compile(r"[\x21-\x7e]+\Z")


def seconds(name: str, value: object, *, above: float | None = 0.0, least: float | None = None) -> float:
    """A finite number of seconds, above or at least a bound.

    Raises:
        ConfigurationError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ConfigurationError(f"{name} must be a finite number, not {_shown(value)}")
    if least is not None:
        if value < least:
            raise ConfigurationError(f"{name} must be at least {least:g}, not {value:g}")
    elif above is not None and value <= above:
        raise ConfigurationError(f"{name} must be more than {above:g}, not {value:g}")
    return float(value)


def whole(name: str, value: object, *, least: int, most: int | None = None) -> int:
    """A whole number within a range, ends included.

    Raises:
        ConfigurationError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"{name} must be a whole number, not {_shown(value)}")
    if value < least:
        raise ConfigurationError(f"{name} must be at least {least}, not {value}")
    if most is not None and value > most:
        raise ConfigurationError(f"{name} must be at most {most}, not {value}")
    return value


def one_of(name: str, value: object, allowed: tuple[C, ...]) -> C:
    """One of a few values.

    Raises:
        ConfigurationError: It is none of them.
    """
    for choice in allowed:
        if value == choice:
            return choice
    raise ConfigurationError(f"{name} must be one of {', '.join(map(repr, allowed))}")


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
        raise ConfigurationError(f"{name} must be text or an async callable that gives text, not {type(value).__name__}")
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
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ConfigurationError(f"{name} is no URL: it should look like https://host or https://host/prefix") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ConfigurationError(f"{name} must begin with https:// or http:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{name} must not carry a user name or password; the key goes in api_key")
    if "?" in value or "#" in value:
        raise ConfigurationError(f"{name} must not carry a query or a fragment")
    if not value.isascii() or any(character <= " " or character == "\\" for character in value):
        raise ConfigurationError(f"{name} must be plain ASCII without blanks: write it percent-encoded, a host in punycode")
    if any(segment in (".", "..") for segment in parts.path.split("/")):
        raise ConfigurationError(f"{name} must not carry . or .. in its path")
    return value.rstrip("/")


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, (bool, int, float)) else type(value).__name__
