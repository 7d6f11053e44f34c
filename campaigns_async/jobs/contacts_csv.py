"""Plans from a CSV of contacts: one text, and contacts that are split into campaigns of equal size."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from io import BufferedReader
from itertools import chain, pairwise, starmap
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec
from attrs import define, field, frozen
from msgspec.structs import replace

from campaigns_async import _field_rules as rules
from campaigns_async._checks import check_int
from campaigns_async._http.campaign_rules import CONTACT_NAMES, CampaignBody, ContactBody, find_faults_in_json
from campaigns_async._phone_numbers import GB
from campaigns_async.errors import ConfigurationError
from campaigns_async.jobs._contact_rows import Block, read_blocks
from campaigns_async.jobs._plan_files import describe, open_plan, read_head
from campaigns_async.jobs._plan_rules import Duplicates, InvalidNumbers, PlanRules, describe_duplicate
from campaigns_async.jobs.job_errors import BadLine, BadLineError, PlanError
from campaigns_async.jobs.plans import PlanRow, has_link


@frozen
class ContactsPlan:
    """Contacts from a CSV, split into campaigns. The keys are positions, from 1.

    Attributes:
        path: The path of the file.
        shared: A request body without contacts, with the fields that all campaigns share.
        start: The start time.
        split: The number of contacts per campaign.
        rules: The treatment of phone numbers and braces.
        columns: The headers of columns, by the API's names.
    """

    path: Path
    shared: CampaignBody = field(repr=False)
    start: datetime
    split: int
    rules: PlanRules
    columns: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    is_positional: bool = True
    has_content_digest: bool = True

    def options(self) -> Mapping[str, str]:
        """Return the file's SHA-256 and the shared fields. Texts are replaced by digests."""
        with open_plan(self.path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        fields = {name: str(value) for name, value in self.dump_shared().items()}
        if self.columns:
            fields["columns"] = str(sorted(self.columns.items()))
        return {
            "plan": "contacts",
            "file": digest,
            "split": str(self.split),
            "duplicates": self.rules.duplicates,
            "allowBraces": str(self.rules.allow_braces).lower(),
            **({} if self.rules.default_region == GB else {"defaultRegion": self.rules.default_region}),
            **({"invalidNumbers": "report"} if self.rules.leaves_out else {}),
            "startDateTime": fields.pop("startDateTime"),
            **{name: hashlib.sha256(text.encode()).hexdigest() for name, text in fields.items()},
        }

    def dump_shared(self) -> dict[str, Any]:
        """Return the shared fields as JSON values, by the API's names."""
        fields: dict[str, Any] = msgspec.to_builtins(self.shared)
        del fields["contacts"]
        return fields

    def lines(self) -> Iterator[ContactsLine | BadLine]:
        """Yield the campaigns, then a fault for each duplicate number if duplicates are refused."""
        with open_plan(self.path) as file:
            numbers = array("Q")  # 8 bytes each
            if self.rules.duplicates == "drop":
                for block in self._read_blocks(file):
                    if not isinstance(block, BadLine):
                        numbers.extend(map(int, filter(None, block.numbers)))
            splitter = _Splitter(self, find_repeated(numbers))
            empty = True
            for block in self._read_blocks(file):
                empty = False
                if isinstance(block, BadLine):
                    yield block
                    continue
                if self.rules.duplicates == "refuse":
                    numbers.extend(map(int, filter(None, block.numbers)))
                yield from splitter.add(block)
                del block  # before the next one is read
            yield from splitter.finish()
            if empty:
                raise PlanError(f"{describe(self.path)} holds no contacts, only a header")
            if self.rules.duplicates == "refuse" and (duplicates := find_repeated(numbers)):
                yield from self._locate_duplicates(file, duplicates)

    def _read_blocks(self, file: BufferedReader) -> Iterator[Block | BadLine]:
        return read_blocks(file, self.path, self.rules, self.columns)

    def _locate_duplicates(self, file: BufferedReader, duplicates: Collection[str]) -> Iterator[BadLine]:
        first: dict[str, int] = {}
        for block in self._read_blocks(file):
            if isinstance(block, BadLine):
                continue
            for number, line in zip(block.numbers, block.lines, strict=True):
                if number in duplicates and (earlier := first.setdefault(number, line)) != line:
                    yield BadLine(line, "phoneNumber", describe_duplicate(f"line {earlier}"))

    def check_head(self) -> None:
        """Check the file's header.

        Raises:
            PlanError: If the file cannot be read, or is not a CSV of contacts.
        """
        if read_head(self.path, may_be_utf_16=True).startswith((b"{", b"[")):
            raise PlanError(f"{describe(self.path)} is JSON, not CSV: pass it as a plan, with a message in each line")
        with open_plan(self.path) as file:
            next(self._read_blocks(file), None)


@define(eq=False, repr=False)
class ContactsLine:
    """One campaign, with its part of the contacts."""

    _plan: ContactsPlan
    _index: int
    _names: Sequence[str]
    _rows: list[list[str]]
    _lines: Sequence[int]
    _dropped: Sequence[str]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.number}>"

    @property
    def digest(self) -> None:
        """None, because the cost is in reading the file, and the line was already read."""

    @property
    def number(self) -> int:
        """The line of the first contact, from 1."""
        return self._lines[0]

    @property
    def size(self) -> int:
        """The approximate size in memory, in bytes."""
        return 500 * len(self._rows)

    def locate(self, contact: int) -> tuple[int, str]:
        """Return the line of a contact (from 0). Its fields have no prefix."""
        return self._lines[contact], ""

    def read(self) -> PlanRow:
        """Return the campaign.

        Raises:
            BadLineError: If a contact cannot be sent. Holds all faults.
        """
        plan, names = self._plan, self._names
        column = names.index("phoneNumber")
        numbers = [row[column] for row in self._rows]
        has_groups = "contactGroupId" in names
        if has_groups:
            self._check_contacts()
        rows: Iterable[Sequence[str | None]] = self._rows
        if "" in chain.from_iterable(self._rows):
            rows = [[cell or None for cell in row] for row in self._rows]
        if tuple(names) != CONTACT_NAMES[: len(names)]:
            cells = [names.index(name) if name in names else -1 for name in CONTACT_NAMES]
            rows = map(itemgetter(*cells), ([*row, None] for row in rows))
        contacts = list(starmap(ContactBody, rows))
        if has_groups:
            for contact in contacts:
                contact.contact_group_id = contact.contact_group_id and contact.contact_group_id.lower()
        body = replace(plan.shared, contacts=contacts)
        key = str(self._index)
        return PlanRow(
            key, body.encode(), plan.start, body.sender, body.message, numbers, self._dropped, has_link(body)
        )

    def _check_contacts(self) -> None:
        contacts = [{name: cell for name, cell in zip(self._names, row, strict=True) if cell} for row in self._rows]
        # The message was checked when the plan was made.
        faults = find_faults_in_json({**self._plan.dump_shared(), "contacts": contacts}, allow_braces=True)
        bad = [
            BadLine(self.number if each.contact is None else self._lines[each.contact], each.name, each.reason)
            for each in faults
            if each.name != "phoneNumber"  # `lines` has yielded it
        ]
        if bad:
            raise BadLineError(*bad)


