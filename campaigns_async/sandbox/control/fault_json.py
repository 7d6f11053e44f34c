"""Faults as JSON, with the names that their fields have in Python."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import attrs

from ..faults import Fault
from .json_values import flag, members, number, text, whole, wrong

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LINE: Final = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_BASE64: Final = "base64"


def faults_from_json(value: object) -> list[Fault]:
    """Read one fault, an object, or several, an array of objects.

    Raises:
        ValueError: One cannot be read; says which, its field, and what may stand there.
    """
    if not isinstance(value, list):
        return [fault_from_json(value)]
    faults: list[Fault] = []
    for index, given in enumerate(cast("list[object]", value)):
        try:
            faults.append(fault_from_json(given))
        except ValueError as error:
            raise ValueError(f"[{index}]: {error}") from None
    return faults


def fault_from_json(value: object) -> Fault:
    """Read a fault.

    Args:
        value: What a JSON parser made of it: an object of the fields of `Fault`, without those that
            only Python can hold (`when`, `hold`, and events in place of seconds). Seconds, statuses and
            counts are numbers; `body` is text, or ``{"base64": "..."}`` where it is no UTF-8.

    Raises:
        ValueError: It cannot be read; says which field, and what may stand there.
    """
    given = members("a fault", value, FIELDS)
    fields: dict[str, Any] = {name: _read(name, one) for name, one in given.items()}
    return Fault(**fields)


def fault_to_json(fault: Fault) -> dict[str, Any]:
    """Write the fields that differ from their defaults; those that JSON cannot hold are left out."""
    return {
        name: _write(getattr(fault, name)) for name in _fields_set(fault) if _can_be_json(name, getattr(fault, name))
    }


def fields_left_out(fault: Fault) -> list[str]:
    """The fields that are set, and that `fault_to_json` leaves out."""
    return [name for name in _fields_set(fault) if not _can_be_json(name, getattr(fault, name))]


def _fields_set(fault: Fault) -> list[str]:
    return [name for name in attrs.fields_dict(Fault) if getattr(fault, name) != getattr(_PLAIN, name)]


def _can_be_json(name: str, value: object) -> bool:
    return name in _READERS and (name not in _SECONDS_OR_EVENTS or isinstance(value, (int, float)))


def _write(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {_BASE64: base64.b64encode(value).decode()}
    return dict(cast("Mapping[str, str]", value)) if isinstance(value, Mapping) else value


def _read(name: str, given: object) -> object:
    if given is None and getattr(_PLAIN, name) is None:
        return None
    return _READERS[name](name, given)


def _line(name: str, given: object) -> str:
    line = text(name, given)
    if not _LINE.fullmatch(line):
        raise ValueError(f"{name} must be one line, of characters that Latin-1 has")
    return line


def _headers(name: str, given: object) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in members(name, given).items():
        if not _TOKEN.fullmatch(key):
            raise ValueError(f"{name} must have names of letters, digits and dashes, not {key!r}")
        found[key] = _line(f"{name}[{key!r}]", value)
    return found


def _body(name: str, given: object) -> bytes:
    if isinstance(given, str):
        try:
            return given.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{name} must be text that UTF-8 can hold") from None
    if not isinstance(given, dict):
        raise wrong(name, f'text, or {{"{_BASE64}": "..."}}', given)
    encoded = text(f"{name}.{_BASE64}", members(name, cast("object", given), (_BASE64,)).get(_BASE64))
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        raise ValueError(f"{name}.{_BASE64} must be in base64") from None


_READERS: Final[Mapping[str, Callable[[str, object], object]]] = {
    "operation": text,
    "nth": whole,
    "every": whole,
    "times": whole,
    "share": number,
    "seed": whole,
    "recipient": text,
    "act": flag,
    "act_after": number,
    "status": whole,
    "headers": _headers,
    "body": _body,
    "content_type": _line,
    "drop": text,
    "delay": number,
    "hang": flag,
    "slow_body": number,
    "stale": flag,
    "hidden_for": number,
}
_SECONDS_OR_EVENTS: Final = frozenset({"act_after", "hidden_for"})
_PLAIN: Final = Fault()
FIELDS: Final[Sequence[str]] = tuple(_READERS)
"""The fields of a fault that JSON can hold."""
