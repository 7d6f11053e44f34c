"""The rules that a campaign must meet before it is sent, each written once.

`create`, `create_many` and plans share them. The rules of a field take its value and return why it cannot be sent,
or None. `find_faults` applies them to a model, `parse_campaign` to a line of JSON. No reason quotes a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Final, NamedTuple, NoReturn, TypeAlias, cast
from uuid import UUID

import msgspec

from campaigns_async._checks import ADD_ZONE, LONE_SURROGATE, NO_ZONE, OUT_OF_RANGE, find_date_fault, is_int, is_utf8
from campaigns_async.models import CampaignUpdate, NewCampaign, NewContact, snake

MISSING: Final = "is missing"
BLANK: Final = "must not be blank"
NOT_A_PHONE_NUMBER: Final = "must be text, in quotes: as a number it loses the zeros it begins with"
NOT_AN_INT: Final = "must be a whole number, without quotes, that fits in 64 bits"
NOT_A_LINK: Final = "must be a link that begins with http:// or https://"
NOT_A_START: Final = "must be a date and time with a zone, such as 2031-06-27T09:30:00.000Z"
ADD_ZONE_TO_TEXT: Final = "end it with Z or an offset such as +01:00"
UNREADABLE: Final = "cannot be read"
NOT_A_GROUP: Final = "must be a UUID, such as 3fa85f64-5717-4562-b3fc-2c963f66afa6"
NOT_CONTACTS: Final = "must be an array of at least one contact"
NO_CONTACTS: Final = "must hold at least one contact"
NOT_AN_OBJECT: Final = "must be a JSON object"
BRACES: Final = (
    "holds { or }: the API knows no placeholders, so every person would read them as they stand; "
    "take them out, or allow them (allow_braces) if that is meant"
)

CONTACT_NAMES: Final = ("phoneNumber", "name", "custom1", "custom2", "contactGroupId")
CAMPAIGN_NAMES: Final = ("key", "startDateTime", "sender", "message", "optOutLinkId", "trackLinkUrl", "contacts")
_KNOWN: Final = frozenset(CAMPAIGN_NAMES)
_KNOWN_OF_CONTACT: Final = frozenset(CONTACT_NAMES)
_INT64: Final = msgspec.Meta(ge=-(2**63), le=2**63 - 1)
_LONGEST_KEY: Final = 200
_NOT_IN_KEY: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_GROUP: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_LINK: Final = re.compile(r"https?://\S", re.IGNORECASE)
_START: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ](?:[01]\d|2[0-3]):\d\d(?::\d\d(?:\.\d{1,7})?)?(Z|z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)?", re.ASCII
)


class Fault(NamedTuple):
    """Why one field of a campaign cannot be sent."""

    name: str
    """The field's name on the wire; empty for the campaign, or the contact, as a whole."""
    reason: str
    contact: int | None = None
    """The index of the contact, from 0."""
    hint: str | None = None
    """What to do about it, where `reason` does not say it."""

    @property
    def path(self) -> str:
        """The place in JSON, such as `contacts[3].phoneNumber`."""
        return _path(self.name, self.contact)

    @property
    def parameter(self) -> str:
        """The place in the model, such as `contacts[3].phone_number`."""
        return _path(snake(self.name), self.contact)

    @property
    def text(self) -> str:
        """The reason, and what to do."""
        return f"{self.reason}: {self.hint}" if self.hint else self.reason


Faults: TypeAlias = tuple[Fault, ...]


def _path(name: str, contact: int | None) -> str:
    if contact is None:
        return name
    return f"contacts[{contact}].{name}" if name else f"contacts[{contact}]"


# The rules of a field


def check_text(value: object, *, required: bool = True, allow_blank: bool = False) -> str | None:
    """Return why a value cannot be sent as a text."""
    if value is None:
        return MISSING if required else None
    if not isinstance(value, str):
        return f"must be text, in quotes, not {_kind(value)}"
    if not is_utf8(value):
        return LONE_SURROGATE
    return None if allow_blank or value.strip() else BLANK


