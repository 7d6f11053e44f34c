"""The lines of a plan, and the campaigns that they hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Final, Literal, Protocol, TypeAlias, runtime_checkable
from uuid import UUID

import msgspec
from attrs import field, frozen

from campaigns_async._checks import check_choice, check_instance
from campaigns_async._http.campaign_rules import CampaignBody
from campaigns_async.jobs.job_errors import BadLine
from campaigns_async.models import NewCampaign, NewContact

Duplicates: TypeAlias = Literal["refuse", "keep", "drop"]
_decode: Final = msgspec.json.Decoder(CampaignBody).decode


@frozen
class PlanRules:
    """The choices of the user that decide what a line is sent as."""

    duplicates: Duplicates = "refuse"
    allow_braces: bool = False

    def __attrs_post_init__(self) -> None:
        check_choice("duplicates", self.duplicates, ("refuse", "keep", "drop"))
        check_instance("allow_braces", self.allow_braces, bool)

    @property
    def digest_person(self) -> bytes:
        """Keeps the digests of lines apart that are read by other rules; 16 bytes at most."""
        return f"{self.duplicates} {self.allow_braces}".encode()


@frozen
class PlanRow:
    """A campaign of a plan, checked and encoded.

    Attributes:
        key: The user's; in a positional plan the place, from 1.
        body: The request body, sent byte for byte.
        numbers: The phone numbers that the body holds.
        dropped: The phone numbers that were left out, since they stand before.
        has_link: True if the server puts a link into the text.
    """

    key: str = field(repr=False)
    body: bytes = field(repr=False)
    start: datetime
    sender: str = field(repr=False)
    message: str = field(repr=False)
    numbers: Sequence[str] = field(repr=False)
    dropped: Sequence[str] = field(repr=False)
    has_link: bool


class Line(Protocol):
    """A line of a plan, read cheaply; parsed and checked by `read`."""

    @property
    def number(self) -> int:
        """The line in the file, from 1; in a CSV the line of the campaign's first contact."""
        ...

    @property
    def digest(self) -> int | None:
        """A digest of the line and the plan's rules: an equal line is sent as the same. None if it costs as much as `read`."""
        ...

    @property
    def size(self) -> int:
        """The bytes that the line holds in memory, roughly."""
        ...

    def read(self) -> PlanRow:
        """Return the campaign.

        Raises:
            BadLineError: If it cannot be sent; holds all that is wrong with it.
        """
        ...

    def place(self, contact: int, /) -> tuple[int, str]:
        """Return the line of a contact that is sent (from 0), and the prefix of its fields: `contacts[3].`."""
        ...


@runtime_checkable
class Plan(Protocol):
    """Campaigns to send, in an order that stays."""

    @property
    def positional(self) -> bool:
        """True if keys are places, so that a plan with other options is another plan."""
        ...

    @property
    def identified(self) -> bool:
        """True if a plan with equal options has equal lines, so that they need not be read again."""
        ...

    def options(self) -> Mapping[str, str]:
        """Return what must be equal in every run of one journal. Holds digests instead of texts.

        Raises:
            PlanError: If the file cannot be read.
        """
        ...

    def lines(self) -> Iterator[Line | BadLine]:
        """Yield the lines, from the first on in each call, read one by one.

        Raises:
            PlanError: If the file cannot be read, or holds no campaign.
        """
        ...


def digest(content: bytes, *, person: bytes = b"") -> int:
    """Return a signed 64-bit digest."""
    return int.from_bytes(blake2b(content, digest_size=8, person=person).digest(), "big", signed=True)


def campaign_of(body: bytes) -> NewCampaign:
    """Return the campaign that a plan's request body holds."""
    decoded = _decode(body)
    return NewCampaign(
        datetime.fromisoformat(decoded.start_date_time),
        decoded.sender,
        decoded.message,
        [
            NewContact(
                contact.phone_number,
                contact.name,
                contact.custom1,
                contact.custom2,
                None if contact.contact_group_id is None else UUID(contact.contact_group_id),
            )
            for contact in decoded.contacts
        ],
        decoded.opt_out_link_id,
        decoded.track_link_url,
    )
