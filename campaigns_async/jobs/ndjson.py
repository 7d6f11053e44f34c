"""What a campaign of a plan must be, by the wire's names as NDJSON has them. Pure; no message quotes what it judges."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, Final, Literal, TypeAlias, TypeGuard, cast
from uuid import UUID

from attrs import field, frozen

from campaigns_async import checks
from campaigns_async.errors import InvalidArgumentError
from campaigns_async.jobs.numbers import doubles
from campaigns_async.models import NewCampaign, NewContact
from campaigns_async.wire.codec import write_date

Duplicates: TypeAlias = Literal["refuse", "keep", "drop"]
Fault: TypeAlias = tuple[int | None, str, str]
"""The contact it concerns, from 0, if one; the field; what is wrong with it."""
Wire: TypeAlias = dict[str, Any]

CONTACT_NAMES: Final = ("phoneNumber", "name", "custom1", "custom2", "contactGroupId")
NAMES: Final = ("key", "startDateTime", "sender", "message", "optOutLinkId", "trackLinkUrl", "contacts")
_KNOWN: Final = frozenset(NAMES)
_KNOWN_OF_CONTACT: Final = frozenset(CONTACT_NAMES)
_GROUP: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LINK: Final = re.compile(r"https?://\S", re.IGNORECASE)
_START: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ](?:[01]\d|2[0-3]):\d\d(?::\d\d(?:\.\d{1,7})?)?(Z|z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)?", re.ASCII
)
_values_of: Final[Callable[[Wire], Iterable[object]]] = dict[str, object].values
_number_of: Final[Callable[[Wire], str]] = itemgetter("phoneNumber")
_LEAST, _MOST = -(2**63), 2**63 - 1

MISSING: Final = "is missing"
BLANK: Final = "must not be blank"
TEXT: Final = "must be text, in quotes"
BRACES: Final = (
    "holds { or }: the API knows no placeholders, so every person would read them as they stand; "
    "take them out, or allow them (allow_braces) if that is meant"
)
NO_ZONE: Final = "has no time zone, so it could mean any hour: end it with Z or an offset such as +01:00"
NO_START: Final = "must be a date and time with a zone, such as 2031-06-27T09:30:00.000Z"
NO_LINK: Final = "must be a link that begins with http:// or https://"
NO_WHOLE: Final = "must be a whole number, without quotes, that fits in 64 bits"
NO_GROUP: Final = "must be a UUID, such as 3fa85f64-5717-4562-b3fc-2c963f66afa6"
NOT_A_NUMBER: Final = "must be text, in quotes: as a number it loses the zeros it begins with"
NO_CONTACTS: Final = "must be an array of at least one contact"


@frozen
class Rules:
    """What the user lets a plan be."""

    duplicates: Duplicates = "refuse"
    allow_braces: bool = False

    def __attrs_post_init__(self) -> None:
        checks.check_choice("duplicates", self.duplicates, ("refuse", "keep", "drop"))
        checks.check_instance("allow_braces", self.allow_braces, bool)


@frozen
class Row:
    """A campaign as it would be sent."""

    wire: Wire = field(repr=False)
    """The wire's JSON values, without what is None, the start in the wire's notation."""
    start: datetime
    kept: tuple[int, ...] | None
    """Which contacts are left of those given; None: all."""
    dropped: int


def check(given: Mapping[str, Any], rules: Rules) -> Row | list[Fault]:
    """A campaign as it would be sent, or all that is wrong with it.

    Args:
        given: By the wire's names; a key beside them is passed over.
        rules: What the user allows.
    """
    faults: list[Fault] = []
    start = _fields(given, rules, faults)
    given_people: object = given.get("contacts")
    contacts: list[Wire] = []
    kept: tuple[int, ...] | None = None
    people = given_people if _is_list(given_people) else []
    if not people:
        faults.append((None, "contacts", MISSING if given_people is None else NO_CONTACTS))
    else:
        contacts = plain(people) or _contacts(people, faults)
        if rules.duplicates != "keep" and contacts and (later := doubles(list(map(_number_of, contacts)))):
            if rules.duplicates == "refuse":
                faults += [(index, "phoneNumber", twice(f"contacts[{first}]")) for index, first in later.items()]
            kept = tuple(index for index in range(len(contacts)) if index not in later)
            contacts = [contacts[index] for index in kept]
    if faults or isinstance(start, str):
        return faults
    wire = {name: value for name, value in given.items() if value is not None and name != "key"}
    wire["startDateTime"], wire["contacts"] = start[1], contacts
    return Row(wire, start[0], kept, 0 if kept is None else len(people) - len(kept))


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _fields(given: Mapping[str, Any], rules: Rules, faults: list[Fault]) -> tuple[datetime, str] | str:
    """The start, of a campaign whose other fields were looked at."""
    if not given.keys() <= _KNOWN:
        faults.append((None, "", unknown(given, NAMES)))
    start = start_of(given.get("startDateTime"))
    if isinstance(start, str):
        faults.append((None, "startDateTime", start))
    for name, fault in _OF_FIELD.items():
        if (reason := fault(given.get(name))) is not None:
            faults.append((None, name, reason))
    message: object = given.get("message")
    if not rules.allow_braces and isinstance(message, str) and ("{" in message or "}" in message):
        faults.append((None, "message", BRACES))
    return start


def plain(people: list[Any]) -> list[Wire] | None:
    """The contacts themselves, where nothing is wrong with any and nothing to be left out; else None.

    A few passes in C over all of them: this is what nearly every line needs, and all that it costs.
    """
    if set(map(type, people)) != {dict}:
        return None
    contacts = cast("list[dict[str, object]]", people)
    names: set[str] = set()
    names.update(*contacts)
    if not names <= _KNOWN_OF_CONTACT:
        return None
    if set(map(type, chain.from_iterable(map(_values_of, contacts)))) != {str}:
        return None
    try:
        if not all(map(str.strip, map(_number_of, people))):
            return None
    except KeyError:
        return None
    if "contactGroupId" in names:
        groups = {contact["contactGroupId"] for contact in people if "contactGroupId" in contact}
        if not all(map(_GROUP.fullmatch, groups)):
            return None
    return people


def _contacts(people: list[Any], faults: list[Fault]) -> list[Wire]:
    """Contacts without what is None, group ids in one notation; empty where one is wrong."""
    before = len(faults)
    contacts = [_contact(index, person, faults) for index, person in enumerate(people)]
    return contacts if len(faults) == before else []


def _contact(index: int, given: object, faults: list[Fault]) -> Wire:
    if not isinstance(given, dict):
        faults.append((index, "", "must be a JSON object"))
        return {}
    person = cast("Wire", given)
    if not person.keys() <= _KNOWN_OF_CONTACT:
        faults.append((index, "", unknown(person, CONTACT_NAMES)))
    contact: Wire = {}
    for name in CONTACT_NAMES:
        value: object = person.get(name)
        if value is None:
            if name == "phoneNumber":
                faults.append((index, name, MISSING))
        elif not isinstance(value, str):
            faults.append((index, name, NOT_A_NUMBER if name == "phoneNumber" else TEXT))
        elif name == "phoneNumber" and not value.strip():
            faults.append((index, name, BLANK))
        elif name == "contactGroupId" and not _GROUP.fullmatch(value.lower()):
            faults.append((index, name, NO_GROUP))
        else:
            contact[name] = value.lower() if name == "contactGroupId" else value
    return contact


def twice(where: str) -> str:
    """What is said of a number that stands in two places; `where` is the first."""
    return (
        f"is the number of {where} too, who would be texted twice: take one out, "
        'or have the later ones dropped (duplicates="drop") or kept (duplicates="keep")'
    )


def unknown(given: Mapping[str, Any], known: tuple[str, ...]) -> str:
    """What is said of a name that the API does not know; the name itself may be anybody's, and is not told."""
    alike = {_bare(name): name for name in known}
    meant = sorted({alike[_bare(name)] for name in given if name not in known and _bare(name) in alike})
    told = f"has a name that is none of {', '.join(known)}"
    return f"{told}; {meant[0]} must be written exactly so" if meant else told