def check_phone_number(value: object, *, allow_blank: bool = False) -> str | None:
    """Return why a value cannot be sent as a phone number."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return NOT_A_PHONE_NUMBER
    return check_text(value, allow_blank=allow_blank)


def check_link_id(value: object) -> str | None:
    """Return why a value cannot be sent as the id of an opt-out link."""
    if value is None or (is_int(value) and -(2**63) <= value < 2**63):
        return None
    return NOT_AN_INT


def check_link(value: object) -> str | None:
    """Return why a value cannot be sent as a link to track."""
    if value is None:
        return None
    if not isinstance(value, str) or not _LINK.match(value):
        return NOT_A_LINK
    return None if is_utf8(value) else LONE_SURROGATE


def check_braces(message: object) -> str | None:
    """Return why a message with braces should not be sent: they look like placeholders."""
    return BRACES if isinstance(message, str) and ("{" in message or "}" in message) else None


def check_key(value: object) -> str | None:
    """Return why a value cannot be the key of a plan's line."""
    if value is None:
        return "is missing: each campaign needs one of its own, which stays the same in every run"
    if not isinstance(value, str):
        return check_text(value)
    if not value.strip():
        return BLANK
    if len(value) > _LONGEST_KEY:
        return f"must have at most {_LONGEST_KEY} characters, not {len(value)}"
    return "must hold no control characters, such as line breaks and tabs" if _NOT_IN_KEY.search(value) else None


def check_start(value: object) -> Fault | None:
    """Return why a value of the model cannot be sent as the start of a campaign."""
    reason = find_date_fault(value)
    if reason is None:
        return None
    return Fault("startDateTime", reason, hint=ADD_ZONE if reason == NO_ZONE else None)


def parse_start(value: object) -> datetime | Fault:
    """Return the start that a text of JSON names, in UTC and cut to milliseconds, or why it names none.

    Read are `2031-06-27T09:30`, with or without seconds and up to seven digits of their fraction, and a zone:
    `Z`, `+01:00` or `+0100`. A blank may stand for the `T`.
    """
    if value is None:
        return Fault("startDateTime", MISSING)
    return _parse_start(value) if isinstance(value, str) else Fault("startDateTime", NOT_A_START)


@lru_cache(maxsize=256)  # most plans hold few start times
def _parse_start(text: str) -> datetime | Fault:
    shape = _START.fullmatch(text)
    if shape is None:
        return Fault("startDateTime", NOT_A_START)
    if shape[1] is None:
        return Fault("startDateTime", NO_ZONE, hint=ADD_ZONE_TO_TEXT)
    try:
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)  # cuts a seventh digit
    except OverflowError:
        return Fault("startDateTime", OUT_OF_RANGE)
    except ValueError:  # such as 31 April
        return Fault("startDateTime", NOT_A_START)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@lru_cache(maxsize=256)  # campaigns of a job often begin together, and to format costs as much as the rest
