"""The provider's data: campaigns, and the contacts of each."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from .clock import Clock
from .double_send import Sent
from .lifecycle import BEGUN, COMPLETED, SUBMITTED, Lifecycle, Schedule
from .magic import SENT, message_status
from .numbers import phone_digits
from .schema import Row, Wire
from .values import iso_ticks, write_ticks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from .quirks import PhoneStyle, Quirks
    from .validation import NewBody, NewContact


class Store:
    """Campaigns in their order, each with its contacts.

    Args:
        seed: For the ids that are made up; None: other ones each time.
        quirks: How values are stored.
        clock: What time it is.
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

    def seed(self, wire: Mapping[str, Any], contacts: Iterable[Mapping[str, Any]], at: int | None) -> None:
        """Put a campaign in as it is given, unvalidated; at the end, or at an index from 0."""
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
        """Have campaigns begin and end whose time has come."""
        self._schedule.run(self._clock.ticks())

    def has_begun(self, key: str) -> bool:
        """Whether a campaign can be changed no more."""
        row = self._by_id.get(key)
        status = None if row is None else row.wire.get("status")
        return isinstance(status, int) and status in BEGUN

    def update(self, key: str, fields: Wire) -> bool:
        """Change the fields that an update has; False when there is no such campaign."""
        row = self._by_id.get(key)
        if row is None:
            return False
        row.replace({**row.wire, **self._as_stored(fields)})
        if row in self._ours:
            self._schedule.put(row)
        return True

    def delete(self, key: str) -> bool:
        """Take a campaign away; False when there is none."""
        row = self._by_id.pop(key, None)
        if row is None:
            return False
        row.deleted = True
        self._ours.pop(row, None)
        self._rows.remove(row)
        del self._contacts[key]
        return True

    def get(self, key: str) -> Row | None:
        """One campaign."""
        return self._by_id.get(key)

    def contacts(self, key: str) -> Sequence[Row] | None:
        """The contacts of one campaign; None when there is no such campaign."""
        return self._contacts.get(key)

    def hide_newest(self, is_hidden: Callable[[], bool]) -> None:
        """Leave the campaign that was stored last out of lists, while `is_hidden` says so."""
        row = self._rows[-1]
        row.hidden = is_hidden
        self._hidden.append(row)

    def listed(self) -> Sequence[Row]:
        """The campaigns that lists show now."""
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
    def created(self) -> Sequence[tuple[Wire, list[Row]]]:
        """What was created over HTTP, as it was then."""
        return self._created

    def messages(self) -> Iterator[Wire]:
        """What went out to each person, of created campaigns that were submitted."""
        for row in self._ours:
            status = row.wire["status"]
            if status not in {SUBMITTED, COMPLETED}:
                continue
            for contact in self._contacts[row.wire["id"]]:
                number = contact.wire["phoneNumber"]
                final = message_status(phone_digits(number)) if status == COMPLETED else SENT
                yield {"campaignId": row.wire["id"], "phoneNumber": number, "status": final}

    def to_be_sent(self) -> Iterator[Sent]:
        """The created campaigns that went out, or will."""
        for row in self._ours:
            wire = row.wire
            numbers = [contact.wire["phoneNumber"] for contact in self._contacts[wire["id"]]]
            people = [phone_digits(number) or str(number) for number in numbers]
            yield Sent(wire["id"], row.ticks, wire["sender"], wire["message"], people)

    def trace_id(self) -> str:
        """A made-up trace id, in the W3C form that ASP.NET answers with."""
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
            contact.wire["phoneNumber"] = write_phone(contact.digits, style)
        contact.wire["id"] = f"{self._random.getrandbits(48):012x}"
        return Row(contact.wire)


def write_phone(digits: str, style: PhoneStyle) -> str:
    """Write international digits in a notation; only British numbers have a national one."""
    if style == "plus":
        return "+" + digits
    if style == "national" and digits.startswith("44"):
        return "0" + digits[2:]
    return digits
