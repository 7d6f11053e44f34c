"""Whom a create goes to."""

from __future__ import annotations

import orjson

from .numbers import phone_digits
from .validation import is_list, is_object, with_known_names


def recipients(content: bytes) -> tuple[str, ...]:
    """The international digits of a create's contacts, as far as they can be read, in their order."""
    try:
        contacts = _value(orjson.loads(content), "contacts")
    except orjson.JSONDecodeError:
        return ()
    if not is_list(contacts):
        return ()
    found = (phone_digits(_value(contact, "phoneNumber")) for contact in contacts)
    return tuple(digits for digits in found if digits is not None)


def _value(given: object, name: str) -> object:
    """What an object has under a name in any case; None when it is none, or has none."""
    return with_known_names(given).get(name) if is_object(given) else None