def find_repeated(numbers: Iterable[int]) -> Collection[str]:
    """Return the numbers that occur more than once."""
    return {str(each) for each, following in pairwise(sorted(numbers)) if each == following}


@define
class _Splitter:
    # `_repeated` has the numbers of which all contacts but the first are dropped; `_seen`, those of them that have
    # occurred. `_dropped` maps a campaign's index, from 1, to the numbers that were dropped while it was filled.
    _plan: ContactsPlan
    _repeated: Collection[str]
    _seen: set[str] = field(init=False, factory=set[str])
    _kept: int = field(init=False, default=0)
    _index: int = field(init=False, default=0)
    _rows: list[list[str]] = field(init=False, factory=list[list[str]])
    _lines: list[int] = field(init=False, factory=list[int])
    _dropped: dict[int, list[str]] = field(init=False, factory=dict[int, list[str]])
    _names: Sequence[str] = field(init=False, default=())

    def add(self, block: Block) -> Iterator[ContactsLine]:
        """Add rows, and yield the campaigns that are complete. The last campaign is kept: duplicates may still follow."""
        self._names = block.names
        if self._repeated:
            self._add_unless_duplicate(block)
        else:
            self._rows += block.rows
            self._lines += block.lines
        return self._cut(max(len(self._rows) - 1, 0) // self._plan.split)

    def finish(self) -> Iterator[ContactsLine]:
        """Yield the last campaign, if there is one."""
        return self._cut(1 if self._rows else 0)

    def _cut(self, count: int) -> Iterator[ContactsLine]:
        size = self._plan.split
        for at in range(0, count * size, size):
            self._index += 1
            rows, lines = self._rows[at : at + size], self._lines[at : at + size]
            dropped = self._dropped.pop(self._index, [])
            yield ContactsLine(self._plan, self._index, self._names, rows, lines, dropped)
        del self._rows[: count * size], self._lines[: count * size]

    def _add_unless_duplicate(self, block: Block) -> None:
        for number, row, line in zip(block.numbers, block.rows, block.lines, strict=True):
            if number in self._seen:
                self._dropped.setdefault(max(self._kept - 1, 0) // self._plan.split + 1, []).append(number)
                continue
            if number in self._repeated:
                self._seen.add(number)
            self._kept += 1
            self._rows.append(row)
            self._lines.append(line)


def contacts_plan(
    path: str | Path,
    *,
    message: str,
    sender: str,
    start: datetime,
    split: int = 5000,
    opt_out_link_id: int | None = None,
    track_link_url: str | None = None,
    duplicates: Duplicates = "refuse",
    allow_braces: bool = False,
    default_region: str = GB,
    invalid_numbers: InvalidNumbers = "refuse",
    columns: Mapping[str, str] | None = None,
) -> ContactsPlan:
    """Make a plan from a CSV of contacts, who all get the same text.

    The file is CSV (RFC 4180) in UTF-8, or in UTF-16 with a byte order mark. Commas, semicolons, tabs or vertical bars
    separate its cells. Its header must name `phoneNumber`, and may name `name`, `custom1`, `custom2` and
    `contactGroupId`; `Phone Number` and the like will do. Blank rows are skipped. An empty cell is omitted; any other
    cell is sent unchanged. Only the beginning of the file is read here.

    Args:
        path: The path of the file.
        message: The text, sent unchanged.
        sender: The sender ID: a name or a number.
        start: The start time, with a time zone.
        split: The number of contacts per campaign, from 1. The last campaign may have fewer.
        opt_out_link_id: As in `NewCampaign`.
        track_link_url: As in `NewCampaign`.
        duplicates: With "refuse", a number that occurs twice in the file is a fault. With "keep", all contacts are sent.
            With "drop", only the first contact of each number is sent; the others are dropped before the split.
        allow_braces: True to accept a message that contains { or }. It is sent unchanged.
        default_region: As in `ndjson_plan`.
        invalid_numbers: As in `ndjson_plan`.
        columns: The headers of columns, by the API's names, such as `{"phoneNumber": "Mobile"}`. Columns with other headers
            that the API does not know are then ignored.

    Raises:
        PlanError: If the file cannot be read, or its header is not that of contacts.
        InvalidArgumentError: If a field of the campaigns cannot be sent. Names the field in `parameter`.
        ConfigurationError: If an option is out of range.
    """
    check_int("split", split, ge=1)
    plan_rules = PlanRules(duplicates, allow_braces, default_region, invalid_numbers)
    rules.raise_first(
        start=rules.check_start(start),
        sender=rules.check_text(sender),
        message=rules.check_text(message) or (None if allow_braces else rules.check_braces(message)),
        opt_out_link_id=rules.check_link_id(opt_out_link_id),
        track_link_url=rules.check_link(track_link_url),
    )
    shared = CampaignBody(rules.format_start(start), sender, message, [], opt_out_link_id, track_link_url)
    if not (columns or {}).keys() <= set(CONTACT_NAMES):
        raise ConfigurationError(
            f"columns must map {', '.join(CONTACT_NAMES)} to headers, as phoneNumber=Mobile does", parameter="columns"
        )
    plan = ContactsPlan(Path(path), shared, start, split, plan_rules, dict(columns or {}))
    del message, sender, track_link_url, shared  # tools such as Sentry show the variables of a traceback
    plan.check_head()
    return plan
