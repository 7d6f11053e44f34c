"""Reads a plan: NDJSON, one campaign a line, with the wire's names and a `key` of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final, NoReturn, TypeVar, cast

import orjson
from attrs import field, frozen

from campaigns_async.cli._demo_content import Content, content_of_new, digits
from campaigns_async.models import NewCampaign, NewContact

V = TypeVar("V")

SHIPPED: Final = Path(__file__).with_name("demo_plan.ndjson")

_CAMPAIGN: Final = frozenset({"key", "startDateTime", "sender", "message", "optOutLinkId", "trackLinkUrl", "contacts"})
_CONTACT: Final = frozenset({"phoneNumber", "name", "custom1", "custom2"})
_NUMBER: Final = re.compile(r"[0-9]{8,15}")
_START: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:\d\d)", re.ASCII)


@frozen
class PlanRow:
    """A campaign of the plan."""

    line: int
    """From 1."""
    key: str = field(repr=False)
    campaign: NewCampaign
    content: Content = field(repr=False)
    """What tells it from every other row."""


@frozen
class BadLine:
    """What is wrong with a line. Quotes nothing of it."""

    number: int
    """From 1."""
    field: str
    """Where in the line: `contacts[3].phoneNumber`; empty: the line as a whole."""
    reason: str

    def __str__(self) -> str:
        return f"line {self.number}: {self.field + ': ' if self.field else ''}{self.reason}"


class PlanError(Exception):
    """A plan that cannot be used; says which lines are wrong, all of them."""

    def __init__(self, lines: tuple[BadLine, ...]) -> None:
        super().__init__(f"{len(lines)} bad lines")
        self.lines = lines


class _Bad(Exception):
    def __init__(self, where: str, reason: str) -> None:
        super().__init__(where, reason)
        self.where = where
        self.reason = reason


def read_plan(path: Path) -> tuple[PlanRow, ...]:
    """Read and check a plan file.

    Raises:
        PlanError: Lines are wrong, or there are none.
        OSError: The file cannot be read.
    """
    return parse_plan(path.read_bytes())


def parse_plan(content: bytes) -> tuple[PlanRow, ...]:
    """Read and check a plan. Blank lines are passed over.

    Raises:
        PlanError: Lines are wrong, or there are none.
    """
    rows: list[PlanRow] = []
    bad: list[BadLine] = []
    keys: dict[str, int] = {}
    contents: dict[Content, int] = {}
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = _row(number, line)
            if (first := keys.setdefault(row.key, number)) != number:
                _fail("key", f"stands in line {first} too; each needs one of its own")
            if (first := contents.setdefault(row.content, number)) != number:
                _fail("", f"is the same campaign as line {first}: on the server nobody could tell them apart")
        except _Bad as error:
            bad.append(BadLine(number, error.where, error.reason))
        else:
            rows.append(row)
    if not rows and not bad:
        bad.append(BadLine(1, "", "the plan is empty; it takes one JSON object a line"))
    if bad:
        raise PlanError(tuple(bad))
    return tuple(rows)


def _row(number: int, line: bytes) -> PlanRow:
    try:
        given: object = orjson.loads(line)
    except orjson.JSONDecodeError:
        _fail("", "is no JSON in UTF-8")
    fields = _object("", given, _CAMPAIGN)
    key = _text(fields, "key")
    people = _required(fields, "contacts")
    if not isinstance(people, list) or not people:
        _fail("contacts", "must be an array with at least one contact")
    campaign = NewCampaign(
        start_date_time=_start(fields),
        sender=_text(fields, "sender"),
        message=_text(fields, "message"),
        contacts=_contacts(cast("list[object]", people)),
        opt_out_link_id=_optional(fields, "optOutLinkId", _whole),
        track_link_url=_optional(fields, "trackLinkUrl", _link),
    )
    return PlanRow(number, key, campaign, content_of_new(campaign))


def _contacts(people: list[object]) -> tuple[NewContact, ...]:
    contacts: list[NewContact] = []
    first: dict[str, int] = {}
    for index, given in enumerate(people):
        where = f"contacts[{index}]"
        fields = _object(where, given, _CONTACT)
        number = _text(fields, "phoneNumber", where)
        if not _NUMBER.fullmatch(digits(number)):
            _fail(f"{where}.phoneNumber", "is no phone number, such as 07700900123 or +447700900123")
        if (earlier := first.setdefault(digits(number), index)) != index:
            _fail(f"{where}.phoneNumber", f"is that of contacts[{earlier}] too: they would be texted twice")
        name, custom1, custom2 = (
            _optional(fields, field, _any_text, where) for field in ("name", "custom1", "custom2")
        )
        contacts.append(NewContact(phone_number=number, name=name, custom1=custom1, custom2=custom2))
    return tuple(contacts)


def _object(where: str, given: object, known: Collection[str]) -> Mapping[str, object]:
    if not isinstance(given, dict):
        _fail(where, "must be a JSON object")
    fields = cast("dict[str, object]", given)
    if fields.keys() - known:
        _fail(where, f"has a field that is none of {', '.join(sorted(known))}")
    return fields


def _start(fields: Mapping[str, object]) -> datetime:
    text = _text(fields, "startDateTime")
    if _START.fullmatch(text):
        with suppress(ValueError):  # 31 April
            return datetime.fromisoformat(text)
    raise _Bad("startDateTime", "must be a date and time with a zone, such as 2031-06-27T09:30:00.000Z")


def _text(fields: Mapping[str, object], name: str, where: str = "") -> str:
    value = _required(fields, name, where)
    if not isinstance(value, str) or not value.strip():
        _fail(_at(where, name), "must be text, and not blank")
    return value


def _required(fields: Mapping[str, object], name: str, where: str = "") -> object:
    value = fields.get(name)
    if value is None:
        _fail(_at(where, name), "is missing")
    return value


def _optional(fields: Mapping[str, object], name: str, read: Callable[[str, object], V], where: str = "") -> V | None:
    value = fields.get(name)
    return None if value is None else read(_at(where, name), value)


def _any_text(where: str, value: object) -> str:
    if not isinstance(value, str):
        _fail(where, "must be text")
    return value


def _whole(where: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        _fail(where, "must be a whole number")
    return value


def _link(where: str, value: object) -> str:
    if not isinstance(value, str) or not value.startswith(("https://", "http://")):
        _fail(where, "must be a link that begins with https://")
    return value


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _fail(where: str, reason: str) -> NoReturn:
    raise _Bad(where, reason)
