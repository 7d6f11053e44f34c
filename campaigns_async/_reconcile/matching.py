"""Rules that decide if a campaign on the server is the one that was sent. No I/O.

"Ours" is the campaign that was sent, "theirs" the one on the server. A wrong decision has one of two costs. If someone
else's campaign is mistaken for ours, nobody receives ours. If ours is overlooked, everybody is texted twice, which is
worse. So a campaign is ours only if nothing contradicts it, and ours
is absent only if every campaign on the server differs in a way that no server can have caused. Otherwise the create stays unknown.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Iterable
from datetime import MINYEAR, UTC, datetime
from functools import cached_property
from typing import ClassVar, TypeAlias

from attrs import field, frozen

from campaigns_async._phone_numbers import to_international
from campaigns_async._reconcile import recipients
from campaigns_async._reconcile.recipients import Match, RecipientIndex, compare_recipients, index_recipients
from campaigns_async.models import Campaign, CampaignStatus, Contact, NewCampaign

_SAME_TIME = 1.0  # seconds: a server may cut or round milliseconds
_LONGEST_SENDER = 11
_SHINGLE = 3


@frozen
class SearchTarget:
    """A create with unknown outcome, and the differences that the server's copy of its campaign may have.

    Attributes:
        new: The campaign.
        ignore_invalid_phone_numbers: The create's argument.
        margin: Seconds, before and after the start time, by which a server may have moved it.
        now: The time of the search, with a time zone: a server may replace a start in the past by its current time.
        unknown_since: A time on the monotonic clock, in seconds, after which no request of the create was sent.
        known_before: The ledger's snapshot before the create was first sent: a campaign that was seen by then is not
            the create's. 0 if an earlier process sent it.
        owner: The create's identity in the ledger. All searches for the same create have an equal owner.
    """

    new: NewCampaign
    ignore_invalid_phone_numbers: bool | None = None
    margin: float = 54_000.0
    now: datetime | None = None
    unknown_since: float = 0.0
    known_before: int = 0
    owner: Hashable = None

    @cached_property
    def start(self) -> datetime:
        """The start time, in UTC."""
        return _to_utc(self.new.start_date_time)

    @cached_property
    def latest(self) -> datetime:
        """The start time, or `now` if the start time has passed."""
        return self.start if self.now is None else max(self.start, _to_utc(self.now))

    @cached_property
    def recipients(self) -> RecipientIndex:
        """The contacts, indexed for lookups."""
        return index_recipients(self.new.contacts)

    @cached_property
    def shingles(self) -> frozenset[str]:
        """The overlapping pieces of the message, by which an altered message is distinguished from a different one."""
        return _shingles(self.new.message)

    @property
    def fields(self) -> tuple[object, ...]:
        """The values of all fields but the contacts."""
        new = self.new
        return new.start_date_time, new.sender, new.message, new.opt_out_link_id, new.track_link_url


def _show_count(contacts: tuple[Contact, ...] | None) -> str:
    return "None" if contacts is None else f"<{len(contacts)}>"


@frozen
class Candidate:
    """A campaign on the server that may be ours.

    Attributes:
        campaign: The campaign.
        contacts: The contacts that were read, maybe not all; None if none were read.
        complete: True if `contacts` are all that the server lists.
    """

    campaign: Campaign
    contacts: tuple[Contact, ...] | None = field(default=None, repr=_show_count)
    complete: bool = False


@frozen
class Found:
    """The verdict on a create whose campaign is on the server.

    Attributes:
        word: The verdict's name in events.
        campaign_id: The campaign's id.
    """

    word: ClassVar[str] = "found"
    campaign_id: str


@frozen
class Absent:
    """The verdict on a create that made no campaign on the server."""

    word: ClassVar[str] = "absent"


@frozen
class Unknown:
    """The verdict on a create that may have made one of these campaigns, the likeliest first, or none."""

    word: ClassVar[str] = "unknown"
    candidates: tuple[Campaign, ...] = ()


Verdict: TypeAlias = Found | Absent | Unknown


def could_match(target: SearchTarget, campaign: Campaign) -> bool:
    """Return True if a campaign may be the target's, before its contacts are read."""
    return _compare_fields(target, campaign) is not Match.NONE


def is_excluded_by(target: SearchTarget, contacts: Iterable[Contact]) -> bool:
    """Return True if some contacts of a campaign prove that it is not the target's."""
    return recipients.is_excluded_by(target.recipients, contacts)


