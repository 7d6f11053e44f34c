"""What a plan comes to, before any of it is sent. Pure, and small however long the plan is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from attrs import define, field

from campaigns_async.errors import InvalidArgumentError
from campaigns_async.jobs.lines import Line
from campaigns_async.jobs.numbers import number_test
from campaigns_async.models import NewCampaign
from campaigns_async.segments import Encoding, Segments, segments

_SHOWN: Final = 20
_LONGEST_SENDER: Final = 11

LENGTHENED: Final = "a track link or an opt-out link is put in by the server, and may make the text longer than counted"


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
        is_possible: Whether a number can be a mobile phone's; None: as Google's library has it.

    Raises:
        ModuleNotFoundError: phonenumbers is not installed; says how to install it.
        InvalidArgumentError: `now` has no time zone.
    """

    now: datetime
    is_possible: Callable[[str], bool] = field(factory=number_test, repr=False)
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
    _text: str | None = field(init=False, default=None, repr=False)
    _takes: Segments = field(init=False, factory=lambda: segments(""), repr=False)

    def __attrs_post_init__(self) -> None:
        if self.now.utcoffset() is None:
            raise InvalidArgumentError("now must know its time zone")

    def add(self, line: Line, campaign: NewCampaign) -> None:
        """Count in a campaign, and the line it came from."""
        if campaign.message != self._text:  # a split has one text for all
            self._text, self._takes = campaign.message, segments(campaign.message)
        people = len(campaign.contacts)
        self.campaigns += 1
        self.contacts += people
        self.dropped += line.dropped
        self.parts += self._takes.parts * people
        if self._takes.encoding is Encoding.GSM_7:
            self.gsm_7 += 1
        else:
            self.ucs_2 += 1
        if campaign.opt_out_link_id is not None or campaign.track_link_url is not None:
            self.lengthened += 1
        for index, contact in enumerate(campaign.contacts):
            if not self.is_possible(contact.phone_number):
                number, where = line.place(index)
                self.invalid_numbers.add(number, f"{where}phoneNumber")
        if len(campaign.sender) > _LONGEST_SENDER:
            self.long_senders.add(line.number, "sender")
        if campaign.start_date_time < self.now:
            self.passed_starts.add(line.number, "startDateTime")

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON values."""
        counts = ("campaigns", "contacts", "dropped", "parts", "gsm_7", "ucs_2", "lengthened")
        noted = ("invalid_numbers", "long_senders", "passed_starts")
        return {name: getattr(self, name) for name in counts} | {
            name: {"count": getattr(self, name).count, "places": list(getattr(self, name).places)} for name in noted
        }
