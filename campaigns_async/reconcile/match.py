"""Found, absent or in doubt: is what was sent among the campaigns on the server? No I/O.

There are two ways to be wrong. Taking another's campaign for ours means that nobody is texted; missing ours
means that everyone is texted twice, which is worse. So a candidate is ours only when nothing speaks against it,
and none of ours only when something no server can have done to ours does; all between is doubt.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import MINYEAR, UTC, datetime
from functools import cached_property

from attrs import astuple, field, frozen

from campaigns_async.models import Campaign, CampaignStatus, Contact, NewCampaign
from campaigns_async.reconcile import people
from campaigns_async.reconcile.likeness import Likeness
from campaigns_async.reconcile.numbers import international

_SAME_TIME = 1.0  # seconds: a server may cut milliseconds, or round them
_LONGEST_SENDER = 11
_SHINGLE = 3


@frozen
class Sought:
    """What was sent, and how far from it the server's image of it may lie. Made once for each create.

    Attributes:
        new: What was sent.
        ignore_invalid_phone_numbers: What the server was told to do about invalid numbers.
        margin: Seconds to either side of the start time within which a server may have moved it.
    """

    new: NewCampaign
    ignore_invalid_phone_numbers: bool | None = None
    margin: float = 54_000.0
    now: datetime | None = None
    """When it is looked for, aware: a server may put a start that has passed at its own now."""

    @cached_property
    def latest(self) -> datetime:
        """The start time, or now where that has passed."""
        return self.start if self.now is None else max(self.start, _utc(self.now))

    @cached_property
    def sent(self) -> people.Sent:
        """Its contacts, for looking up."""
        return people.Sent.of(self.new.contacts)

    @cached_property
    def start(self) -> datetime:
        """Its start time, in UTC."""
        return _utc(self.new.start_date_time)

    @cached_property
    def shingles(self) -> frozenset[str]:
        """Its message, for telling altered from different."""
        return _shingles(self.new.message)


def _how_many(contacts: tuple[Contact, ...] | None) -> str:
    return "None" if contacts is None else f"<{len(contacts)}>"


@frozen
class Candidate:
    """A campaign on the server that may be the one, with as much of its contacts as was read."""

    campaign: Campaign
    contacts: tuple[Contact, ...] | None = field(default=None, repr=_how_many)
    """None: not read yet, or they could not be."""
    complete: bool = False
    """Whether `contacts` are all that the server lists."""


@frozen
class Found:
    """It is there."""

    campaign_id: str


@frozen
class Absent:
    """None of the candidates can be it."""


@frozen
class InDoubt:
    """It may be one of these, the likeliest first; or none."""

    candidates: tuple[Campaign, ...]


def worth_reading(sought: Sought, campaign: Campaign) -> bool:
    """Whether a campaign may be the one, before its contacts are read."""
    return _compare_fields(sought, campaign) is not Likeness.OTHER


def excluded_by(sought: Sought, contacts: Iterable[Contact]) -> bool:
    """Whether these of a campaign's contacts already prove that it is not the one: the others need no reading.

    One page will do; all pages so far see a little more.
    """
    return people.excluded_by(sought.sent, contacts)


def compare(sought: Sought, candidate: Candidate) -> Likeness:
    """How like what was sent a candidate is."""
    fields = _compare_fields(sought, candidate.campaign)
    if fields is Likeness.OTHER or candidate.contacts is None:
        return min(fields, Likeness.MAYBE)
    return min(
        fields,
        people.compare_people(
            sought.sent,
            candidate.contacts,
            complete=candidate.complete,
            recipient_count=candidate.campaign.recipient_count,
            ignore_invalid=sought.ignore_invalid_phone_numbers,
        ),
    )


def decide(sought: Sought, candidates: Iterable[Candidate]) -> Found | Absent | InDoubt:
    """Decide among all campaigns that a look found and `worth_reading` kept, but for those known to be others'.

    Their order does not matter. A campaign that is listed twice is one; its newest reading alone is better.
    """
    likeness: dict[str, Likeness] = {}
    campaigns: dict[str, Campaign] = {}
    for candidate in sorted(candidates, key=_in_full):
        campaign_id = candidate.campaign.id
        verdict = compare(sought, candidate)
        campaigns[campaign_id] = candidate.campaign
        # Two readings of one campaign that do not agree: it is changing, and neither is to be trusted.
        likeness[campaign_id] = verdict if likeness.get(campaign_id, verdict) is verdict else Likeness.MAYBE
    plausible = sorted((i for i in likeness if likeness[i] is not Likeness.OTHER), key=lambda i: (-likeness[i], i))
    if not plausible:
        return Absent()
    if len(plausible) == 1 and likeness[plausible[0]] is Likeness.OURS:
        return Found(plausible[0])
    # One that is ours, beside one that may be, is doubt too. Ours may be the other, and a copy of it have come
    # from elsewhere: whoever then changes or deletes by the id that was found hits a stranger's. Or both are
    # ours, as when a proxy sent the request again: someone has to stop one of them. Nothing is sent again in
    # either case, so doubt costs a look, and being wrong a campaign.
    return InDoubt(tuple(campaigns[i] for i in plausible))


def _in_full(candidate: Candidate) -> str:
    """For an order that is the same whatever order they came in."""
    return repr(astuple(candidate.campaign))


def _compare_fields(sought: Sought, campaign: Campaign) -> Likeness:
    start = _compare_start(sought, campaign.start_date_time)
    if start is Likeness.OTHER:
        return Likeness.OTHER
    moved = start is Likeness.MAYBE and _told(campaign.start_date_time) is not None
    new = sought.new
    return min(
        start,
        _compare_sender(new.sender, campaign.sender),
        _compare_message(sought, campaign.message, moved=moved),
        # A server may have a default for what was not said, drop what was, and shorten a link.
        _compare_exactly(new.opt_out_link_id or 0, campaign.opt_out_link_id or 0),
        _compare_exactly(new.track_link_url or "", campaign.track_link_url or ""),
        # Cancelled by someone: as likely an earlier one that ours is to replace.
        Likeness.MAYBE if campaign.status == CampaignStatus.CANCELLED else Likeness.OURS,
    )


def _compare_exactly(ours: object, theirs: object) -> Likeness:
    return Likeness.OURS if ours == theirs else Likeness.MAYBE


def _compare_start(sought: Sought, theirs: datetime | None) -> Likeness:
    """Ours at the same time; doubtful when moved.

    A server may take `Z` for its local time; but it may also round to minutes, put a start that has passed when
    it reads it at its own now, or keep marketing out of the night. So no distance within the margin excludes.
    """
    moment = _told(theirs)
    if moment is None:
        return Likeness.MAYBE
    theirs_at, reach = _utc(moment), sought.margin + _SAME_TIME
    if abs((theirs_at - sought.start).total_seconds()) <= _SAME_TIME:
        return Likeness.OURS
    too_early = (sought.start - theirs_at).total_seconds() > reach
    too_late = (theirs_at - sought.latest).total_seconds() > reach
    return Likeness.OTHER if too_early or too_late else Likeness.MAYBE


def _told(moment: datetime | None) -> datetime | None:
    return None if moment is None or moment.year == MINYEAR else moment  # year 1 is .NET's none


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _compare_sender(ours: str, theirs: str | None) -> Likeness:
    if ours == theirs:
        return Likeness.OURS
    if theirs is None or not theirs.strip() or not ours.strip():
        return Likeness.MAYBE
    number = international(ours)
    if number is not None and number == international(theirs):
        return Likeness.MAYBE
    cut = ours[:_LONGEST_SENDER], ours.strip()[:_LONGEST_SENDER]
    images = {_letters(ours), _letters(ours)[:_LONGEST_SENDER], *map(_letters, cut)} - {""}
    alike = _letters(theirs) in images or theirs.strip().casefold() == ours.strip().casefold()
    return Likeness.MAYBE if alike else Likeness.OTHER


def _compare_message(sought: Sought, theirs: str | None, *, moved: bool) -> Likeness:
    """Ours when the same; else doubtful, as a server may have normalised it, shortened its links or added to it.

    One text neither at our time nor like ours is another's, or nobody could send two texts on one day.
    """
    if theirs is None:
        return Likeness.MAYBE
    if _same_lines(sought.new.message) == _same_lines(theirs):
        return Likeness.OURS
    return Likeness.OTHER if moved and not _is_altered(sought.shingles, _shingles(theirs)) else Likeness.MAYBE


def _same_lines(text: str) -> str:
    return unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")


def _is_altered(ours: frozenset[str], theirs: frozenset[str]) -> bool:
    """Whether one text may be made of the other: half of the shorter is in the longer, or one has no letters."""
    return 2 * len(ours & theirs) >= min(len(ours), len(theirs))


def _shingles(text: str) -> frozenset[str]:
    letters = _letters(text)
    return frozenset(letters[at : at + _SHINGLE] for at in range(len(letters) - _SHINGLE + 1))


def _letters(text: str) -> str:
    """Letters and digits alone, without case and accents."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text.casefold())))
