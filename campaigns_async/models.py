"""Campaigns and contacts (provider's documentation, Campaigns).

Fields bear the wire's names in snake_case. No `repr` here shows a phone number, a name, a message or a
sender, which may be a phone number too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from enum import IntEnum
from typing import Generic, TypeVar
from uuid import UUID

from attrs import field, frozen

from campaigns_async.errors import InvalidArgumentError

T = TypeVar("T")
_HUMP = re.compile(r"_([a-z])")


_CAPITAL = re.compile(r"[A-Z]")


def camel(name: str) -> str:
    """The wire's spelling of a field: `start_date_time` to `startDateTime`."""
    return _HUMP.sub(lambda match: match[1].upper(), name)


def snake(name: str) -> str:
    """Return the field's name for the wire's spelling: `startDateTime` to `start_date_time`."""
    return _CAPITAL.sub(lambda match: f"_{match[0].lower()}", name)


class CampaignStatus(IntEnum):
    """Where a campaign stands (provider's documentation, Value types). Unknown numbers are kept."""

    PENDING = 0
    SENDING = 1
    SUBMITTED = 2
    PAUSED = 3
    CANCELLED = 4
    COMPLETED = 5

    @classmethod
    def _missing_(cls, value: object) -> CampaignStatus | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        return member


@frozen
class CampaignUpdate:
    """What a campaign is to be: an update replaces all of it, so a field left None is emptied.

    Start from `Campaign.to_update()` and `attrs.evolve` to change one field.
    """

    start_date_time: datetime
    """Must know its time zone; sent as UTC, cut to milliseconds."""
    sender: str = field(repr=False)
    message: str = field(repr=False)
    opt_out_link_id: int | None = None
    track_link_url: str | None = field(default=None, repr=False)


@frozen
class Campaign:
    """A campaign as the server tells it. Any field but `id` is None where the server left it out."""

    id: str
    start_date_time: datetime | None = None
    """In UTC."""
    sender: str | None = field(default=None, repr=False)
    recipient_count: int | None = None
    message: str | None = field(default=None, repr=False)
    status: CampaignStatus | None = None
    opt_out_link_id: int | None = None
    track_link_url: str | None = field(default=None, repr=False)

    def to_update(self) -> CampaignUpdate:
        """The update that changes nothing.

        Raises:
            InvalidArgumentError: The server left out a field that an update must have.
        """
        if self.start_date_time is None or self.sender is None or self.message is None:
            needed = ("start_date_time", "sender", "message")
            missing = ", ".join(name for name in needed if getattr(self, name) is None)
            raise InvalidArgumentError(
                f"an update replaces the whole campaign, and the server did not tell its {missing}"
            )
        return CampaignUpdate(
            start_date_time=self.start_date_time,
            sender=self.sender,
            message=self.message,
            opt_out_link_id=self.opt_out_link_id,
            track_link_url=self.track_link_url,
        )


@frozen
class NewContact:
    """A person to text."""

    phone_number: str = field(repr=False)
    name: str | None = field(default=None, repr=False)
    custom1: str | None = field(default=None, repr=False)
    custom2: str | None = field(default=None, repr=False)
    contact_group_id: UUID | None = None


def _contacts(value: Iterable[NewContact]) -> tuple[NewContact, ...]:
    if hasattr(value, "__iter__"):
        return tuple(value)
    raise InvalidArgumentError(
        f"contacts must be an iterable of NewContact, not {type(value).__name__}", parameter="contacts"
    )


@frozen
class NewCampaign:
    """A campaign to create: one text to many people, at a start time."""

    start_date_time: datetime
    """Must know its time zone; sent as UTC, cut to milliseconds."""
    sender: str = field(repr=False)
    message: str = field(repr=False)
    contacts: tuple[NewContact, ...] = field(converter=_contacts, repr=lambda contacts: f"<{len(contacts)}>")
    opt_out_link_id: int | None = None
    track_link_url: str | None = field(default=None, repr=False)


@frozen
class Contact:
    """A person of a campaign as the server tells it. Any field but `id` may be None."""

    id: str
    phone_number: str | None = field(default=None, repr=False)
    name: str | None = field(default=None, repr=False)
    custom1: str | None = field(default=None, repr=False)
    custom2: str | None = field(default=None, repr=False)


@frozen
class Page(Generic[T]):
    """One page of a listing, as the server sent it."""

    index: int | None
    """From 1; None when the server did not say."""
    total_pages: int | None
    total_records: int | None
    items: tuple[T, ...] = field(repr=lambda items: f"<{len(items)}>")
