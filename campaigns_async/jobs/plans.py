"""Plans: the campaigns of a job, each with a key, from an NDJSON file or from memory.

`campaigns_async.jobs.contacts_csv` has the third kind of plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, cast, runtime_checkable
from uuid import UUID

import msgspec
from attrs import define, field, frozen

from campaigns_async._checks import check_int
from campaigns_async._field_rules import check_braces
from campaigns_async._http.campaign_rules import CampaignBody, PlanCampaign, check_key, parse_campaign, parse_start
from campaigns_async._http.codec import to_body
from campaigns_async._phone_numbers import GB, localize, read_numbers
from campaigns_async.errors import InvalidArgumentError
from campaigns_async.jobs._plan_files import LONGEST_LINE, describe, open_plan, read_head, read_lines
from campaigns_async.jobs._plan_rules import (
    Duplicates,
    InvalidNumbers,
    LeftOut,
    PlanRules,
    describe_duplicate,
    find_duplicates,
)
from campaigns_async.jobs.job_errors import BadLine, BadLineError, PlanError
from campaigns_async.models import NewCampaign, NewContact

_decode: Final = msgspec.json.Decoder(CampaignBody).decode


@frozen
class PlanRow:
    """A campaign of a plan, validated and encoded.

    Attributes:
        key: The user's key; in a positional plan, the campaign's position, from 1.
        body: The request body, sent byte for byte.
        start: The start time.
        sender: The sender ID.
        message: The text.
        numbers: The phone numbers in the body.
        dropped: The phone numbers of contacts that were dropped as duplicates.
        has_link: True if the server puts a link into the text.
        faults: Faults of phone numbers. A row that the journal has already is sent in spite of them. The contacts of
            `LeftOut` are not in the body.
    """

    key: str = field(repr=False)
    body: bytes = field(repr=False)
    start: datetime
    sender: str = field(repr=False)
    message: str = field(repr=False)
    numbers: Sequence[str] = field(repr=False)
    dropped: Sequence[str] = field(repr=False)
    has_link: bool
    faults: Sequence[BadLine] = ()


class Line(Protocol):
    """A line of a plan. It is cheap to make; `read` parses and validates it."""

    @property
    def number(self) -> int:
        """The line number in the file, from 1; in a CSV, the line of the campaign's first contact."""
        ...

    @property
    def digest(self) -> int | None:
        """A digest of the line and the plan's rules; None if computing it would cost as much as `read`.

        Lines with equal digests have equal request bodies.
        """
        ...

    @property
    def size(self) -> int:
        """The approximate size of the line in memory, in bytes."""
        ...

    def read(self) -> PlanRow:
        """Return the campaign, with the faults of its phone numbers.

        Raises:
            BadLineError: If the line cannot be sent. It has all other faults of the line.
        """
        ...

    def locate(self, contact: int, /) -> tuple[int, str]:
        """Return the line of a contact in the file, and the prefix of its fields, such as `contacts[3].`.

        Args:
            contact: The index of the contact in the request body, from 0.
        """
        ...


@runtime_checkable
class Plan(Protocol):
    """Campaigns to send, in a fixed order."""

    @property
    def is_positional(self) -> bool:
        """True if the keys are positions. Then a plan with other options is a different plan."""
        ...

    @property
    def has_content_digest(self) -> bool:
        """True if `options()` includes a digest of the content, so that equal options mean equal lines."""
        ...

    def options(self) -> Mapping[str, str]:
        """Return the options that must be equal in every run of a journal. Texts are replaced by digests.

        Raises:
            PlanError: If the file cannot be read.
        """
        ...

    def lines(self) -> Iterator[Line | BadLine]:
        """Yield the lines one by one. Each call starts at the first line.

        Raises:
            PlanError: If the file cannot be read, or contains no campaign.
        """
        ...


AnyPlan: TypeAlias = (
    str | Path | Plan | Sequence[tuple[str, NewCampaign]] | Sequence[NewCampaign] | Mapping[str, NewCampaign]
)
"""The plans that `send` takes."""


def digest(content: bytes, *, person: bytes = b"") -> int:
    """Return a signed 64-bit digest."""
    return int.from_bytes(blake2b(content, digest_size=8, person=person).digest(), "big", signed=True)


def decode_campaign(body: bytes) -> NewCampaign:
    """Return the campaign in the request body of a plan's row."""
    decoded = _decode(body)
    return NewCampaign(
        datetime.fromisoformat(decoded.start_date_time),
        decoded.sender,
        decoded.message,
        [
            NewContact(
                contact.phone_number,
                contact.name,
                contact.custom1,
                contact.custom2,
                None if contact.contact_group_id is None else UUID(contact.contact_group_id),
            )
            for contact in decoded.contacts
        ],
        decoded.opt_out_link_id,
        decoded.track_link_url,
    )


