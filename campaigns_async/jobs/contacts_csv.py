"""A CSV of contacts as a plan: split into campaigns with the same text."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from io import BufferedReader
from itertools import accumulate, chain, islice, starmap
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from attrs import define, field, frozen

from campaigns_async._checks import check_int
from campaigns_async._http import campaign_rules as rules
from campaigns_async._http.campaign_rules import CONTACT_NAMES, CampaignBody, ContactBody
from campaigns_async._http.codec import write_date
from campaigns_async.errors import InvalidArgumentError
from campaigns_async.jobs._duplicates import NumberCollector, canonical_numbers, describe_duplicate
from campaigns_async.jobs._plan_files import BadTextError, describe, open_plan, read_head, text_lines
from campaigns_async.jobs.job_errors import BadLine, BadLineError, PlanError
from campaigns_async.jobs.plan_lines import Duplicates, PlanRow, PlanRules

_NO_CSV: Final = "is no CSV from here on: is a quote never closed, or does one stand in a cell without being doubled?"
_WRONG_LENGTH: Final = "has {} cells, and the header {}: does a cell hold a comma, and no quotes around it?"
_BLOCK: Final = 5_000
_NO_CELLS: Final[list[str]] = []


@frozen
class ContactsPlan:
    """Contacts out of a CSV, split into campaigns; keys are places, from 1."""

    path: Path
    shared: Mapping[str, Any] = field(repr=False)
    """What each campaign has besides contacts, by the wire's names."""
    start: datetime
    split: int
    rules: PlanRules
    positional: bool = True
    identified: bool = True

    def options(self) -> Mapping[str, str]:
        """Return the file's SHA-256 and all that a campaign has besides contacts, texts as digests."""
        texts = {name: str(value) for name, value in self.shared.items() if name != "startDateTime"}
        with open_plan(self.path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {
            "plan": "contacts",
            "file": digest,
            "split": str(self.split),
            "duplicates": self.rules.duplicates,
            "allowBraces": str(self.rules.allow_braces).lower(),
            "startDateTime": self.shared["startDateTime"],
            **{name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()},
        }

    def lines(self) -> Iterator[ContactsLine | BadLine]:
        """Yield the campaigns; then, as faults, the numbers that stand twice in the file."""
        with open_plan(self.path) as file:
            numbers = NumberCollector()
            if self.rules.duplicates == "drop":
                for block in _blocks(file, self.path):
                    if not isinstance(block, BadLine):
                        numbers.add(block.numbers())
            splitter = _Splitter(self, numbers.repeated())
            empty = True
            for block in _blocks(file, self.path):
                empty = False
                if isinstance(block, BadLine):
                    yield block
                    continue
                if self.rules.duplicates == "refuse":
                    numbers.add(block.numbers())
                yield from splitter.take(block)
            yield from splitter.end()
            if empty:
                raise PlanError(f"{describe(self.path)} holds no contacts, only a header")
            if self.rules.duplicates == "refuse" and (repeated := numbers.repeated()):
                yield from self._duplicates(file, repeated)

    def _duplicates(self, file: BufferedReader, repeated: Collection[str]) -> Iterator[BadLine]:
        first: dict[str, int] = {}
        for block in _blocks(file, self.path):
            if isinstance(block, BadLine):
                continue
            for number, line in zip(block.numbers(), block.lines, strict=True):
                if number in repeated and (earlier := first.setdefault(number, line)) != line:
                    yield BadLine(line, "phoneNumber", describe_duplicate(f"line {earlier}"))

    def check_head(self) -> None:
        """Look at the file's header.

        Raises:
            PlanError: If the file cannot be read, or is no CSV of contacts; says what it looks like.
        """
        if read_head(self.path).startswith((b"{", b"[")):
            raise PlanError(
                f"{describe(self.path)} is JSON, and no CSV: give it as a plan, with a message in each line"
            )
        # What csv cannot read is reported by its line, when the lines are read.
        with open_plan(self.path) as file, suppress(csv.Error, BadTextError):
            _read_header(csv.reader(chain.from_iterable(text_lines(file)), strict=True), self.path)


class ContactsLine:
    """A campaign of a split."""

    __slots__ = ("_dropped", "_index", "_lines", "_names", "_plan", "_rows")

    def __init__(
        self,
        plan: ContactsPlan,
        index: int,
        names: Sequence[str],
        rows: list[list[str]],
        lines: Sequence[int],
        dropped: Sequence[str],
    ) -> None:
        self._plan = plan
        self._index = index
        self._names = names
        self._rows = rows
        self._lines = lines
        self._dropped = dropped

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.number}>"

    @property
    def digest(self) -> None:
        """None: to read the file is the cost, and that was done."""

    @property
    def number(self) -> int:
        """The line of the first contact."""
        return self._lines[0]

    @property
    def size(self) -> int:
        """The bytes that it holds in memory, roughly."""
        return 500 * len(self._rows)

    def place(self, contact: int) -> tuple[int, str]:
        """Return the line of a contact (from 0); its fields have no prefix."""
        return self._lines[contact], ""

    def read(self) -> PlanRow:
        """Return the campaign; see `Line.read`."""
        plan, names = self._plan, self._names
        place = names.index("phoneNumber")
        numbers = [row[place] for row in self._rows]
        has_groups = "contactGroupId" in names
        if has_groups or not all(map(str.strip, numbers)):
            self._check()
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
        shared = plan.shared
        body = CampaignBody(
            shared["startDateTime"],
            shared["sender"],
            shared["message"],
            contacts,
            shared.get("optOutLinkId"),
            shared.get("trackLinkUrl"),
        )
        has_link = body.opt_out_link_id is not None or body.track_link_url is not None
        key = str(self._index)
        return PlanRow(key, body.encode(), plan.start, body.sender, body.message, numbers, self._dropped, has_link)

    def _check(self) -> None:
        """Raise unless every contact can be sent.

        Raises:
            BadLineError: If one cannot.
        """
        contacts = [{name: cell for name, cell in zip(self._names, row, strict=True) if cell} for row in self._rows]
        # The message was judged when the plan was made.
        faults = rules.find_faults_in_json({**self._plan.shared, "contacts": contacts}, allow_braces=True)
        if faults:
            raise BadLineError(
                *(
                    BadLine(self.number if each.contact is None else self._lines[each.contact], each.name, each.text)
                    for each in faults
                )
            )