def format_start(moment: datetime) -> str:
    """Return a moment in UTC as the API wants it: milliseconds, cut, and `Z`."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def describe_unknown(names: Mapping[str, object], known: Sequence[str]) -> str:
    """Return what is wrong with an object that has a name the API does not know, without telling the name."""
    by_letters = {_letters(name): name for name in known}
    meant = sorted({by_letters[_letters(name)] for name in names if name not in known and _letters(name) in by_letters})
    reason = f"has a name that is none of {', '.join(known)}"
    return f"{reason}; {meant[0]} must be written exactly so" if meant else reason


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _kind(value: object) -> str:
    return type(value).__name__


# Models


def find_faults(value: NewCampaign | CampaignUpdate, *, complete: bool = False, allow_braces: bool = True) -> Faults:
    """Return all reasons why a model cannot be sent.

    Args:
        value: A campaign to create, or an update.
        complete: Refuse as well what can be sent, but is no campaign to anyone: blank texts, no contacts, links
            that are none.
        allow_braces: Accept a message with { or }.
    """
    return tuple(_faults_of_model(value, complete=complete, allow_braces=allow_braces))


def _faults_of_model(value: NewCampaign | CampaignUpdate, *, complete: bool, allow_braces: bool) -> Iterator[Fault]:
    if (start := check_start(value.start_date_time)) is not None:
        yield start
    link = value.track_link_url
    yield from _name_reasons(
        sender=check_text(value.sender, allow_blank=not complete),
        message=check_text(value.message, allow_blank=not complete)
        or (None if allow_braces else check_braces(value.message)),
        optOutLinkId=check_link_id(value.opt_out_link_id),
        trackLinkUrl=check_link(link) if complete else check_text(link, required=False, allow_blank=True),
    )
    if isinstance(value, NewCampaign):
        contacts = cast("tuple[object, ...]", value.contacts)
        for index, contact in enumerate(contacts):
            if isinstance(contact, NewContact):
                for fault in _faults_of_contact(contact, complete=complete):
                    yield fault._replace(contact=index)
            else:
                yield Fault("", f"must be a NewContact, not {_kind(contact)}", index)
        if complete and not contacts:
            yield Fault("contacts", NO_CONTACTS)


def _faults_of_contact(contact: NewContact, *, complete: bool) -> Iterator[Fault]:
    group: object = contact.contact_group_id
    return _name_reasons(
        phoneNumber=check_phone_number(contact.phone_number, allow_blank=not complete),
        name=check_text(contact.name, required=False, allow_blank=True),
        custom1=check_text(contact.custom1, required=False, allow_blank=True),
        custom2=check_text(contact.custom2, required=False, allow_blank=True),
        contactGroupId=None if group is None or isinstance(group, UUID) else f"must be a uuid.UUID, not {_kind(group)}",
    )


def _name_reasons(**reasons: str | None) -> Iterator[Fault]:
    return (Fault(name, reason) for name, reason in reasons.items() if reason is not None)


# JSON


class ContactBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A contact of a plan's line, as it is sent."""

    phone_number: str
    name: str | None = None
    custom1: str | None = None
    custom2: str | None = None
    contact_group_id: str | None = None


class CampaignBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """A campaign of a plan's line, as it is sent."""

    start_date_time: str
    sender: str
    message: str
    contacts: Annotated[list[ContactBody], msgspec.Meta(min_length=1)]
    opt_out_link_id: Annotated[int, _INT64] | None = None
    track_link_url: str | None = None

    def encode(self) -> bytes:
        """Return the body of the request that creates the campaign."""
        return _encode(self)


