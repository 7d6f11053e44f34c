"""What the provider takes for a campaign, and how it names what it does not take."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import orjson
from attrs import define, frozen

from .numbers import phone_digits
from .values import INT32_MAX, iso_ticks, to_int32

if TYPE_CHECKING:
    from .schema import Wire

Body = Mapping[str, Any]

_UPDATE_FIELDS: Final = ("startDateTime", "sender", "message", "optOutLinkId", "trackLinkUrl")
_CONTACT_TEXTS: Final = ("phoneNumber", "name", "custom1", "custom2")
_CANONICAL: Final = {name.lower(): name for name in (*_UPDATE_FIELDS, *_CONTACT_TEXTS, "contacts", "contactGroupId")}
_NAMES: Final = frozenset(_CANONICAL.values())
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class InvalidBodyError(Exception):
    """A body that is refused; `errors` has the messages by path."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__("the body is refused")
        self.errors = errors


@define
class NewContact:
    """A contact of a create, with its number in international digits, None when invalid."""

    wire: Wire
    digits: str | None


@frozen
class NewBody:
    """A create as it was read: the fields, and the contacts that are taken."""

    fields: Wire
    contacts: list[NewContact]


def read_update(body: bytes) -> Wire:
    """Read the body of an update.

    Raises:
        InvalidBodyError: A field is missing, or of another type.
    """
    given = _read_object(body)
    errors: dict[str, list[str]] = {}
    fields = _read_fields(given, errors)
    if errors:
        raise InvalidBodyError(errors)
    return fields


def read_new(
    body: bytes,
    *,
    leave_out_invalid: bool,
    digits_of: Callable[[object], str | None] = phone_digits,
) -> NewBody:
    """Read the body of a create.

    Args:
        body: JSON, in UTF-8.
        leave_out_invalid: Drop contacts whose number is invalid, instead of naming them.
        digits_of: Brings a number to international digits; None says that it is invalid.

    Raises:
        InvalidBodyError: A field is missing or of another type, or numbers are invalid.
    """
    given = _read_object(body)
    errors: dict[str, list[str]] = {}
    fields = _read_fields(given, errors)
    contacts: list[NewContact] = []
    for index, contact in enumerate(_read_contacts(given, errors)):
        read = _read_contact(contact, index, digits_of)
        if read.digits is not None:
            contacts.append(read)
        elif not leave_out_invalid:
            errors[f"Contacts[{index}].PhoneNumber"] = [
                "The PhoneNumber field is not a valid phone number."
                if read.wire["phoneNumber"]
                else "The PhoneNumber field is required."
            ]
    if errors:
        raise InvalidBodyError(errors)
    return NewBody(fields, contacts)


def _read_object(body: bytes) -> Body:
    if not body.strip():
        raise InvalidBodyError({"": ["A non-empty request body is required."]})
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidBodyError({"$": ["The request body is no valid JSON."]}) from error
    if not is_object(given):
        raise _wrong_type("$", "an object")
    return with_known_names(given)


def is_object(value: object) -> TypeGuard[Body]:
    """Whether a JSON value is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether a JSON value is an array."""
    return isinstance(value, list)


def with_known_names(given: Body) -> Body:
    """An object with the names that the API has, whatever their case was; the last of several wins."""
    if given.keys() <= _NAMES:
        return given
    return {_CANONICAL.get(name.lower(), name): value for name, value in given.items()}


def _wrong_type(path: str, kind: str) -> InvalidBodyError:
    # A body that cannot be read is given up at the first fault, as .NET's reader does.
    return InvalidBodyError({path: [f"The JSON value could not be converted to {kind}. Path: {path}"]})


def _read_fields(given: Body, errors: dict[str, list[str]]) -> Wire:
    for name in ("startDateTime", "sender", "message", "trackLinkUrl"):
        value = given.get(name)
        if value is not None and not isinstance(value, str):
            raise _wrong_type(f"$.{name}", "System.String")
    start = given.get("startDateTime")
    if start is not None and iso_ticks(start) is None:
        raise _wrong_type("$.startDateTime", "System.DateTime")
    link = _read_link(given.get("optOutLinkId"))
    for name in ("startDateTime", "sender", "message"):
        if not (given.get(name) or "").strip():
            title = name[0].upper() + name[1:]
            errors[title] = [f"The {title} field is required."]
    fields = {name: given.get(name) for name in _UPDATE_FIELDS}
    fields["optOutLinkId"] = link
    return fields


def _read_link(value: object) -> int | None:
    if isinstance(value, str):
        # .NET's web defaults read numbers from text too.
        try:
            return to_int32(value)
        except ValueError as error:
            raise _wrong_type("$.optOutLinkId", "System.Int32") from error
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not -INT32_MAX - 1 <= value <= INT32_MAX:
        raise _wrong_type("$.optOutLinkId", "System.Int32")
    return value


def _read_contacts(given: Body, errors: dict[str, list[str]]) -> list[Any]:
    contacts = given.get("contacts")
    if contacts is None:
        errors["Contacts"] = ["The Contacts field is required."]
        return []
    if not is_list(contacts):
        raise _wrong_type("$.contacts", "an array")
    return contacts


def _read_contact(given: object, index: int, digits_of: Callable[[object], str | None]) -> NewContact:
    if not is_object(given):
        raise _wrong_type(f"$.contacts[{index}]", "an object")
    contact = with_known_names(given)
    wire: Wire = {}
    for name in _CONTACT_TEXTS:
        value = contact.get(name)
        if value is not None and not isinstance(value, str):
            raise _wrong_type(f"$.contacts[{index}].{name}", "System.String")
        wire[name] = value
    group = contact.get("contactGroupId")
    if group is not None and not (isinstance(group, str) and _UUID.fullmatch(group)):
        raise _wrong_type(f"$.contacts[{index}].contactGroupId", "System.Guid")
    return NewContact(wire, digits_of(wire["phoneNumber"]))
