"""The dry run: check a plan against a copy of its journal, and count what would be sent, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from campaigns_async._phone_numbers import are_british_mobiles
from campaigns_async.effects import State
from campaigns_async.errors import InvalidArgumentError
from campaigns_async.jobs._plan_loader import MARKER
from campaigns_async.jobs._plan_rules import Finding
from campaigns_async.jobs._sqlite import JournalFile
from campaigns_async.jobs.plans import Line, Plan, PlanRow
from campaigns_async.segments import Encoding, Segments, segments

_LONGEST_SENDER: Final = 11
_LONGEST_NUMBER: Final = 250  # phonenumbers refuses longer text

LENGTHENED: Final = "the server adds a track link or an opt-out link, which may make the text longer than counted"


def make_number_test() -> Callable[[str], bool]:
    """Return a function that is True for a number that phonenumbers, with region GB, takes for a possible mobile number.

    Raises:
        ModuleNotFoundError: If phonenumbers is not installed.
    """
    try:
        import phonenumbers  # noqa: PLC0415  # an extra, and slow to import
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'finding invalid numbers needs phonenumbers: install it with: pip install "campaigns-async[cli]"',
            name=error.name,
        ) from None
    mobile = phonenumbers.PhoneNumberType.MOBILE

    def is_possible(number: str) -> bool:
        if are_british_mobiles([number]):
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
class Preview:
    """Counts of the campaigns that would be sent.

    Attributes:
        now: The current time, with a time zone.
        contacts: The number of contacts, without the dropped ones.
        dropped: The contacts that are dropped as duplicates.
        parts: The number of SMS parts: the segments of each text, times its contacts.
        gsm_7: The number of campaigns whose text is encoded as GSM-7.
        ucs_2: The number of campaigns whose text is encoded as UCS-2, which fits less than half as many characters.
        lengthened: The number of campaigns with a track link or an opt-out link, which may take more parts than counted.
        invalid_numbers: Numbers that cannot be a mobile phone's. The server decides.
        long_senders: Sender IDs of more than 11 characters.
        passed_starts: Start times before `now`.
        left_out: Contacts that are left out because their numbers cannot be read. Set by `preview_plan`.

    Raises:
        ModuleNotFoundError: If phonenumbers is not installed.
        InvalidArgumentError: If `now` has no time zone.
    """

    now: datetime
    campaigns: int = field(init=False, default=0)
    contacts: int = field(init=False, default=0)
    dropped: int = field(init=False, default=0)
    parts: int = field(init=False, default=0)
    gsm_7: int = field(init=False, default=0)
    ucs_2: int = field(init=False, default=0)
    lengthened: int = field(init=False, default=0)
    invalid_numbers: Finding = field(init=False, factory=Finding)
    long_senders: Finding = field(init=False, factory=Finding)
    passed_starts: Finding = field(init=False, factory=Finding)
    left_out: Finding = field(init=False, factory=Finding)
    _is_possible: Callable[[str], bool] = field(init=False, factory=make_number_test, repr=False)
    _text: str | None = field(init=False, default=None, repr=False)
    _segments: Segments = field(init=False, factory=lambda: segments(""), repr=False)

    def __attrs_post_init__(self) -> None:
        if self.now.utcoffset() is None:
            raise InvalidArgumentError("now must have a time zone")

    def add(self, line: Line, row: PlanRow) -> None:
        """Count a campaign and its line."""
        if row.message != self._text:  # campaigns of a CSV share their text
            self._text, self._segments = row.message, segments(row.message)
        contacts = len(row.numbers)
        self.campaigns += 1
        self.contacts += contacts
        self.dropped += len(row.dropped)
        self.parts += self._segments.parts * contacts
        if self._segments.encoding is Encoding.GSM_7:
            self.gsm_7 += 1
        else:
            self.ucs_2 += 1
        self.lengthened += row.has_link
        # Nearly all lists are British mobiles. phonenumbers takes 20 times as long as the regular expression.
        if not are_british_mobiles(row.numbers):
            for index, phone_number in enumerate(row.numbers):
                if not self._is_possible(phone_number):
                    number, prefix = line.locate(index)
                    self.invalid_numbers.add(number, f"{prefix}phoneNumber")
        if len(row.sender) > _LONGEST_SENDER:
            self.long_senders.add(line.number, "sender")
        if row.start < self.now:
            self.passed_starts.add(line.number, "startDateTime")

    def as_dict(self) -> dict[str, Any]:
        """Return the counts and findings as JSON values."""
        counts = ("campaigns", "contacts", "dropped", "parts", "gsm_7", "ucs_2", "lengthened")
        findings = ("left_out", "invalid_numbers", "long_senders", "passed_starts")
        return {name: getattr(self, name) for name in counts} | {
            name: {"count": getattr(self, name).count, "places": list(getattr(self, name).places)} for name in findings
        }


def preview_plan(
    plan: Plan,
    journal: Path,
    preview: Preview,
    *,
    ignore_invalid_phone_numbers: bool | None,
    marker: str | None = None,
    retry_failed: bool,
    stopping: Callable[[], bool],
) -> Mapping[State, int]:
    """Check a plan against a copy of a journal, and add the rows that would be sent to a preview.

    Args:
        plan: The plan.
        journal: The path of the journal, which need not exist.
        preview: Counts the rows.
        ignore_invalid_phone_numbers: As in `send`.
        marker: The field of `ReconcilePolicy.marker`.
        retry_failed: As in `send`.
        stopping: Called for each line; return True to give up.

    Returns:
        The number of rows in each state, as a run would find them.

    Raises:
        StoppedError: If `stopping` returned True.
        JobError: As `send`.
    """
    with JournalFile.scratch_copy(journal) as scratch:
        settings = {"ignore_invalid_phone_numbers": str(ignore_invalid_phone_numbers)}
        if marker is not None:
            settings[MARKER] = marker
        loaded = scratch.add_plan(plan, settings, retry_failed=retry_failed, stopping=stopping, sink=preview)
        preview.left_out = loaded.left_out
        return scratch.counts()
