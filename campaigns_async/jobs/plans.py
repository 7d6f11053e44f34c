"""Plans: campaigns with keys, out of a file of NDJSON, a CSV of contacts, or memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import msgspec
from attrs import field, frozen

from campaigns_async._checks import check_int
from campaigns_async._http.campaign_rules import (
    CampaignBody,
    PlanCampaign,
    check_key,
    find_faults,
    parse_campaign,
    parse_start,
)
from campaigns_async._http.codec import encode_model
from campaigns_async.errors import InvalidArgumentError
from campaigns_async.jobs._duplicates import describe_duplicate, find_duplicates
from campaigns_async.jobs._plan_files import LONGEST_LINE, describe, open_plan, raw_lines, read_head
from campaigns_async.jobs.contacts_csv import contacts_plan
from campaigns_async.jobs.job_errors import BadLine, BadLineError, PlanError
from campaigns_async.jobs.plan_lines import Duplicates, Line, Plan, PlanRow, PlanRules, digest
from campaigns_async.models import NewCampaign

__all__ = ["AnyPlan", "as_plan", "contacts_plan", "ndjson_plan", "rows_plan"]

AnyPlan: TypeAlias = (
    str | Path | Plan | Sequence[tuple[str, NewCampaign]] | Sequence[NewCampaign] | Mapping[str, NewCampaign]
)
"""The plans that `as_plan` takes."""
_decode: Final = msgspec.json.Decoder(CampaignBody).decode


class _Line:
    """A line of a plan with a campaign of its own."""

    __slots__ = ("_kept", "_rules", "digest", "number", "size")

    def __init__(self, number: int, rules: PlanRules, *, digest: int | None = None, size: int = 0) -> None:
        self.number: int = number
        self.digest: int | None = digest
        self.size: int = size
        self._rules = rules
        self._kept: Sequence[int] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.number}>"

    def place(self, contact: int) -> tuple[int, str]:
        """Return the line, and the prefix of a contact's fields."""
        return self.number, f"contacts[{contact if self._kept is None else self._kept[contact]}]."

    def _row(self, key: str, body: CampaignBody) -> PlanRow:
        """Return the row of a campaign that was checked but for numbers that stand twice."""
        numbers = [contact.phone_number for contact in body.contacts]
        dropped: Sequence[str] = ()
        if self._rules.duplicates != "keep" and (later := find_duplicates(numbers)):
            if self._rules.duplicates == "refuse":
                raise BadLineError(
                    *(
                        BadLine(self.number, f"contacts[{index}].phoneNumber", describe_duplicate(f"contacts[{first}]"))
                        for index, first in later.items()
                    )
                )
            self._kept = kept = [index for index in range(len(numbers)) if index not in later]
            dropped = [numbers[index] for index in later]
            numbers = [numbers[index] for index in kept]
            body.contacts = [body.contacts[index] for index in kept]
        start = parse_start(body.start_date_time)
        assert isinstance(start, datetime)
        has_link = body.opt_out_link_id is not None or body.track_link_url is not None
        return PlanRow(key, body.encode(), start, body.sender, body.message, numbers, dropped, has_link)


class _NdjsonLine(_Line):
    __slots__ = ("_raw",)

    def __init__(self, number: int, raw: bytes, rules: PlanRules, person: bytes) -> None:
        super().__init__(number, rules, digest=digest(raw, person=person), size=len(raw))
        self._raw = raw

    def read(self) -> PlanRow:
        """Return the campaign; see `Line.read`."""
        outcome = parse_campaign(self._raw, allow_braces=self._rules.allow_braces)
        if not isinstance(outcome, PlanCampaign):
            raise BadLineError(*(BadLine(self.number, fault.path, fault.text) for fault in outcome))
        return self._row(outcome.key, outcome.body)


@frozen
class _NdjsonPlan:
    path: Path
    rules: PlanRules
    longest: int
    positional: bool = False
    identified: bool = False

    def __attrs_post_init__(self) -> None:
        check_int("max_line", self.longest, ge=1)
        self._check_head()

    def _check_head(self) -> None:
        head = read_head(self.path)
        first = head.split(b"\n", 1)[0].rstrip()
        name = describe(self.path)
        if head.startswith(b"["):
            raise PlanError(f"{name} is a JSON array: write one object a line, as jq -c '.[]' does")
        if first == b"{":
            raise PlanError(f"{name} holds an object over several lines: write one object a line, as jq -c does")
        if b"phoneNumber" in first and not first.startswith(b"{"):
            raise PlanError(f"{name} is a CSV of contacts: give it to contacts_plan (--contacts), with a message")

    def options(self) -> Mapping[str, str]:
        return {"plan": "keys"}

    def lines(self) -> Iterator[Line | BadLine]:
        self._check_head()
        empty, person = True, self.rules.digest_person
        with open_plan(self.path) as file:
            for number, raw in raw_lines(file, self.longest):
                if raw is None:
                    empty = False
                    yield BadLine(number, "", f"is longer than {self.longest:,} bytes: split the campaign into several")
                elif raw and not raw.isspace():
                    empty = False
                    yield _NdjsonLine(number, raw, self.rules, person)
        if empty:
            raise PlanError(f"{describe(self.path)} holds no campaign: it takes one JSON object a line")


