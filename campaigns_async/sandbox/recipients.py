"""Whom a create goes to."""

from __future__ import annotations

from typing import Any

import orjson

from .numbers import phone_digits


def recipients(content: bytes) -> tuple[str, ...]:
    """The international digits of a create's contacts, as far as they can be read, in their order."""
    try:
        body: Any = orjson.loads(content)
    except orjson.JSONDecodeError:
        return ()
    contacts = _value(body, "contacts")
    if not isinstance(contacts, list):
        return ()
    found = (phone_digits(_value(contact, "phonenumber")) for contact in contacts)
    return tuple(digits for digits in found if digits is not None)


def _value(given: Any, name: str) -> Any:
    """What an object has under a name in any case; None when it is none, or has none."""
    if not isinstance(given, dict):
        return None
    return next((value for key, value in given.items() if str(key).lower() == name), None)