def compare(target: SearchTarget, candidate: Candidate) -> Match:
    """Return how well a candidate matches the target."""
    fields = _compare_fields(target, candidate.campaign)
    if fields is Match.NONE or candidate.contacts is None:
        return min(fields, Match.POSSIBLE)
    return min(
        fields,
        compare_recipients(
            target.recipients,
            candidate.contacts,
            complete=candidate.complete,
            recipient_count=candidate.campaign.recipient_count,
            ignore_invalid=target.ignore_invalid_phone_numbers,
        ),
    )


def _compare_fields(target: SearchTarget, campaign: Campaign) -> Match:
    start = _compare_start(target, campaign.start_date_time)
    if start is Match.NONE:
        return Match.NONE
    has_moved = start is Match.POSSIBLE and _or_none(campaign.start_date_time) is not None
    new = target.new
    return min(
        start,
        _compare_sender(new.sender, campaign.sender),
        _compare_message(target, campaign.message, has_moved=has_moved),
        # A server may set a default for a missing field, drop a field, and shorten a link.
        _compare_exactly(new.opt_out_link_id or 0, campaign.opt_out_link_id or 0),
        _compare_exactly(new.track_link_url or "", campaign.track_link_url or ""),
        # A cancelled campaign may be an earlier one that ours replaces.
        Match.POSSIBLE if campaign.status == CampaignStatus.CANCELLED else Match.CERTAIN,
    )


def _compare_exactly(ours: object, theirs: object) -> Match:
    return Match.CERTAIN if ours == theirs else Match.POSSIBLE


def _compare_start(target: SearchTarget, theirs: datetime | None) -> Match:
    """Compare the start times: certain if equal, possible within the margin.

    A server may read `Z` as its local time, round to minutes, replace a start in the past by its current time, or move
    marketing out of the night.
    """
    moment = _or_none(theirs)
    if moment is None:
        return Match.POSSIBLE
    theirs_at, reach = _to_utc(moment), target.margin + _SAME_TIME
    if abs((theirs_at - target.start).total_seconds()) <= _SAME_TIME:
        return Match.CERTAIN
    too_early = (target.start - theirs_at).total_seconds() > reach
    too_late = (theirs_at - target.latest).total_seconds() > reach
    return Match.NONE if too_early or too_late else Match.POSSIBLE


def _or_none(moment: datetime | None) -> datetime | None:
    return None if moment is None or moment.year == MINYEAR else moment  # .NET's default date is in the year 1


def _to_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _compare_sender(ours: str, theirs: str | None) -> Match:
    if ours == theirs:
        return Match.CERTAIN
    if theirs is None or not theirs.strip() or not ours.strip():
        return Match.POSSIBLE
    number = to_international(ours)
    if number is not None and number == to_international(theirs):
        return Match.POSSIBLE
    shortened = ours[:_LONGEST_SENDER], ours.strip()[:_LONGEST_SENDER]
    variants = {_letters(ours), _letters(ours)[:_LONGEST_SENDER], *map(_letters, shortened)} - {""}
    similar = _letters(theirs) in variants or theirs.strip().casefold() == ours.strip().casefold()
    return Match.POSSIBLE if similar else Match.NONE


def _compare_message(target: SearchTarget, theirs: str | None, *, has_moved: bool) -> Match:
    """Compare the messages: certain if equal, otherwise possible. A server may normalize text, shorten links or add text.

    A campaign at another time whose message does not resemble ours is no match. Without this rule, two campaigns on one
    day would always be possible matches.
    """
    if theirs is None:
        return Match.POSSIBLE
    if _normalize(target.new.message) == _normalize(theirs):
        return Match.CERTAIN
    return Match.NONE if has_moved and not _resembles(target.shingles, _shingles(theirs)) else Match.POSSIBLE


def _normalize(text: str) -> str:
    return unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")


def _resembles(ours: frozenset[str], theirs: frozenset[str]) -> bool:
    """Return True if half of the shorter text is in the longer one, or if one of them has no letters."""
    return 2 * len(ours & theirs) >= min(len(ours), len(theirs))


def _shingles(text: str) -> frozenset[str]:
    letters = _letters(text)
    return frozenset(letters[at : at + _SHINGLE] for at in range(len(letters) - _SHINGLE + 1))


def _letters(text: str) -> str:
    """Return the letters and digits, without case and accents."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text.casefold())))
