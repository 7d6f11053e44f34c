"""The bodies of creates and updates: parsing, validation, and .NET's messages about invalid fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeGuard

from attrs import define, frozen

from ._dotnet import INT32_MAX, parse_int32, parse_iso_ticks, read_json
from ._mobile_numbers import parse_mobile
from ._rows import Wire

Body = Mapping[str, Any]

_UPDATE_FIELDS: Final = ("startDateTime", "sender", "message", "optOutLinkId", "trackLinkUrl")
_CONTACT_TEXTS: Final = ("phoneNumber", "name", "custom1", "custom2")
_CANONICAL: Final = {name.lower(): name for name in (*_UPDATE_FIELDS, *_CONTACT_TEXTS, "contacts", "contactGroupId")}
_NAMES: Final = frozenset(_CANONICAL.values())
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class InvalidRequestError(Exception):
    """An error that refuses a request. `errors` has the messages by path."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__("the request is refused")
        self.errors = errors


@define
class NewContact:
    """A contact of a create, with its number in international digits; None if the number is invalid."""

    wire: Wire
    digits: str | None


@frozen
class CreateBody:
    """The fields of a create, and the contacts that are stored."""

    fields: Wire
    contacts: list[NewContact]


def read_update(body: bytes) -> Wire:
    errors: dict[str, list[str]] = {}
    fields = _read_fields(_read_object(body), errors)
    if errors:
        raise InvalidRequestError(errors)
    return fields


def read_create(body: bytes, *, ignore_invalid: bool, parse_number: Callable[[object], str | None]) -> CreateBody:
    """Read the body of a create, with `ignore_invalid` without the contacts that have an invalid number."""
    new = _read_object(body)
    errors: dict[str, list[str]] = {}
    fields = _read_fields(new, errors)
    items = new.get("contacts")
    if items is None:
        errors["Contacts"] = ["The Contacts field is required."]
    elif not _is_list(items):
        raise _wrong_type("$.contacts", "an array")
    contacts: list[NewContact] = []
    for index, item in enumerate(items or ()):
        wire = _read_contact(item, index)
        contact = NewContact(wire, parse_number(wire["phoneNumber"]))
        if contact.digits is not None:
            contacts.append(contact)
        elif not ignore_invalid:
            problem = "is not a valid phone number" if wire["phoneNumber"] else "is required"
            errors[f"Contacts[{index}].PhoneNumber"] = [f"The PhoneNumber field {problem}."]
    if errors:
        raise InvalidRequestError(errors)
    return CreateBody(fields, contacts)


def read_recipients(content: bytes) -> tuple[str, ...]:
    """Return the international digits of a create's contacts in order, skipping what cannot be read."""
    try:
        contacts = _get_value(read_json(content), "contacts")
    except ValueError:
        return ()
    numbers = (parse_mobile(_get_value(contact, "phoneNumber")) for contact in contacts) if _is_list(contacts) else ()
    return tuple(digits for digits in numbers if digits is not None)


def _get_value(item: object, name: str) -> object:
    return _normalize_names(item).get(name) if _is_object(item) else None


def _read_object(body: bytes) -> Body:
    if not body.strip():
        raise InvalidRequestError({"": ["A non-empty request body is required."]})
    try:
        item = read_json(body)
    except ValueError as error:
        raise InvalidRequestError({"$": ["The request body is no valid JSON."]}) from error
    if not _is_object(item):
        raise _wrong_type("$", "an object")
    return _normalize_names(item)


def _is_object(value: object) -> TypeGuard[Body]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _normalize_names(item: Body) -> Body:
    """Return an object with the API's spelling of its names, which may be in any case. The last of several wins."""
    if item.keys() <= _NAMES:
        return item
    return {_CANONICAL.get(name.lower(), name): value for name, value in item.items()}


def _wrong_type(path: str, kind: str) -> InvalidRequestError:
    # .NET's reader stops at the first value that it cannot convert.
    return InvalidRequestError({path: [f"The JSON value could not be converted to {kind}. Path: {path}"]})


def _read_fields(item: Body, errors: dict[str, list[str]]) -> Wire:
    fields: Wire = {name: item.get(name) for name in _UPDATE_FIELDS}
    _check_texts(fields, ("startDateTime", "sender", "message", "trackLinkUrl"), "$")
    start = fields["startDateTime"]
    if start is not None and parse_iso_ticks(start) is None:
        raise _wrong_type("$.startDateTime", "System.DateTime")
    fields["optOutLinkId"] = _read_link(fields["optOutLinkId"])
    for name in ("startDateTime", "sender", "message"):
        if not (fields[name] or "").strip():
            title = name[0].upper() + name[1:]
            errors[title] = [f"The {title} field is required."]
    return fields


def _check_texts(fields: Wire, names: Iterable[str], path: str) -> None:
    for name in names:
        if fields[name] is not None and not isinstance(fields[name], str):
            raise _wrong_type(f"{path}.{name}", "System.String")


def _read_link(value: object) -> int | None:
    if isinstance(value, str):
        # .NET's web defaults read numbers from text too.
        try:
            return parse_int32(value)
        except ValueError as error:
            raise _wrong_type("$.optOutLinkId", "System.Int32") from error
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not -INT32_MAX - 1 <= value <= INT32_MAX:
        raise _wrong_type("$.optOutLinkId", "System.Int32")
    return value


def _read_contact(item: object, index: int) -> Wire:
    if not _is_object(item):
        raise _wrong_type(f"$.contacts[{index}]", "an object")
    contact = _normalize_names(item)
    wire: Wire = {name: contact.get(name) for name in _CONTACT_TEXTS}
    _check_texts(wire, _CONTACT_TEXTS, f"$.contacts[{index}]")
    group = contact.get("contactGroupId")
    if group is not None and not (isinstance(group, str) and _UUID.fullmatch(group)):
        raise _wrong_type(f"$.contacts[{index}].contactGroupId", "System.Guid")
    return wire
