"""Rules that decide if a campaign on the server is the one that was sent. No I/O.

"Ours" is the campaign that was sent, "theirs" the one on the server. A wrong decision has one of two costs. If someone
else's campaign is mistaken for ours, nobody receives ours. If ours is overlooked, everybody is texted twice, which is
worse. So a campaign is ours only if it is equal in all fields and recipients, and ours is absent only if each campaign on
the server goes to other people, or was there before. Otherwise the create stays unknown.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable
from datetime import datetime
from functools import cached_property
from typing import ClassVar, TypeAlias

from attrs import field, frozen

from campaigns_async._reconcile.ledger import fields_of, find_differences, to_utc
from campaigns_async._reconcile.recipients import Match, RecipientIndex, compare_recipients, index_recipients
from campaigns_async.models import Campaign, CampaignStatus, Contact, NewCampaign

_SHINGLE = 3


@frozen
class SearchTarget:
    """A create with unknown outcome.

    Attributes:
        new: The campaign.
        ignore_invalid_phone_numbers: The create's argument.
        attempted: The time of the first attempt: a server may replace a start in the past by its current time.
        settled_at: A time on the monotonic clock, in seconds, before which the campaign's absence proves nothing.
        known_before: The ledger's snapshot before the create was first sent: a campaign that was seen by then is not
            the create's. 0 if an earlier process sent it.
        first_claim: The position in the order of the journal's ids at which the create was first sent: a campaign with a
            lower position is not the create's.
        is_applied: True if the create was certainly carried out, and its campaign's id is unknown.
        owner: The create's identity in the ledger. All searches for the same create have an equal owner.
        token: The text in the marker's field of each contact; None without a marker.
    """

    new: NewCampaign
    ignore_invalid_phone_numbers: bool | None = None
    attempted: datetime | None = None
    settled_at: float = 0.0
    known_before: int = 0
    first_claim: int = 0
    is_applied: bool = False
    owner: Hashable = None
    token: str | None = None

    @cached_property
    def start(self) -> datetime:
        """The start time, in UTC."""
        return to_utc(self.new.start_date_time)

    @cached_property
    def recipients(self) -> RecipientIndex:
        """The contacts, indexed for lookups."""
        return index_recipients(self.new.contacts)

    @cached_property
    def shingles(self) -> frozenset[str]:
        """The overlapping pieces of the message, by which an altered message is distinguished from a different one."""
        return _shingles(self.new.message)


def _show_count(contacts: tuple[Contact, ...] | None) -> str:
    return "None" if contacts is None else f"<{len(contacts)}>"


@frozen
class Candidate:
    """A campaign on the server that may be ours.

    Attributes:
        campaign: The campaign.
        contacts: The contacts that were read, maybe not all; None if none were read.
        complete: True if `contacts` are all that the server lists.
        tokens: The texts in the marker's field of the contacts.
    """

    campaign: Campaign
    contacts: tuple[Contact, ...] | None = field(default=None, repr=_show_count)
    complete: bool = False
    tokens: frozenset[str] = field(default=frozenset(), repr=False)


@frozen
class Found:
    """The verdict on a create whose campaign is on the server."""

    word: ClassVar[str] = "found"  # the verdict's name in events
    campaign_id: str


@frozen
class Absent:
    """The verdict on a create that made no campaign on the server."""

    word: ClassVar[str] = "absent"


@frozen
class Unknown:
    """The verdict on a create that may have made one of these campaigns, the likeliest first, or none.

    Attributes:
        reason: Why the search ended without an answer, if it is not the candidates.
    """

    word: ClassVar[str] = "unknown"
    candidates: tuple[Campaign, ...] = ()
    reason: str | None = None


Verdict: TypeAlias = Found | Absent | Unknown


def compare(target: SearchTarget, candidate: Candidate) -> Match:
    """Return how well a candidate matches the target."""
    campaign = candidate.campaign
    audience = compare_recipients(
        target.recipients,
        candidate.contacts,
        complete=candidate.complete,
        recipient_count=campaign.recipient_count,
        ignore_invalid=target.ignore_invalid_phone_numbers,
    )
    if audience.is_clearly_other and campaign.message and not resembles(target, campaign):
        return Match.NONE
    # A cancelled campaign may be an earlier one that ours replaces.
    if audience.match is not Match.CERTAIN or campaign.status == CampaignStatus.CANCELLED:
        return audience.match if audience.match is Match.NONE else Match.POSSIBLE
    # Fields alone exclude no campaign: a server may have altered any of them. The recipients were compared above.
    differences = find_differences(fields_of(target.new), campaign) - {"recipientCount"}
    return Match.POSSIBLE if differences else Match.CERTAIN


def resembles(target: SearchTarget, campaign: Campaign) -> bool:
    """Return True if half of the shorter text is in the longer one, or if one of them has no letters."""
    ours, theirs = target.shingles, _shingles(campaign.message or "")
    return 2 * len(ours & theirs) >= min(len(ours), len(theirs))


def _shingles(text: str) -> frozenset[str]:
    letters = _letters(text)
    return frozenset(letters[at : at + _SHINGLE] for at in range(len(letters) - _SHINGLE + 1))


def _letters(text: str) -> str:
    """Return the letters and digits, without case and accents."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text.casefold())))
