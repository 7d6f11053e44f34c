"""Campaigns in JSON: the bodies that are sent, and the lines of plans.

`parse_campaign` reads a line at the speed of its decoder. A line that it refuses is read again by `explain_line`, which
finds all faults. No reason quotes a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Final, NamedTuple, NoReturn, TypeAlias, cast

import msgspec

from campaigns_async._checks import LONE_SURROGATE, NO_ZONE, OUT_OF_RANGE
from campaigns_async._field_rules import (
    BLANK,
    MISSING,
    check_braces,
    check_link,
    check_link_id,
    check_optional_text,
    check_phone_number,
    check_text,
    format_start,
)

CONTACT_NAMES: Final = ("phoneNumber", "name", "custom1", "custom2", "contactGroupId")
CAMPAIGN_NAMES: Final = ("key", "startDateTime", "sender", "message", "optOutLinkId", "trackLinkUrl", "contacts")
_KNOWN: Final = frozenset(CAMPAIGN_NAMES)
_KNOWN_OF_CONTACT: Final = frozenset(CONTACT_NAMES)
_NOT_A_START: Final = "must be a date and time with a zone, such as 2031-06-27T09:30:00.000Z"
_NO_ZONE_IN_TEXT: Final = f"{NO_ZONE}: end it with Z or an offset such as +01:00"
_NOT_A_GROUP: Final = "must be a UUID, such as 3fa85f64-5717-4562-b3fc-2c963f66afa6"
_NOT_CONTACTS: Final = "must be an array of at least one contact"
_NOT_AN_OBJECT: Final = "must be a JSON object"
_UNREADABLE: Final = "cannot be read"
_INT64: Final = msgspec.Meta(ge=-(2**63), le=2**63 - 1)
_LONGEST_KEY: Final = 200
_NOT_IN_KEY: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_GROUP: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_START: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ](?:[01]\d|2[0-3]):\d\d(?::\d\d(?:\.\d{1,7})?)?(Z|z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)?", re.ASCII
)


class Fault(NamedTuple):
    """A reason why a campaign cannot be sent."""

    name: str  # the field's name on the wire; empty for the campaign, or the contact, as a whole
    reason: str  # why the field cannot be sent, and what to do
    contact: int | None = None  # the index of the contact, from 0; None for a field of the campaign

    @property
    def path(self) -> str:
        """The place in JSON, such as `contacts[3].phoneNumber`."""
        if self.contact is None:
            return self.name
        return f"contacts[{self.contact}].{self.name}" if self.name else f"contacts[{self.contact}]"


Faults: TypeAlias = tuple[Fault, ...]


def check_key(value: object) -> str | None:
    """Return why a value cannot be the key of a plan's line."""
    if value is None:
        return "is missing: each campaign needs its own key, which stays the same in every run"
    if not isinstance(value, str):
        return check_text(value)
    if not value.strip():
        return BLANK
    if len(value) > _LONGEST_KEY:
        return f"must have at most {_LONGEST_KEY} characters, not {len(value)}"
    return "must not contain control characters, such as line breaks and tabs" if _NOT_IN_KEY.search(value) else None


def parse_start(value: object) -> datetime | Fault:
    """Return the start that a text of JSON names, in UTC and cut to milliseconds, or the fault of the text.

    Texts such as `2031-06-27T09:30` are read, with or without seconds and up to seven digits of their fraction, with a
    zone: `Z`, `+01:00` or `+0100`. A blank may replace the `T`.
    """
    if value is None:
        return Fault("startDateTime", MISSING)
    return _parse_start(value) if isinstance(value, str) else Fault("startDateTime", _NOT_A_START)