@define(eq=False, repr=False)
class _Line:
    """The base of lines that contain a whole campaign."""

    number: int
    digest: int | None
    size: int
    _rules: PlanRules
    _kept: Sequence[int] | None = field(init=False, default=None)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.number}>"

    def locate(self, contact: int) -> tuple[int, str]:
        return self.number, f"contacts[{contact if self._kept is None else self._kept[contact]}]."

    def _to_row(self, key: str, body: CampaignBody) -> PlanRow:
        """Return the row of a validated campaign, without the contacts that are dropped or left out."""
        rules, numbers = self._rules, [contact.phone_number for contact in body.contacts]
        texts = numbers
        if rules.default_region != GB:
            numbers = [localize(text, rules.default_region) for text in texts]
            for contact, number in zip(body.contacts, numbers, strict=True):
                contact.phone_number = number
        canonical = read_numbers(numbers)
        later = {} if rules.duplicates == "keep" else find_duplicates(canonical)
        faults: list[BadLine] = []
        dropped: Sequence[str] = ()
        if later or "" in canonical:
            kept: list[int] = []
            for index, text in enumerate(texts):
                name = f"contacts[{index}].phoneNumber"
                fault = None
                if not canonical[index]:
                    fault = rules.to_fault(self.number, name, text)
                elif index in later and rules.duplicates == "refuse":
                    fault = BadLine(self.number, name, describe_duplicate(f"contacts[{later[index]}]"))
                if fault is not None:
                    faults.append(fault)
                if not isinstance(fault, LeftOut) and (fault is not None or index not in later):
                    kept.append(index)
            self._kept = kept
            dropped = [numbers[index] for index in later] if rules.duplicates == "drop" else ()
            numbers = [numbers[index] for index in kept]
            body.contacts = [body.contacts[index] for index in kept]
        start = parse_start(body.start_date_time)
        assert isinstance(start, datetime)
        return PlanRow(key, body.encode(), start, body.sender, body.message, numbers, dropped, has_link(body), faults)


def has_link(body: CampaignBody) -> bool:
    """Return True if the server puts a link into the text."""
    return body.opt_out_link_id is not None or body.track_link_url is not None


@define(eq=False, repr=False)
class _NdjsonLine(_Line):
    _raw: bytes

    def read(self) -> PlanRow:
        outcome = parse_campaign(self._raw, allow_braces=self._rules.allow_braces)
        if not isinstance(outcome, PlanCampaign):
            raise BadLineError(*(BadLine(self.number, fault.path, fault.reason) for fault in outcome))
        return self._to_row(outcome.key, outcome.body)


@frozen
class _NdjsonPlan:
    path: Path
    rules: PlanRules
    longest: int
    is_positional: bool = False
    has_content_digest: bool = False

    def __attrs_post_init__(self) -> None:
        check_int("max_line", self.longest, ge=1)
        self._check_head()

    def _check_head(self) -> None:
        fault = _find_head_fault(read_head(self.path), is_csv=self.path.suffix.lower() == ".csv")
        if fault is not None:
            raise PlanError(f"{describe(self.path)} {fault}")

    def options(self) -> Mapping[str, str]:
        return {"plan": "keys"}

    def lines(self) -> Iterator[Line | BadLine]:
        self._check_head()
        empty, rules, person = True, self.rules, self.rules.digest_person
        with open_plan(self.path) as file:
            for number, raw in read_lines(file, self.longest):
                if raw is None:
                    empty = False
                    yield BadLine(number, "", f"is longer than {self.longest:,} bytes: split the campaign into several")
                elif raw and not raw.isspace():
                    empty = False
                    known_by = None if rules.leaves_out else digest(raw, person=person)
                    yield _NdjsonLine(number, known_by, len(raw), rules, raw)
        if empty:
            raise PlanError(f"{describe(self.path)} has no campaign: write one JSON object per line")


def _find_head_fault(head: bytes, *, is_csv: bool) -> str | None:
    first = head.split(b"\n", 1)[0].rstrip()
    if head.startswith(b"["):
        return "is a JSON array: write one object per line, as jq -c '.[]' does"
    if first == b"{":
        return "has an object over several lines: write one object per line, as jq -c does"
    if not first.startswith(b"{") and (b"phoneNumber" in first or is_csv):
        return "is a CSV of contacts: pass it to contacts_plan (--contacts), with a message"
    return None


