"""The campaigns of a sandbox, the contacts of each, and the messages that they send."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from attrs import frozen

from ._clock import Clock, Lifecycle, Schedule
from ._dotnet import TICKS_PER_SECOND, parse_iso_ticks, write_ticks
from ._mobile_numbers import get_final_status, parse_mobile, write_mobile
from ._request_bodies import CreateBody, NewContact
from ._rows import COMPLETED, SENDING, SUBMITTED, Row, Wire
from ._settings import Quirks, WireRow

_MESSAGE_SENT: Final = 0


@frozen
class DoubleSend:
    """Two campaigns, or one campaign twice, that send the same text to the same people.

    Attributes:
        first: The id of the campaign that starts first.
        second: The id of the other one.
        people: The number of people who get the text from both.
    """

    first: str
    second: str
    people: int

    def __str__(self) -> str:
        people = "1 person" if self.people == 1 else f"{self.people} people"
        if self.first == self.second:
            return f"campaign {self.first} texts {people} twice"
        return f"campaigns {self.first} and {self.second} send the same text to {people}"


class Store:
    """Campaigns in their order, each with its contacts."""

    def __init__(
        self, *, seed: int | None, quirks: Quirks, clock: Clock | None = None, lifecycle: Lifecycle | None = None
    ) -> None:
        self._random = random.Random(seed)
        self._quirks = quirks
        self._clock = clock or Clock()
        self._schedule = Schedule(lifecycle or Lifecycle())
        self._rows: list[Row] = []
        self._by_id: dict[str, Row] = {}
        self._contacts: dict[str, list[Row]] = {}
        # The rows of campaigns created over HTTP, including deleted ones, each as it was created.
        self._created: dict[Row, tuple[Wire, list[Row]]] = {}
        self._hidden: dict[Row, Callable[[], bool]] = {}

    def seed(self, wire: WireRow, contacts: Iterable[WireRow], at: int | None) -> None:
        """Add a campaign without validating it: at the end, or at an index from 0."""
        row = Row(dict(wire))
        campaign_id = str(row.wire["id"])
        if campaign_id in self._by_id:
            raise ValueError(f"there is a campaign {campaign_id!r} already")
        self._rows.insert(len(self._rows) if at is None else at, row)
        self._by_id[campaign_id] = row
        self._contacts[campaign_id] = [Row(dict(contact)) for contact in contacts]

    def create(self, new: CreateBody) -> Row:
        """Store a campaign that was created over HTTP, with its contacts."""
        campaign_id = self._make_id()
        contacts = [self._make_contact_row(contact) for contact in new.contacts]
        fields = self._convert_fields(new.fields)
        wire: Wire = {"id": campaign_id, **fields, "recipientCount": len(contacts), "status": 0}
        row = Row(wire)
        self._rows.append(row)
        self._by_id[campaign_id] = row
        self._contacts[campaign_id] = contacts
        self._created[row] = wire, contacts
        self._schedule.add(row)
        return row

    def advance(self) -> None:
        """Update the statuses of campaigns to those that they have reached by now."""
        self._schedule.advance(self._clock.now_ticks())

    def has_started(self, campaign_id: str) -> bool:
        """Return True if a campaign has started, and can no longer be changed or deleted."""
        row = self._by_id.get(campaign_id)
        status = None if row is None else row.wire.get("status")
        return isinstance(status, int) and status in {SENDING, SUBMITTED, COMPLETED}

    def update(self, campaign_id: str, fields: Wire) -> bool:
        """Change the fields of an update. Return False if there is no such campaign."""
        row = self._by_id.get(campaign_id)
        if row is None:
            return False
        row.replace({**row.wire, **self._convert_fields(fields)})
        if row in self._created:
            self._schedule.add(row)
        return True

    def delete(self, campaign_id: str) -> bool:
        """Remove a campaign. Return False if there is no such campaign."""
        row = self._by_id.pop(campaign_id, None)
        if row is None:
            return False
        row.deleted = True
        self._rows.remove(row)
        del self._contacts[campaign_id]
        return True

    def get(self, campaign_id: str) -> Row | None:
        return self._by_id.get(campaign_id)

    def get_contacts(self, campaign_id: str) -> Sequence[Row] | None:
        return self._contacts.get(campaign_id)

    def hide_newest(self, is_hidden: Callable[[], bool]) -> None:
        """Hide the campaign that was stored last from lists while `is_hidden` returns True."""
        self._hidden[self._rows[-1]] = is_hidden

    def list_visible(self) -> Sequence[Row]:
        """Return the campaigns that lists show now."""
        self._hidden = {row: is_hidden for row, is_hidden in self._hidden.items() if is_hidden()}
        return [row for row in self._rows if row not in self._hidden] if self._hidden else self._rows

    @property
    def all(self) -> Sequence[Row]:
        return self._rows

    @property
    def created(self) -> list[Wire]:
        """The campaigns that were created over HTTP, as they were created, with their contacts."""
        created = self._created.values()
        return [{**wire, "contacts": [dict(row.wire) for row in contacts]} for wire, contacts in created]

    def list_messages(self) -> Iterator[Wire]:
        """Yield the message to each person, of created campaigns that were submitted."""
        for row in self._created:
            campaign_id, status = row.wire["id"], row.wire["status"]
            if row.deleted or status not in {SUBMITTED, COMPLETED}:
                continue
            for contact in self._contacts[campaign_id]:
                number = contact.wire["phoneNumber"]
                message_status = get_final_status(number) if status == COMPLETED else _MESSAGE_SENT
                yield {"campaignId": campaign_id, "phoneNumber": number, "status": message_status}

    def find_double_sends(self, within: timedelta) -> list[DoubleSend]:
        """Find pairs of created campaigns that send the same text from the same sender to the same people.

        Each campaign is compared with the last campaign before it, in order of their starts, to the same person.
        """
        reach = max(1.0, within.total_seconds() * TICKS_PER_SECOND)  # the same moment always counts
        shared: dict[tuple[str, str], int] = defaultdict(int)
        latest: dict[tuple[object, object], dict[str, Row]] = defaultdict(dict)
        for row in sorted((row for row in self._created if not row.deleted), key=_get_start):
            last = latest[row.wire["sender"], row.wire["message"]]
            for contact in self._contacts[row.wire["id"]]:
                number = contact.wire["phoneNumber"]
                person = parse_mobile(number) or str(number)
                previous = last.get(person)
                if previous is not None and _get_start(row) - _get_start(previous) < reach:
                    shared[previous.wire["id"], row.wire["id"]] += 1
                last[person] = row
        return [DoubleSend(first, second, people) for (first, second), people in shared.items()]

    def make_trace_id(self) -> str:
        """Return a random trace id, in the W3C form of ASP.NET's answers."""
        return f"00-{self._random.getrandbits(128):032x}-{self._random.getrandbits(64):016x}-00"

    def _make_id(self) -> str:
        while True:
            campaign_id = f"{self._random.getrandbits(40):010x}"
            if campaign_id not in self._by_id and not campaign_id.isalpha():  # clients expect a digit in an id
                return campaign_id

    def _convert_fields(self, fields: Wire) -> Wire:
        start = parse_iso_ticks(fields["startDateTime"])
        alter = self._quirks.message_text
        return {
            **fields,
            "startDateTime": None if start is None else write_ticks(start, "milliseconds"),
            "message": fields["message"] if alter is None else alter(fields["message"]),
        }

    def _make_contact_row(self, contact: NewContact) -> Row:
        style = self._quirks.phones
        if style is not None and contact.digits is not None:
            contact.wire["phoneNumber"] = write_mobile(contact.digits, style)
        if self._quirks.drops_custom:
            contact.wire.update(custom1=None, custom2=None)
        contact.wire["id"] = f"{self._random.getrandbits(48):012x}"
        return Row(contact.wire)


def _get_start(row: Row) -> int:
    return row.ticks or 0