@lru_cache(maxsize=256)  # most plans hold few start times
def _parse_start(text: str) -> datetime | Fault:
    shape = _START.fullmatch(text)
    if shape is None:
        return Fault("startDateTime", _NOT_A_START)
    if shape[1] is None:
        return Fault("startDateTime", _NO_ZONE_IN_TEXT)
    try:
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)  # cuts a seventh digit
    except OverflowError:
        return Fault("startDateTime", OUT_OF_RANGE)
    except ValueError:  # such as 31 April
        return Fault("startDateTime", _NOT_A_START)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def describe_unknown(names: Mapping[str, object], known: Sequence[str]) -> str:
    """Describe an object with a name that the API does not know, without quoting the name."""
    by_letters = {fold_name(name): name for name in known}
    meant = sorted(
        {by_letters[fold_name(name)] for name in names if name not in known and fold_name(name) in by_letters}
    )
    reason = f"has a name other than {', '.join(known)}"
    return f"{reason}; {meant[0]} must be spelled exactly like this" if meant else reason


def fold_name(name: str) -> str:
    """Return the letters and digits of a name in lower case."""
    return re.sub(r"[\W_]", "", name).lower()


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
    """A valid campaign of a plan's line."""

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
    except Exception:  # its text is dropped: it could quote a value
        return explain_line(line, allow_braces=allow_braces)
    start = parse_start(body.start_date_time)
    if (
        isinstance(start, Fault)
        or check_key(body.key) is not None
        or not body.sender.strip()
        or not body.message.strip()
        or (not allow_braces and check_braces(body.message) is not None)
        or check_link(body.track_link_url) is not None
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
        return (Fault("", f"is {kind}, not a JSON object: write each campaign as an object, in braces"),)
    given = cast("dict[str, object]", value)
    key = check_key(given.get("key"))
    faults = tuple(find_faults_in_json(given, allow_braces=allow_braces))
    if key is not None:
        return (Fault("key", key), *faults)
    return faults or (Fault("", _UNREADABLE),)  # the two readers disagree


def find_faults_in_json(given: Mapping[str, object], *, allow_braces: bool = False) -> Iterator[Fault]:
    """Yield all reasons why a campaign in JSON, by the wire's names, cannot be sent. A key is ignored."""
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
        yield Fault("contacts", MISSING if contacts is None else _NOT_CONTACTS)
        return
    for index, contact in enumerate(cast("list[object]", contacts)):
        yield from find_faults_in_contact(contact, index)


def find_faults_in_contact(given: object, index: int) -> Iterator[Fault]:
    """Yield all reasons why a contact in JSON cannot be sent."""
    if not isinstance(given, dict):
        yield Fault("", _NOT_AN_OBJECT, index)
        return
    contact = cast("dict[str, object]", given)
    if not contact.keys() <= _KNOWN_OF_CONTACT:
        yield Fault("", describe_unknown(contact, CONTACT_NAMES), index)
    for name, check in _CHECKS_OF_CONTACT.items():
        if (reason := check(contact.get(name))) is not None:
            yield Fault(name, reason, index)


def _check_group(value: object) -> str | None:
    reason = check_optional_text(value)
    return reason or (_NOT_A_GROUP if isinstance(value, str) and not _GROUP.fullmatch(value) else None)


_CHECKS: Final[dict[str, Callable[[object], str | None]]] = {
    "sender": check_text,
    "message": check_text,
    "optOutLinkId": check_link_id,
    "trackLinkUrl": check_link,
}
_CHECKS_OF_CONTACT: Final[dict[str, Callable[[object], str | None]]] = {
    "phoneNumber": check_phone_number,
    "name": check_optional_text,
    "custom1": check_optional_text,
    "custom2": check_optional_text,
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
        return "contains NaN or Infinity, which JSON does not have"
    else:
        return LONE_SURROGATE
    if text[at:].strip() in {",", "]", "],"}:
        return "has a comma or a bracket after its object: a plan is not an array, but one object per line"
    if at >= len(text.rstrip("\r")):
        return "ends before its JSON does: write each campaign on one line, up to its closing brace"
    return f"is not JSON from its character {at + 1} on: write one JSON object per line"


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError
