"""The bodies of creates and updates: their fields and contacts, and the messages about what is wrong with them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeGuard

from attrs import define, frozen

from ._dotnet import INT32_MAX, iso_ticks, read_json, to_int32
from ._sieve import Wire

try:
    import phonenumbers
    from phonenumbers import NumberParseException, PhoneNumberType
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        'the sandbox needs phonenumbers: install it with: pip install "campaigns-async[sandbox]"',
        name=_error.name,
    ) from None

Body = Mapping[str, Any]

_REGION: Final = "GB"
_SEPARATORS: Final = str.maketrans("", "", " -().")
_BRITISH_MOBILE: Final = re.compile(r"(?:(?:\+|00)?44)?0?(7[0-9]{9})")
_LONGEST: Final = 250
"""phonenumbers refuses longer text."""

_UPDATE_FIELDS: Final = ("startDateTime", "sender", "message", "optOutLinkId", "trackLinkUrl")
_CONTACT_TEXTS: Final = ("phoneNumber", "name", "custom1", "custom2")
_CANONICAL: Final = {name.lower(): name for name in (*_UPDATE_FIELDS, *_CONTACT_TEXTS, "contacts", "contactGroupId")}
_NAMES: Final = frozenset(_CANONICAL.values())
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class InvalidRequestError(Exception):
    """A request that is refused; `errors` has the messages by path."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__("the request is refused")
        self.errors = errors


@define
class NewContact:
    """A contact of a create, with its number in international digits; None if the number is invalid."""

    wire: Wire
    digits: str | None


@frozen
class NewBody:
    """The fields of a create, and the contacts that are stored."""

    fields: Wire
    contacts: list[NewContact]


def phone_digits(text: object) -> str | None:
    """Return the international digits of a mobile number, such as 447700900123; None if it is not one.

    The forms are ``07…``, ``447…``, ``+447…``, ``0044…``, and other countries' numbers with ``+`` or ``00``.
    A number counts if its length is possible for a mobile: Ofcom's numbers for fiction are among them.
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    # Twenty times faster than phonenumbers, with the same result: a test compares the two.
    british = _BRITISH_MOBILE.fullmatch(text.translate(_SEPARATORS))
    return _parse_number(text) if british is None else f"44{british[1]}"


@functools.lru_cache(maxsize=65_536)
def _parse_number(text: str) -> str | None:
    try:
        number = phonenumbers.parse(text, _REGION)
    except NumberParseException:
        return None
    if not phonenumbers.is_possible_number_for_type(number, PhoneNumberType.MOBILE):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]


def read_update(body: bytes) -> Wire:
    """Read the body of an update.

    Raises:
        InvalidRequestError: If a field is missing, or of another type.
    """
    given = _read_object(body)
    errors: dict[str, list[str]] = {}
    fields = _read_fields(given, errors)
    if errors:
        raise InvalidRequestError(errors)
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
        leave_out_invalid: Drop contacts whose number is invalid, in place of an error for each.
        digits_of: Returns a number's international digits, or None if it is invalid.

    Raises:
        InvalidRequestError: If a field is missing or of another type, or a number is invalid.
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
        raise InvalidRequestError(errors)
    return NewBody(fields, contacts)


def recipients(content: bytes) -> tuple[str, ...]:
    """Return the international digits of a create's contacts in order, as far as they can be read."""
    try:
        contacts = _value(read_json(content), "contacts")
    except ValueError:
        return ()
    if not _is_list(contacts):
        return ()
    found = (phone_digits(_value(contact, "phoneNumber")) for contact in contacts)
    return tuple(digits for digits in found if digits is not None)


def _value(given: object, name: str) -> object:
    """Return the value that an object has under a name in any case; None if there is none."""
    return _with_known_names(given).get(name) if _is_object(given) else None


def _read_object(body: bytes) -> Body:
    if not body.strip():
        raise InvalidRequestError({"": ["A non-empty request body is required."]})
    try:
        given = read_json(body)
    except ValueError as error:
        raise InvalidRequestError({"$": ["The request body is no valid JSON."]}) from error
    if not _is_object(given):
        raise _wrong_type("$", "an object")
    return _with_known_names(given)


def _is_object(value: object) -> TypeGuard[Body]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _with_known_names(given: Body) -> Body:
    """Return an object with the API's spelling of its names, which come in any case; the last of several wins."""
    if given.keys() <= _NAMES:
        return given
    return {_CANONICAL.get(name.lower(), name): value for name, value in given.items()}


def _wrong_type(path: str, kind: str) -> InvalidRequestError:
    # .NET's reader stops at the first value that it cannot convert.
    return InvalidRequestError({path: [f"The JSON value could not be converted to {kind}. Path: {path}"]})


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
    if not _is_list(contacts):
        raise _wrong_type("$.contacts", "an array")
    return contacts


def _read_contact(given: object, index: int, digits_of: Callable[[object], str | None]) -> NewContact:
    if not _is_object(given):
        raise _wrong_type(f"$.contacts[{index}]", "an object")
    contact = _with_known_names(given)
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