def _read_header(reader: Iterator[list[str]], path: Path) -> list[str]:
    """Return the names of the columns.

    Raises:
        PlanError: If they are not those of contacts.
    """
    cells: list[str] = next((cells for cells in reader if cells), _NO_CELLS)
    names = [name.strip() for name in cells]
    name = describe(path)
    if "phoneNumber" not in names:
        if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
            raise PlanError(f"the header of {name} has no commas: separate its cells by commas")
        raise PlanError(
            f"{name} must begin with a header that names the column phoneNumber, and may name "
            f"{', '.join(CONTACT_NAMES[1:])}, each written exactly so"
        )
    if not set(names) <= set(CONTACT_NAMES):
        raise PlanError(f"the header of {name} {rules.describe_unknown(dict.fromkeys(names), CONTACT_NAMES)}")
    if len(set(names)) < len(names):
        raise PlanError(f"the header of {name} has a name twice: keep one")
    return names


@define
class _Block:
    """Rows of the file, each with as many cells as the header."""

    names: Sequence[str]
    rows: list[list[str]]
    lines: Sequence[int]
    """The lines in which the rows begin, from 1."""

    def numbers(self) -> Sequence[str]:
        """Return the phone numbers in one notation."""
        column = self.names.index("phoneNumber")
        return canonical_numbers([row[column] for row in self.rows])


def _blocks(file: BufferedReader, path: Path) -> Iterator[_Block | BadLine]:
    """Yield the rows of a file, and what is no row; nothing after a place that csv cannot read.

    Raises:
        PlanError: If the header is not that of contacts.
    """
    file.seek(0)
    reader = csv.reader(chain.from_iterable(text_lines(file)), strict=True)
    names: list[str] = []
    at = 1
    fault: BadLine | None = None
    while fault is None:
        rows: list[list[str]] = []
        try:
            names = names or _read_header(reader, path)
            at = at if reader.line_num < at else reader.line_num + 1
            rows.extend(islice(reader, _BLOCK))  # keeps what came before an error
        except csv.Error:
            fault = BadLine(at, "", _NO_CSV)
        except BadTextError as bad:
            fault = BadLine(bad.number, "", bad.reason)
        if not rows:
            break
        lines: Sequence[int] = range(at, at + len(rows))
        after = at + len(rows)
        if fault is not None or reader.line_num + 1 != after:  # a cell with a line break
            *lines, after = accumulate((1 + sum(cell.count("\n") for cell in row) for row in rows), initial=at)
        at = after
        if fault is not None and fault.reason is _NO_CSV:
            fault = BadLine(at, "", _NO_CSV)
        if set(map(len, rows)) != {len(names)}:
            yield from (
                BadLine(line, "", _WRONG_LENGTH.format(len(row), len(names)))
                for line, row in zip(lines, rows, strict=True)
                if row and len(row) != len(names)
            )
            good = [(line, row) for line, row in zip(lines, rows, strict=True) if len(row) == len(names)]
            lines, rows = [line for line, _ in good], [row for _, row in good]
        if rows:
            yield _Block(names, rows, lines)
    if fault is not None:
        yield fault