class _LineBody(CampaignBody, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    key: str = ""


class PlanCampaign(NamedTuple):
    """A campaign of a plan's line, with nothing wrong in it."""

    key: str
    body: CampaignBody


_encode: Final = msgspec.json.Encoder().encode
_decode_line: Final = msgspec.json.Decoder(_LineBody).decode


def parse_campaign(line: bytes, *, allow_braces: bool = False) -> PlanCampaign | Faults:
    """Return the campaign that a plan's line holds, or all that is wrong with the line.

    Args:
        line: A JSON object with the wire's names, and a `key`.
        allow_braces: Accept a message with { or }.
    """
    try:
        body = _decode_line(line)
    except Exception:  # nothing of it may be told: it could quote a value
        return explain_line(line, allow_braces=allow_braces)
    start = parse_start(body.start_date_time)
    if (
        isinstance(start, Fault)
        or check_key(body.key) is not None
        or not body.sender.strip()
        or not body.message.strip()
        or (not allow_braces and ("{" in body.message or "}" in body.message))
        or (body.track_link_url is not None and not _LINK.match(body.track_link_url))
    ):
        return explain_line(line, allow_braces=allow_braces)
    for contact in body.contacts:
        if not contact.phone_number.strip():
            return explain_line(line, allow_braces=allow_braces)
        if contact.contact_group_id is not None:
            if not _GROUP.fullmatch(contact.contact_group_id):
                return explain_line(line, allow_braces=allow_braces)
            contact.contact_group_id = contact.contact_group_id.lower()
    body.start_date_time = format_start(start)
    key, body.key = body.key, ""  # as its default, it is not part of what is sent
    return PlanCampaign(key, body)


def explain_line(line: bytes, *, allow_braces: bool = False) -> Faults:
    """Return all that is wrong with a plan's line that was refused."""
    try:
        value: object = msgspec.json.decode(line)
    except Exception:  # as above
        return (Fault("", _describe_bad_json(line)),)
    if not isinstance(value, dict):
        kind = "an array" if isinstance(value, list) else "a single value"
        return (Fault("", f"is {kind}, and no JSON object: a campaign stands in braces, with its names"),)
    given = cast("dict[str, object]", value)
    key = check_key(given.get("key"))
    faults = find_faults_in_json(given, allow_braces=allow_braces)
    if key is not None:
        return (Fault("key", key), *faults)
    return faults or (Fault("", UNREADABLE),)  # the two readers disagree


def find_faults_in_json(given: Mapping[str, object], *, allow_braces: bool = False) -> Faults:
    """Return all reasons why a campaign in JSON cannot be sent.

    Args:
        given: The campaign by the wire's names. A key is ignored.
        allow_braces: Accept a message with { or }.
    """
    return tuple(_faults_in_json(given, allow_braces=allow_braces))


def _faults_in_json(given: Mapping[str, object], *, allow_braces: bool) -> Iterator[Fault]:
    if not given.keys() <= _KNOWN:
        yield Fault("", describe_unknown(given, CAMPAIGN_NAMES))
    if isinstance(start := parse_start(given.get("startDateTime")), Fault):
        yield start
    for name, check in _CHECKS.items():
        if (reason := check(given.get(name))) is not None:
            yield Fault(name, reason)
    if not allow_braces and (reason := check_braces(given.get("message"))) is not None:
        yield Fault("message", reason)
    contacts = given.get("contacts")
    if not isinstance(contacts, list) or not contacts:
        yield Fault("contacts", MISSING if contacts is None else NOT_CONTACTS)
        return
    for index, contact in enumerate(cast("list[object]", contacts)):
        yield from find_faults_in_contact(contact, index)


def find_faults_in_contact(given: object, index: int) -> Iterator[Fault]:
    """Yield all reasons why a contact in JSON cannot be sent."""
    if not isinstance(given, dict):
        yield Fault("", NOT_AN_OBJECT, index)
        return
    contact = cast("dict[str, object]", given)
    if not contact.keys() <= _KNOWN_OF_CONTACT:
        yield Fault("", describe_unknown(contact, CONTACT_NAMES), index)
    for name, check in _CHECKS_OF_CONTACT.items():
        if (reason := check(contact.get(name))) is not None:
            yield Fault(name, reason, index)


def _check_free_text(value: object) -> str | None:
    return check_text(value, required=False, allow_blank=True)


def _check_group(value: object) -> str | None:
    reason = _check_free_text(value)
    return reason or (NOT_A_GROUP if isinstance(value, str) and not _GROUP.fullmatch(value) else None)


_CHECKS: Final[dict[str, Callable[[object], str | None]]] = {
    "sender": check_text,
    "message": check_text,
    "optOutLinkId": check_link_id,
    "trackLinkUrl": check_link,
}
_CHECKS_OF_CONTACT: Final[dict[str, Callable[[object], str | None]]] = {
    "phoneNumber": check_phone_number,
    "name": _check_free_text,
    "custom1": _check_free_text,
    "custom2": _check_free_text,
    "contactGroupId": _check_group,
}


def _describe_bad_json(line: bytes) -> str:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        return f"is not in UTF-8 from its byte {error.start + 1} on: save the file as UTF-8"
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        at = error.pos
    except RecursionError:
        return "is nested too deeply for a campaign"
    except ValueError:
        return "holds NaN or Infinity, which is no JSON"
    else:
        return LONE_SURROGATE
    if text[at:].strip() in {",", "]", "],"}:
        return "has a comma or a bracket behind its object: the plan is no array, but one object a line"
    if at >= len(text.rstrip("\r")):
        return "ends before its JSON does: a campaign stands on one line, closed by a brace"
    return f"is no JSON from its character {at + 1} on: each line takes one JSON object"


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError
