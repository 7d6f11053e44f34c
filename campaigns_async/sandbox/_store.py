"""The provider's data: campaigns, the contacts of each, and who is texted."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final

from attrs import frozen

from ._bodies import NewBody, NewContact, phone_digits
from ._clock import BEGUN, COMPLETED, SUBMITTED, Clock, Lifecycle, Schedule
from ._dotnet import TICKS_PER_SECOND, iso_ticks, write_ticks
from ._settings import PhoneStyle, Quirks, WireRow
from ._sieve import Row, Wire

A_DAY: Final = timedelta(days=1)
"""The default for how close the start times of a double send are."""

SENT: Final = 0
DELIVERED: Final = 1

# Magic recipients: numbers 07700 9000NX of Ofcom's range for fiction, where N decides what becomes of the message.
# X is any digit, so that tests side by side need not share numbers.
_MAGIC_PREFIX: Final = "4477009000"
_MAGIC_LENGTH: Final = 12
_MAGIC_INVALID: Final = "3"
_MAGIC_STATUSES: Final[Mapping[str, int]] = {"1": 5, "2": 7, "4": 1000}


def _magic_choice(digits: str | None) -> str:
    if digits is None or len(digits) != _MAGIC_LENGTH or not digits.startswith(_MAGIC_PREFIX):
        return ""
    return digits[len(_MAGIC_PREFIX)]


def magic_digits(text: object) -> str | None:
    """Return the international digits of a mobile number; None if it is invalid, by its form or by magic."""
    digits = phone_digits(text)
    return None if _magic_choice(digits) == _MAGIC_INVALID else digits


@frozen
class DoubleSend:
    """Two campaigns, or one campaign twice, that bring the same text to the same people.

    Attributes:
        first: The id of the campaign that starts first.
        second: The id of the other one.
        people: Number of people who get the text from both.
    """

    first: str
    second: str
    people: int

    def __str__(self) -> str:
        people = "1 person" if self.people == 1 else f"{self.people} people"
        if self.first == self.second:
            return f"campaign {self.first} texts {people} twice"
        return f"campaigns {self.first} and {self.second} bring the same text to {people}"


class Store:
    """Campaigns in their order, each with its contacts.

    Args:
        seed: Seed of the generated ids; None for other ids each time.
        quirks: How values are stored.
        clock: The sandbox's time.
        lifecycle: How created campaigns move on.
    """

    def __init__(
        self,
        *,
        seed: int | None,
        quirks: Quirks,
        clock: Clock | None = None,
        lifecycle: Lifecycle | None = None,
    ) -> None:
        self._random = random.Random(seed)
        self._quirks = quirks
        self._clock = clock or Clock()
        self._schedule = Schedule(lifecycle or Lifecycle())
        self._rows: list[Row] = []
        self._by_id: dict[str, Row] = {}
        self._contacts: dict[str, list[Row]] = {}
        self._created: list[tuple[Wire, list[Row]]] = []
        self._ours: dict[Row, None] = {}
        self._hidden: list[Row] = []

    def seed(self, wire: WireRow, contacts: Iterable[WireRow], at: int | None) -> None:
        """Add a campaign as it is given, unvalidated; at the end, or at an index from 0.

        Raises:
            ValueError: If there is one with that id already.
        """
        row = Row.of_campaign(dict(wire))
        key = str(row.wire["id"])
        if key in self._by_id:
            raise ValueError(f"there is a campaign {key!r} already")
        self._rows.insert(len(self._rows) if at is None else at, row)
        self._by_id[key] = row
        self._contacts[key] = [Row(dict(contact)) for contact in contacts]

    def create(self, new: NewBody) -> Row:
        """Store a campaign that came over HTTP, with its contacts."""
        key = self._new_id()
        wire: Wire = {
            "id": key,
            **self._as_stored(new.fields),
            "recipientCount": len(new.contacts),
            "status": 0,
        }
        row = Row.of_campaign(wire)
        contacts = [self._contact_row(contact) for contact in new.contacts]
        self._rows.append(row)
        self._by_id[key] = row
        self._contacts[key] = contacts
        self._created.append((wire, contacts))
        self._ours[row] = None
        self._schedule.put(row)
        return row

    def move_on(self) -> None:
        """Let campaigns begin and end whose time has come."""
        self._schedule.run(self._clock.ticks())

    def has_begun(self, key: str) -> bool:
        """Return whether a campaign has begun, and can no longer be changed."""
        row = self._by_id.get(key)
        status = None if row is None else row.wire.get("status")
        return isinstance(status, int) and status in BEGUN

    def update(self, key: str, fields: Wire) -> bool:
        """Change the fields of an update; return False if there is no such campaign."""
        row = self._by_id.get(key)
        if row is None:
            return False
        row.replace({**row.wire, **self._as_stored(fields)})
        if row in self._ours:
            self._schedule.put(row)
        return True

    def delete(self, key: str) -> bool:
        """Remove a campaign; return False if there is none."""
        row = self._by_id.pop(key, None)
        if row is None:
            return False
        row.deleted = True
        self._ours.pop(row, None)
        self._rows.remove(row)
        del self._contacts[key]
        return True

    def get(self, key: str) -> Row | None:
        """Return a campaign; None if there is none."""
        return self._by_id.get(key)

    def contacts(self, key: str) -> Sequence[Row] | None:
        """Return the contacts of a campaign; None if there is no such campaign."""
        return self._contacts.get(key)

    def hide_newest(self, is_hidden: Callable[[], bool]) -> None:
        """Leave the campaign that was stored last out of lists while `is_hidden` returns True."""
        row = self._rows[-1]
        row.hidden = is_hidden
        self._hidden.append(row)

    def listed(self) -> Sequence[Row]:
        """Return the campaigns that lists show now."""
        if self._hidden:
            self._hidden = [row for row in self._hidden if row.hidden is not None and row.hidden()]
        if not self._hidden:
            return self._rows
        hidden = set(self._hidden)
        return [row for row in self._rows if row not in hidden]

    @property
    def all(self) -> Sequence[Row]:
        """Every campaign, hidden or not."""
        return self._rows

    @property
    def created(self) -> list[Wire]:
        """The campaigns that were created over HTTP, as they were then, with their contacts."""
        return [{**wire, "contacts": [dict(row.wire) for row in contacts]} for wire, contacts in self._created]

    def messages(self) -> Iterator[Wire]:
        """Yield the message to each person, of created campaigns that were submitted."""
        for row in self._ours:
            status = row.wire["status"]
            if status not in {SUBMITTED, COMPLETED}:
                continue
            for contact in self._contacts[row.wire["id"]]:
                number = contact.wire["phoneNumber"]
                choice = _magic_choice(phone_digits(number))
                final = _MAGIC_STATUSES.get(choice, DELIVERED) if status == COMPLETED else SENT
                yield {"campaignId": row.wire["id"], "phoneNumber": number, "status": final}

    def double_sends(self, within: timedelta) -> list[DoubleSend]:
        """Find pairs of created campaigns that bring the same text from the same sender to the same people.

        Each campaign is compared with the one before it, in order of their starts, that went to the same person.

        Args:
            within: How far apart the starts of a pair are at most.
        """
        reach = max(1.0, within.total_seconds() * TICKS_PER_SECOND)  # the same moment always counts
        shared: dict[tuple[str, str], int] = defaultdict(int)
        latest: dict[tuple[object, object], dict[str, Row]] = defaultdict(dict)
        for row in sorted(self._ours, key=_start_of):
            last = latest[row.wire["sender"], row.wire["message"]]
            for contact in self._contacts[row.wire["id"]]:
                number = contact.wire["phoneNumber"]
                person = phone_digits(number) or str(number)
                before = last.get(person)
                if before is not None and _start_of(row) - _start_of(before) < reach:
                    shared[before.wire["id"], row.wire["id"]] += 1
                last[person] = row
        return [DoubleSend(first, second, people) for (first, second), people in shared.items()]

    def trace_id(self) -> str:
        """Return a made-up trace id, in the W3C form that ASP.NET answers with."""
        return f"00-{self._random.getrandbits(128):032x}-{self._random.getrandbits(64):016x}-00"

    def _new_id(self) -> str:
        while (key := f"{self._random.getrandbits(40):010x}") in self._by_id:
            pass
        return key

    def _as_stored(self, fields: Wire) -> Wire:
        start = iso_ticks(fields["startDateTime"])
        alter = self._quirks.message_text
        return {
            **fields,
            "startDateTime": None if start is None else write_ticks(start, "milliseconds"),
            "message": fields["message"] if alter is None else alter(fields["message"]),
        }

    def _contact_row(self, contact: NewContact) -> Row:
        style = self._quirks.phones
        if style is not None and contact.digits is not None:
            contact.wire["phoneNumber"] = _write_phone(contact.digits, style)
        contact.wire["id"] = f"{self._random.getrandbits(48):012x}"
        return Row(contact.wire)


def _start_of(row: Row) -> int:
    return row.ticks or 0


def _write_phone(digits: str, style: PhoneStyle) -> str:
    """Write international digits in a notation; only British numbers have a national one."""
    if style == "plus":
        return "+" + digits
    if style == "national" and digits.startswith("44"):
        return "0" + digits[2:]
    return digits