def _bare(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


@lru_cache(maxsize=256)  # most plans hold few start times
def _start_of(text: str) -> tuple[datetime, str] | str:
    shape = _START.fullmatch(text)
    if shape is None:
        return NO_START
    if shape[1] is None:
        return NO_ZONE
    try:
        moment = datetime.fromisoformat(text.upper())  # 31 April is a ValueError; a seventh digit is cut
        wire = write_date(moment)
    except InvalidArgumentError as error:
        return error.message
    except ValueError:
        return NO_START
    return datetime.fromisoformat(wire), wire


def start_of(value: object) -> tuple[datetime, str] | str:
    """A start time in UTC, cut to milliseconds, and in the wire's notation; or what is wrong with it.

    Read are `2031-06-27T09:30`, with seconds and up to seven digits of their fraction or without, and a zone:
    `Z`, `+01:00` or `+0100`. A blank may stand for the `T`.
    """
    if value is None:
        return MISSING
    return _start_of(value) if isinstance(value, str) else NO_START


def text_fault(value: object) -> str | None:
    """What is wrong with a text that must be there."""
    if value is None:
        return MISSING
    if not isinstance(value, str):
        return TEXT
    return None if value.strip() else BLANK


def link_fault(value: object) -> str | None:
    """What is wrong with a link, if one is given."""
    if value is None or (isinstance(value, str) and _LINK.match(value)):
        return None
    return NO_LINK


def whole_fault(value: object) -> str | None:
    """What is wrong with a whole number, if one is given."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and _LEAST <= value <= _MOST):
        return None
    return NO_WHOLE


_OF_FIELD: Final[dict[str, Callable[[object], str | None]]] = {
    "sender": text_fault,
    "message": text_fault,
    "optOutLinkId": whole_fault,
    "trackLinkUrl": link_fault,
}


def built(row: Row) -> NewCampaign:
    """The campaign of a row."""
    wire = row.wire
    return NewCampaign(
        row.start,
        wire["sender"],
        wire["message"],
        [
            NewContact(
                person["phoneNumber"],
                person.get("name"),
                person.get("custom1"),
                person.get("custom2"),
                UUID(person["contactGroupId"]) if "contactGroupId" in person else None,
            )
            for person in wire["contacts"]
        ],
        wire.get("optOutLinkId"),
        wire.get("trackLinkUrl"),
    )


def no_json(raw: bytes, at: int) -> str:
    """What is said of a line that cannot be read; `at` is where the reader gave up, from 0."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        return f"is not in UTF-8 from its byte {error.start + 1} on: save the file as UTF-8"
    if text[at:].strip() in {",", "]", "],"}:
        return "has a comma or a bracket behind its object: the plan is no array, but one object a line"
    if at >= len(text.rstrip("\r")):
        return "ends before its JSON does: a campaign stands on one line, closed by a brace"
    return f"is no JSON from its character {at + 1} on: each line takes one JSON object"
