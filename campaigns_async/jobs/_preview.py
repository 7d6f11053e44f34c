"""What a plan comes to, before any of it is sent. Small, however long the plan is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from campaigns_async.effects import State
from campaigns_async.errors import InvalidArgumentError
from campaigns_async.jobs._sqlite import JournalFile
from campaigns_async.jobs.plan_lines import Line, Plan, PlanRow
from campaigns_async.segments import Encoding, Segments, segments

_SHOWN: Final = 20
_LONGEST_SENDER: Final = 11
_LONGEST_NUMBER: Final = 250
"""phonenumbers refuses longer text."""
_BRITISH_MOBILES: Final = re.compile(r"(?:(?:\+44|0044|44|0)7[0-9]{9}\n)+")

LENGTHENED: Final = "a track link or an opt-out link is put in by the server, and may make the text longer than counted"


def number_test() -> Callable[[str], bool]:
    """Return a test whether a number can be a mobile phone's, as Google's library reads it from Britain.

    Raises:
        ModuleNotFoundError: If phonenumbers is not installed; says how to install it.
    """
    try:
        import phonenumbers  # noqa: PLC0415  # an extra, and slow to import
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'telling invalid numbers needs phonenumbers: install it with: pip install "campaigns-async[cli]"',
            name=error.name,
        ) from None
    mobile = phonenumbers.PhoneNumberType.MOBILE

    def is_possible(number: str) -> bool:
        if _BRITISH_MOBILES.fullmatch(f"{number}\n"):
            return True
        if len(number) > _LONGEST_NUMBER:
            return False
        try:
            parsed = phonenumbers.parse(number, "GB")
        except phonenumbers.NumberParseException:
            return False
        return phonenumbers.is_possible_number_for_type(parsed, mobile)

    return is_possible


@define
class Noted:
    """Something that is worth a look, and where it was met."""

    count: int = 0
    places: list[str] = field(factory=list[str])
    """The first 20: `line 3: contacts[2].phoneNumber`. Nothing is quoted."""

    def add(self, number: int, name: str) -> None:
        """Note one more."""
        if self.count < _SHOWN:
            self.places.append(f"line {number}: {name}")
        self.count += 1


@define
class Preview:
    """What the campaigns that it is shown come to.

    Args:
        now: The moment by which start times have passed; must know its time zone.

    Raises:
        ModuleNotFoundError: phonenumbers is not installed; says how to install it.
        InvalidArgumentError: `now` has no time zone.
    """

    now: datetime
    campaigns: int = field(init=False, default=0)
    contacts: int = field(init=False, default=0)
    """That are sent to; those dropped are not among them."""
    dropped: int = field(init=False, default=0)
    """Contacts left out, since their number stands before them."""
    parts: int = field(init=False, default=0)
    """SMS parts in all: of each text, times its contacts."""
    gsm_7: int = field(init=False, default=0)
    """Campaigns whose text travels as GSM-7."""
    ucs_2: int = field(init=False, default=0)
    """Campaigns whose text travels as UCS-2, with less than half the room."""
    lengthened: int = field(init=False, default=0)
    """Campaigns with a track link or an opt-out link, which may take more parts than are counted here."""
    invalid_numbers: Noted = field(init=False, factory=Noted)
    """Numbers that no mobile phone can have. The server decides."""
    long_senders: Noted = field(init=False, factory=Noted)
    """Senders of more than 11 characters."""
    passed_starts: Noted = field(init=False, factory=Noted)
    """Campaigns whose start time has passed."""
    _is_possible: Callable[[str], bool] = field(init=False, factory=number_test, repr=False)
    _text: str | None = field(init=False, default=None, repr=False)
    _takes: Segments = field(init=False, factory=lambda: segments(""), repr=False)

    def __attrs_post_init__(self) -> None:
        if self.now.utcoffset() is None:
            raise InvalidArgumentError("now must know its time zone")

    def add(self, line: Line, row: PlanRow) -> None:
        """Count a campaign, and the line it came from."""
        if row.message != self._text:  # a split has one text for all
            self._text, self._takes = row.message, segments(row.message)
        people = len(row.numbers)
        self.campaigns += 1
        self.contacts += people
        self.dropped += len(row.dropped)
        self.parts += self._takes.parts * people
        if self._takes.encoding is Encoding.GSM_7:
            self.gsm_7 += 1
        else:
            self.ucs_2 += 1
        self.lengthened += row.has_link
        # Nearly always all are British mobiles; the library takes 20 times as long.
        if not _BRITISH_MOBILES.fullmatch("\n".join([*row.numbers, ""])):
            for index, phone_number in enumerate(row.numbers):
                if not self._is_possible(phone_number):
                    number, prefix = line.place(index)
                    self.invalid_numbers.add(number, f"{prefix}phoneNumber")
        if len(row.sender) > _LONGEST_SENDER:
            self.long_senders.add(line.number, "sender")
        if row.start < self.now:
            self.passed_starts.add(line.number, "startDateTime")

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON values."""
        counts = ("campaigns", "contacts", "dropped", "parts", "gsm_7", "ucs_2", "lengthened")
        noted = ("invalid_numbers", "long_senders", "passed_starts")
        return {name: getattr(self, name) for name in counts} | {
            name: {"count": getattr(self, name).count, "places": list(getattr(self, name).places)} for name in noted
        }


def preview_plan(
    plan: Plan,
    journal: Path,
    preview: Preview,
    *,
    ignore_invalid_phone_numbers: bool | None,
    retry_failed: bool,
    stopping: Callable[[], bool],
) -> Mapping[State, int]:
    """Check a plan against a copy of a journal, and have a preview count the rows that would be sent.

    Returns:
        The rows, by their state as a run would find them.

    Raises:
        StoppedError: If `stopping` returned true.
        JobError: As a run.
    """
    with JournalFile.scratch_copy(journal) as scratch:
        settings = {"ignore_invalid_phone_numbers": str(ignore_invalid_phone_numbers)}
        scratch.add_plan(plan, settings, retry_failed=retry_failed, stopping=stopping, sink=preview)
        return scratch.counts()