@define
class _Splitter:
    """Splits rows into campaigns."""

    _plan: ContactsPlan
    _repeated: Collection[str]
    """Numbers of which all but the first are dropped."""
    _met: set[str] = field(init=False, factory=set[str])
    _kept: int = field(init=False, default=0)
    _index: int = field(init=False, default=0)
    _rows: list[list[str]] = field(init=False, factory=list[list[str]])
    _lines: list[int] = field(init=False, factory=list[int])
    _dropped: dict[int, list[str]] = field(init=False, factory=dict[int, list[str]])
    """By the place of the campaign that was being filled, from 1."""
    _names: Sequence[str] = field(init=False, default=())

    def take(self, block: _Block) -> Iterator[ContactsLine]:
        """Take rows; yield the campaigns that are full. The last one waits: more numbers may be dropped beside it."""
        self._names = block.names
        if self._repeated:
            self._take_new(block)
        else:
            self._rows += block.rows
            self._lines += block.lines
        return self._campaigns(max(len(self._rows) - 1, 0) // self._plan.split)

    def end(self) -> Iterator[ContactsLine]:
        """Yield the last campaign, if there is one."""
        return self._campaigns(1 if self._rows else 0)

    def _campaigns(self, count: int) -> Iterator[ContactsLine]:
        size = self._plan.split
        for at in range(0, count * size, size):
            self._index += 1
            rows, lines = self._rows[at : at + size], self._lines[at : at + size]
            dropped = self._dropped.pop(self._index, [])
            yield ContactsLine(self._plan, self._index, self._names, rows, lines, dropped)
        del self._rows[: count * size], self._lines[: count * size]

    def _take_new(self, block: _Block) -> None:
        for number, row, line in zip(block.numbers(), block.rows, block.lines, strict=True):
            if number in self._met:
                self._dropped.setdefault(max(self._kept - 1, 0) // self._plan.split + 1, []).append(number)
                continue
            if number in self._repeated:
                self._met.add(number)
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
) -> ContactsPlan:
    """Make a plan out of a CSV of contacts, who all get the same text, `split` to a campaign.

    The file is in UTF-8, with a header that names `phoneNumber` and, if there, `name`, `custom1`, `custom2`,
    `contactGroupId`; cells as in RFC 4180. An empty cell is left out, any other is sent as it stands.

    Args:
        path: Of the file.
        message: Sent word for word.
        sender: The sender's name or number.
        start: With a time zone.
        split: Contacts of a campaign, from 1; the last may have fewer.
        opt_out_link_id: As of a campaign.
        track_link_url: As of a campaign.
        duplicates: Whether a number that stands twice in the whole file is refused or kept, or all but the first are
            dropped (before it is split).
        allow_braces: Accept a message with { and }, which are sent as they stand.

    Raises:
        PlanError: If the file cannot be read, or has another header.
        InvalidArgumentError: If what a campaign has besides contacts cannot be sent; names the `parameter`.
        ConfigurationError: If an option is out of range.
    """
    check_int("split", split, ge=1)
    plan_rules = PlanRules(duplicates, allow_braces)
    start_fault = rules.check_start(start)
    reasons = {
        "start": start_fault and start_fault.text,
        "sender": rules.check_text(sender),
        "message": rules.check_text(message) or (None if allow_braces else rules.check_braces(message)),
        "opt_out_link_id": rules.check_link_id(opt_out_link_id),
        "track_link_url": rules.check_link(track_link_url),
    }
    for name, reason in reasons.items():
        if reason is not None:
            raise InvalidArgumentError(f"{name} {reason}", parameter=name)
    given = {
        "startDateTime": write_date(start),
        "sender": sender,
        "message": message,
        "optOutLinkId": opt_out_link_id,
        "trackLinkUrl": track_link_url,
    }
    shared = {name: value for name, value in given.items() if value is not None}
    plan = ContactsPlan(Path(path), shared, start, split, plan_rules)
    plan.check_head()
    return plan
