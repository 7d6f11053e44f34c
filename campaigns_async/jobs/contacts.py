"""A CSV of contacts, split into campaigns of the same text."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import Final

import attrs

from campaigns_async import checks
from campaigns_async.errors import InvalidArgumentError
from campaigns_async.jobs.errors import BadLine, PlanError
from campaigns_async.jobs.lines import BadTextError, CheckedLine, TextLines, head_of, named, opened
from campaigns_async.jobs.ndjson import (
    BRACES,
    CONTACT_NAMES,
    Duplicates,
    Fault,
    Row,
    Rules,
    Wire,
    check,
    link_fault,
    text_fault,
    twice,
    unknown,
    whole_fault,
)
from campaigns_async.jobs.numbers import Seen
from campaigns_async.wire.codec import write_date

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_Contact = tuple[int, Wire]
"""The line it begins in, and what it is."""
_NO_CELLS: Final[list[str]] = []
_NO_CSV: Final = "is no CSV from here on: is a quote never closed, or does one stand in a cell without being doubled?"


class ContactsLine(CheckedLine):
    """A campaign of a split."""

    __slots__ = ("_contacts", "_faults", "_shared", "_skipped")

    def __init__(self, index: int, contacts: list[_Contact], shared: Wire, faults: list[Fault], skipped: int) -> None:
        super().__init__(index, contacts[0][0], str(index + 1))
        self._contacts = contacts
        self._shared = shared
        self._faults = faults
        self._skipped = skipped

    def place(self, contact: int) -> tuple[int, str]:
        """The line of a contact (from 0), and what to write before its field: nothing."""
        return self._contacts[contact][0], ""

    def _bad(self, fault: Fault) -> BadLine:
        contact, name, reason = fault
        return BadLine(self.number if contact is None else self._contacts[contact][0], name, reason)

    def _check(self) -> Row | list[Fault]:
        given = {**self._shared, "contacts": [contact for _, contact in self._contacts]}
        outcome = check(given, _AS_IT_IS)
        if isinstance(outcome, list) or self._faults:
            return sorted(
                [*(outcome if isinstance(outcome, list) else ()), *self._faults], key=lambda fault: fault[0] or 0
            )
        return attrs.evolve(outcome, dropped=self._skipped)

    def _bad_content(self) -> bytes:
        return repr(self._contacts).encode(errors="surrogatepass")


_AS_IT_IS: Final = Rules("keep", allow_braces=True)
"""The message was judged when the plan was made; numbers are compared over the whole file."""


@attrs.frozen
class ContactsPlan:
    """Contacts out of a CSV, split into campaigns; keys are positions, from 1."""

    path: Path
    shared: Wire = attrs.field(repr=False)
    split: int
    rules: Rules
    positional: bool = True

    def check_head(self) -> None:
        """Look at the file's header.

        Raises:
            PlanError: It cannot be read, or is no CSV of contacts; says what it looks like.
        """
        if head_of(self.path).startswith((b"{", b"[")):
            raise PlanError(f"{named(self.path)} is JSON, and no CSV: give it as a plan, with a message in each line")
        # What csv cannot read is told by its line, when the lines are read.
        with opened(self.path) as file, suppress(csv.Error, BadTextError):
            _header(csv.reader(TextLines(file), strict=True), self.path)

    def options(self) -> Mapping[str, str]:
        """The file's SHA-256, and all that a campaign has besides contacts, texts as digests."""
        texts = {name: str(value) for name, value in self.shared.items() if name != "startDateTime"}
        return {
            "plan": "contacts",
            "file": self._digest(),
            "split": str(self.split),
            "duplicates": self.rules.duplicates,
            "allowBraces": str(self.rules.allow_braces).lower(),
            "startDateTime": self.shared["startDateTime"],
            **{name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()},
        }

    def _digest(self) -> str:
        with opened(self.path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def lines(self, wanted: Callable[[int], bool] | None = None) -> Iterator[ContactsLine | BadLine]:
        """The campaigns. A number twice is told only of what is read: read all of it once, without `wanted`."""
        with opened(self.path) as file:
            yield from _Split(self, wanted).campaigns(file)


def _header(reader: Iterator[list[str]], path: Path) -> list[str]:
    """The names of the columns.

    Raises:
        PlanError: They cannot be.
    """
    names = [name.strip() for name in next((cells for cells in reader if cells), _NO_CELLS)]
    if "phoneNumber" not in names:
        if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
            raise PlanError(f"the header of {named(path)} has no commas: separate its cells by commas")
        raise PlanError(
            f"{named(path)} must begin with a header that names the column phoneNumber, and may name "
            f"{', '.join(CONTACT_NAMES[1:])}, each written exactly so"
        )
    if not set(names) <= set(CONTACT_NAMES):
        raise PlanError(f"the header of {named(path)} {unknown(dict.fromkeys(names), CONTACT_NAMES)}")
    if len(set(names)) < len(names):
        raise PlanError(f"the header of {named(path)} has a name twice: keep one")
    return names


class _Split:
    """One reading of the file."""

    def __init__(self, plan: ContactsPlan, wanted: Callable[[int], bool] | None) -> None:
        self._plan = plan
        self._wanted = wanted
        self._seen = None if plan.rules.duplicates == "keep" else Seen()
        self._index = 0
        self._begin()

    def _begin(self) -> None:
        self._size = 0
        self._contacts: list[_Contact] = []
        self._faults: list[Fault] = []
        self._skipped = 0
        self._is_wanted = self._wanted is None or self._wanted(self._index)

    def _ended(self) -> Iterator[ContactsLine]:
        if self._is_wanted:
            yield ContactsLine(self._index, self._contacts, self._plan.shared, self._faults, self._skipped)
        self._index += 1
        self._begin()

    def campaigns(self, file: BufferedReader) -> Iterator[ContactsLine | BadLine]:
        source = TextLines(file)
        reader = csv.reader(source, strict=True)
        at = 1
        empty = True
        try:
            names = _header(reader, self._plan.path)
            at = reader.line_num + 1
            for cells in reader:
                number, at = at, reader.line_num + 1
                if not cells:
                    continue
                empty = False
                if len(cells) != len(names):
                    yield BadLine(
                        number,
                        "",
                        f"has {len(cells)} cells, and the header {len(names)}: does a cell hold a comma, and no quotes around it?",
                    )
                    continue
                contact = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
                yield from self._take(number, contact)
        except csv.Error:
            yield BadLine(at, "", _NO_CSV)
            return
        except BadTextError as bad:
            yield BadLine(source.number, "", str(bad))
            return
        if self._size:
            yield from self._ended()
        elif empty:
            raise PlanError(f"{named(self._plan.path)} holds no contacts, only a header")

    def _take(self, number: int, contact: Wire) -> Iterator[ContactsLine]:
        drops = self._plan.rules.duplicates == "drop"
        first = number
        if self._seen is not None and (drops or self._is_wanted or self._size == self._plan.split):
            text = contact.get("phoneNumber", "")
            first = self._seen.first(text, number) if text.strip() else number
        if first != number and drops:
            self._skipped += 1
            return
        if self._size == self._plan.split:
            yield from self._ended()
        self._size += 1
        if not self._is_wanted:
            return
        if first != number:
            self._faults.append((len(self._contacts), "phoneNumber", twice(f"line {first}")))
        self._contacts.append((number, contact))


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
    """A plan out of a CSV of contacts, all of whom get the same text, `split` to a campaign.

    The file is in UTF-8, with a header that names `phoneNumber` and, if there, `name`, `custom1`, `custom2`,
    `contactGroupId`; cells as RFC 4180 has them. An empty cell is left out, any other sent as it stands.

    Args:
        path: Of the file.
        message: Sent word for word.
        sender: Whom it comes from.
        start: Must know its time zone.
        split: Contacts of a campaign, from 1; the last may have fewer.
        opt_out_link_id: As of a campaign.
        track_link_url: As of a campaign.
        duplicates: What becomes of a number that stands twice in the whole file: refused, kept, or the later ones
            dropped (before it is split).
        allow_braces: Take a message with { and }, which are sent as they stand.

    Raises:
        PlanError: The file cannot be read, or has another header.
        InvalidArgumentError: What a campaign has besides contacts cannot be sent.
        ConfigurationError: An option cannot be.
    """
    checks.check_int("split", split, ge=1)
    rules = Rules(duplicates, allow_braces)
    try:
        moment, reason = write_date(start), None
    except InvalidArgumentError as error:
        moment, reason = "", error.message
    faults = {
        "start": reason,
        "sender": text_fault(sender),
        "message": text_fault(message) or (BRACES if not allow_braces and set("{}") & set(message) else None),
        "opt_out_link_id": whole_fault(opt_out_link_id),
        "track_link_url": link_fault(track_link_url),
    }
    for name, fault in faults.items():
        if fault is not None:
            raise InvalidArgumentError(f"{name} {fault}")
    for name, text in (("sender", sender), ("message", message), ("track_link_url", track_link_url or "")):
        if _SURROGATE.search(text):
            raise InvalidArgumentError(f"{name} holds half of a surrogate pair, which UTF-8 cannot carry")
    given = {
        "startDateTime": moment,
        "sender": sender,
        "message": message,
        "optOutLinkId": opt_out_link_id,
        "trackLinkUrl": track_link_url,
    }
    plan = ContactsPlan(Path(path), {name: value for name, value in given.items() if value is not None}, split, rules)
    plan.check_head()
    return plan