def ndjson_plan(
    path: str | Path, *, duplicates: Duplicates = "refuse", allow_braces: bool = False, max_line: int = LONGEST_LINE
) -> Plan:
    """Make a plan of a file of NDJSON: one campaign a line, with the wire's names and a `key` of the user's.

    Args:
        path: Of a file in UTF-8. Blank lines are skipped.
        duplicates: Whether a campaign with a number twice is refused or kept, or all but the first are dropped.
        allow_braces: Accept messages with { and }, which are sent as they stand.
        max_line: The longest line, in bytes.

    Raises:
        PlanError: If the file cannot be read, or is plainly not NDJSON.
        ConfigurationError: If an option is out of range.
    """
    return _NdjsonPlan(Path(path), PlanRules(duplicates, allow_braces), max_line)


class _ListedLine(_Line):
    __slots__ = ("_campaign", "_key")

    def __init__(self, number: int, key: str, campaign: NewCampaign, rules: PlanRules) -> None:
        super().__init__(number, rules)
        self._key = key
        self._campaign = campaign

    def read(self) -> PlanRow:
        """Return the campaign; see `Line.read`."""
        faults = find_faults(self._campaign, complete=True, allow_braces=self._rules.allow_braces)
        if faults:
            raise BadLineError(*(BadLine(self.number, fault.path, fault.text) for fault in faults))
        try:
            body = encode_model(self._campaign)
        except InvalidArgumentError as error:  # of a subclass that is not what it was a moment ago
            raise BadLineError(BadLine(self.number, "", error.message)) from None
        return self._row(self._key, _decode(body))  # decoded, so that equal campaigns of a file have equal bodies


@frozen
class _ListedPlan:
    rows: tuple[tuple[object, NewCampaign], ...] = field(repr=lambda rows: f"<{len(rows)}>")
    rules: PlanRules
    positional: bool
    identified: bool = False

    def options(self) -> Mapping[str, str]:
        return {"plan": "positions" if self.positional else "keys"}

    def lines(self) -> Iterator[Line | BadLine]:
        for number, (key, campaign) in enumerate(self.rows, 1):
            reason = check_key(key)
            if reason is None and isinstance(key, str):
                yield _ListedLine(number, key, campaign, self.rules)
            else:
                yield BadLine(number, "key", reason or "")


def rows_plan(
    rows: Sequence[tuple[str, NewCampaign]] | Sequence[NewCampaign] | Mapping[str, NewCampaign],
    *,
    duplicates: Duplicates = "refuse",
    allow_braces: bool = False,
) -> Plan:
    """Make a plan of campaigns in memory; `line 3` of its messages is the third row.

    Args:
        rows: Keys with campaigns; or campaigns alone, whose keys are then their places, from 1.
        duplicates: As for `ndjson_plan`.
        allow_braces: As for `ndjson_plan`.

    Raises:
        InvalidArgumentError: If it holds something else, or can be read only once.
        PlanError: If it holds no campaign.
        ConfigurationError: If an option is out of range.
    """
    rules = PlanRules(duplicates, allow_braces)
    if isinstance(rows, Mapping):
        given: list[Any] = list(cast("Mapping[Any, Any]", rows).items())
    elif isinstance(rows, Sequence) and not isinstance(rows, (str, bytes, bytearray)):
        given = list(cast("Sequence[Any]", rows))
    else:
        raise InvalidArgumentError(_describe_no_plan(rows))
    if not given:
        raise PlanError("the plan holds no campaign")
    positional = all(isinstance(row, NewCampaign) for row in given)
    if positional:
        given = [(str(place), row) for place, row in enumerate(given, 1)]
    for number, row in enumerate(given, 1):
        if not (
            isinstance(row, (tuple, list)) and len(cast("list[Any]", row)) == 2 and isinstance(row[1], NewCampaign)
        ):
            raise InvalidArgumentError(f"row {number} of the plan must be a pair of a key and a NewCampaign")
    return _ListedPlan(tuple((row[0], row[1]) for row in given), rules, positional)


def as_plan(plan: AnyPlan) -> Plan:
    """Return the plan that is meant.

    Args:
        plan: A plan; the path of an NDJSON file; or campaigns in memory, as `rows_plan` takes them.

    Raises:
        InvalidArgumentError: If it is something else, or can be read only once.
        PlanError: If it cannot be read, or holds no campaign.
    """
    if isinstance(plan, (str, Path)):
        return ndjson_plan(plan)
    if isinstance(plan, Plan):
        return plan
    return rows_plan(cast("Any", plan))


def _describe_no_plan(given: object) -> str:
    if isinstance(given, Iterator):
        return "a plan must be a list, since the next run reads it again: pass a list, or save it to a file"
    if isinstance(given, NewCampaign):
        return "a plan is a list: pass [campaign], or pairs of keys and campaigns"
    return (
        "a plan must be a path, a list of (key, NewCampaign), a mapping of keys to NewCampaign, "
        f"or what ndjson_plan, contacts_plan and rows_plan return, not {type(given).__name__}"
    )