def ndjson_plan(
    path: str | Path,
    *,
    duplicates: Duplicates = "refuse",
    allow_braces: bool = False,
    max_line: int = LONGEST_LINE,
    default_region: str = GB,
    invalid_numbers: InvalidNumbers = "refuse",
) -> Plan:
    """Make a plan from an NDJSON file: one campaign per line, with the API's field names and a `key` that you choose.

    Only the beginning of the file is read here.

    Args:
        path: The path of a file in UTF-8. Blank lines are skipped.
        duplicates: With "refuse", a campaign that has a number twice is a fault. With "keep", all its contacts are
            sent. With "drop", only the first contact of each number is sent.
        allow_braces: True to accept messages that contain { or }. They are sent unchanged.
        max_line: The longest line, in bytes, from 1.
        default_region: The country of numbers without a country code, such as "GB".
        invalid_numbers: With "refuse", a number that cannot be read is a fault. With "report", its contact is left out.

    Raises:
        PlanError: If the file cannot be read, or does not begin as NDJSON.
        ConfigurationError: If an option is out of range.
    """
    rules = PlanRules(duplicates, allow_braces, default_region, invalid_numbers)
    return _NdjsonPlan(Path(path), rules, max_line)


@define(eq=False, repr=False)
class _MemoryLine(_Line):
    _key: str
    _campaign: NewCampaign

    def read(self) -> PlanRow:
        if not self._rules.allow_braces and (reason := check_braces(self._campaign.message)) is not None:
            raise BadLineError(BadLine(self.number, "message", reason))
        return self._to_row(self._key, to_body(self._campaign))


@frozen
class _MemoryPlan:
    rows: tuple[tuple[object, NewCampaign], ...] = field(repr=lambda rows: f"<{len(rows)}>")
    rules: PlanRules
    is_positional: bool
    has_content_digest: bool = False

    def options(self) -> Mapping[str, str]:
        return {"plan": "positions" if self.is_positional else "keys"}

    def lines(self) -> Iterator[Line | BadLine]:
        for number, (key, campaign) in enumerate(self.rows, 1):
            reason = check_key(key)
            if reason is None and isinstance(key, str):
                yield _MemoryLine(number, None, 0, self.rules, key, campaign)
            else:
                yield BadLine(number, "key", reason or "")


def rows_plan(
    rows: Sequence[tuple[str, NewCampaign]] | Sequence[NewCampaign] | Mapping[str, NewCampaign],
    *,
    duplicates: Duplicates = "refuse",
    allow_braces: bool = False,
    default_region: str = GB,
    invalid_numbers: InvalidNumbers = "refuse",
) -> Plan:
    """Make a plan from campaigns in memory. In its errors, `line 3` is the third campaign.

    Args:
        rows: Pairs of keys and campaigns, or a mapping; or campaigns alone, whose keys are their positions, from 1.
        duplicates: As in `ndjson_plan`.
        allow_braces: As in `ndjson_plan`.
        default_region: As in `ndjson_plan`.
        invalid_numbers: As in `ndjson_plan`.

    Raises:
        InvalidArgumentError: If `rows` contains anything else, or can be iterated only once.
        PlanError: If `rows` is empty.
        ConfigurationError: If an option is out of range.
    """
    rules = PlanRules(duplicates, allow_braces, default_region, invalid_numbers)
    if isinstance(rows, Mapping):
        items: list[Any] = list(cast("Mapping[Any, Any]", rows).items())
    elif isinstance(rows, Sequence) and not isinstance(rows, (str, bytes, bytearray)):
        items = list(cast("Sequence[Any]", rows))
    else:
        raise InvalidArgumentError(_describe_wrong_type(rows))
    if not items:
        raise PlanError("the plan has no campaign")
    is_positional = all(isinstance(item, NewCampaign) for item in items)
    if is_positional:
        items = [(str(position), item) for position, item in enumerate(items, 1)]
    for number, item in enumerate(items, 1):
        if not (
            isinstance(item, (tuple, list)) and len(cast("list[Any]", item)) == 2 and isinstance(item[1], NewCampaign)
        ):
            raise InvalidArgumentError(f"row {number} of the plan must be a pair of a key and a NewCampaign")
    return _MemoryPlan(tuple((item[0], item[1]) for item in items), rules, is_positional)


def as_plan(plan: AnyPlan) -> Plan:
    """Return the plan itself, `ndjson_plan` of a path, or `rows_plan` of campaigns.

    Raises:
        InvalidArgumentError: If `plan` is anything else, or can be iterated only once.
        PlanError: If the plan cannot be read, or contains no campaign.
    """
    if isinstance(plan, (str, Path)):
        return ndjson_plan(plan)
    if isinstance(plan, Plan):
        return plan
    return rows_plan(cast("Any", plan))


def _describe_wrong_type(value: object) -> str:
    if isinstance(value, Iterator):
        return "a plan must be a list, because the next run reads it again: pass a list, or save it to a file"
    if isinstance(value, NewCampaign):
        return "a plan is a list: pass [campaign], or pairs of keys and campaigns"
    return (
        "a plan must be a path, a list of (key, NewCampaign), a mapping of keys to NewCampaign, "
        f"or the result of ndjson_plan, contacts_plan or rows_plan, not {type(value).__name__}"
    )
