"""What can be filtered and sorted by: the server's properties and their types."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from attrs import frozen

from campaigns_async.models import Campaign, Contact


class Kind(Enum):
    """The type that the server gives a property, which decides the operators it takes."""

    TEXT = "text"
    INT = "a whole number"
    OPTIONAL_INT = "a whole number or null"
    STATUS = "a status"
    DATE = "a date"

    @property
    def nullable(self) -> bool:
        """Whether the server knows rows without a value; for the others `null` is an error there."""
        return self in (Kind.TEXT, Kind.OPTIONAL_INT)

    @property
    def ordered(self) -> bool:
        """Whether the server takes `<` and `>`."""
        return self in (Kind.INT, Kind.OPTIONAL_INT, Kind.DATE)


@frozen
class Column:
    """One property of a campaign or a contact."""

    model: type[Campaign | Contact]
    name: str
    """As the model has it: `start_date_time`."""
    wire: str
    """As the server has it: `startDateTime`."""
    kind: Kind


def _campaign(name: str, wire: str, kind: Kind) -> Column:
    return Column(Campaign, name, wire, kind)


def _contact(name: str, wire: str) -> Column:
    return Column(Contact, name, wire, Kind.TEXT)


CAMPAIGN_ID: Final = _campaign("id", "id", Kind.TEXT)
START_DATE_TIME: Final = _campaign("start_date_time", "startDateTime", Kind.DATE)
SENDER: Final = _campaign("sender", "sender", Kind.TEXT)
RECIPIENT_COUNT: Final = _campaign("recipient_count", "recipientCount", Kind.INT)
MESSAGE: Final = _campaign("message", "message", Kind.TEXT)
STATUS: Final = _campaign("status", "status", Kind.STATUS)
OPT_OUT_LINK_ID: Final = _campaign("opt_out_link_id", "optOutLinkId", Kind.OPTIONAL_INT)
TRACK_LINK_URL: Final = _campaign("track_link_url", "trackLinkUrl", Kind.TEXT)

CONTACT_ID: Final = _contact("id", "id")
PHONE_NUMBER: Final = _contact("phone_number", "phoneNumber")
NAME: Final = _contact("name", "name")
CUSTOM1: Final = _contact("custom1", "custom1")
CUSTOM2: Final = _contact("custom2", "custom2")

Names = Mapping[str, Column]
"""Columns by the server's name in lower case, since the server finds names in any case."""


def _named(*columns: Column) -> Names:
    return {column.wire.lower(): column for column in columns}


_NAMES: Final[Mapping[type, Names]] = {
    Campaign: _named(
        CAMPAIGN_ID,
        START_DATE_TIME,
        SENDER,
        RECIPIENT_COUNT,
        MESSAGE,
        STATUS,
        OPT_OUT_LINK_ID,
        TRACK_LINK_URL,
    ),
    Contact: _named(CONTACT_ID, PHONE_NUMBER, NAME, CUSTOM1, CUSTOM2),
}


def names_of(model: type[Campaign | Contact]) -> Names:
    """The properties that the server lists of a model."""
    return _NAMES[model]
