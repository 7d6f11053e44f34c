"""Decide which campaigns on the server are those that were sent. No I/O.

There are two ways to be wrong. If a stranger's campaign is taken for ours, nobody is texted. If ours is overlooked,
everyone is texted twice, which is worse. So a campaign is ours only if nothing contradicts it, and ours is absent
only if each campaign differs in a way that no server can have caused. Everything between stays unknown.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from datetime import MINYEAR, UTC, datetime
from functools import cached_property
from typing import ClassVar, TypeAlias

from attrs import astuple, field, frozen

from campaigns_async._reconcile import recipients
from campaigns_async._reconcile.phone_numbers import to_international
from campaigns_async._reconcile.recipients import Match, RecipientIndex, compare_recipients, complete_numbers
from campaigns_async.models import Campaign, CampaignStatus, Contact, NewCampaign

_SAME_TIME = 1.0  # seconds: a server may cut or round milliseconds
_LONGEST_SENDER = 11
_SHINGLE = 3


@frozen
class SearchTarget:
    """A create that may have been carried out, and how far the server's copy of its campaign may differ.

    Attributes:
        new: The campaign.
        ignore_invalid_phone_numbers: What the server was asked to do about invalid numbers.
        margin: Seconds before and after the start time within which a server may have moved it.
        now: The time of the search, with a time zone: a server may replace a start in the past by its own now.
        unknown_since: Seconds on the monotonic clock: no request of the create can have left later.
        known_before: The ledger's snapshot before the create was first sent: no campaign that was seen by then is
            its own. 0 if an earlier process sent it.
        owner: What the create is sent for: equal if the same create is looked for again.
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
        """The start time, or `now` if it has passed."""
        return self.start if self.now is None else max(self.start, _to_utc(self.now))

    @cached_property
    def recipients(self) -> RecipientIndex:
        """The contacts, indexed for lookups."""
        return RecipientIndex.of(self.new.contacts)

    @cached_property
    def shingles(self) -> frozenset[str]:
        """The message in pieces, which tell an altered text from a different one."""
        return _shingles(self.new.message)

    @property
    def text(self) -> tuple[object, ...]:
        """Every field but the contacts."""
        new = self.new
        return new.start_date_time, new.sender, new.message, new.opt_out_link_id, new.track_link_url


def _show_count(contacts: tuple[Contact, ...] | None) -> str:
    return "None" if contacts is None else f"<{len(contacts)}>"


@frozen
class Candidate:
    """A campaign on the server that may be ours, with as many of its contacts as were read."""

    campaign: Campaign
    contacts: tuple[Contact, ...] | None = field(default=None, repr=_show_count)
    """None if they were not read."""
    complete: bool = False
    """True if `contacts` are all that the server lists."""


@frozen
class Found:
    """The campaign is on the server."""

    word: ClassVar[str] = "found"
    campaign_id: str


@frozen
class Absent:
    """No campaign on the server can be it."""

    word: ClassVar[str] = "absent"


@frozen
class Unknown:
    """One of these candidates, the likeliest first, may be the campaign; or none of them."""

    word: ClassVar[str] = "in_doubt"
    candidates: tuple[Campaign, ...] = ()


Verdict: TypeAlias = Found | Absent | Unknown


def could_match(target: SearchTarget, campaign: Campaign) -> bool:
    """Return True if a campaign may be the target, judged before its contacts are read."""
    return _compare_fields(target, campaign) is not Match.NONE


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


@frozen
class _Group:
    """Creates with equal content: nothing on the server tells them apart but their number."""

    keys: tuple[int, ...]
    target: SearchTarget
    known_before: int
    """The earliest of all."""


class Matcher:
    """Assigns the campaigns of one look at the server to creates: each campaign to one create at most.

    Takes the candidates one by one, in any order, and keeps nothing of their contacts.

    Args:
        targets: The creates, by keys of the caller.
        was_known: Returns True if a campaign, by its id, was known at a snapshot of the ledger.
    """

    def __init__(
        self,
        targets: Mapping[int, SearchTarget],
        was_known: Callable[[str, int], bool] = lambda _campaign_id, _snapshot: False,
    ) -> None:
        equal: dict[tuple[NewCampaign, bool | None], dict[int, SearchTarget]] = defaultdict(dict)
        for key, target in targets.items():
            equal[target.new, target.ignore_invalid_phone_numbers][key] = target
        self._groups: Sequence[_Group] = [
            _Group(tuple(each), next(iter(each.values())), min(target.known_before for target in each.values()))
            for each in equal.values()
        ]
        self._known_before = min((group.known_before for group in self._groups), default=0)
        self._was_known = was_known
        self._matches: dict[str, dict[int, Match]] = {}
        """By campaign id and place of a group; without those that do not match."""
        self._campaigns: dict[str, Campaign] = {}
        # Targets that differ in their contacts alone: their fields are compared once.
        self._texts: Sequence[SearchTarget] = list({group.target.text: group.target for group in self._groups}.values())
        self._by_suffix: dict[str, list[int]] = defaultdict(list)
        self._always: set[int] = set()
        for place, group in enumerate(self._groups):
            index = group.target.recipients
            if index.unparsed or index.names_groups or not index.suffixes:
                self._always.add(place)  # no number proves that a campaign is not this group's
            for suffix in index.suffixes:
                self._by_suffix[suffix].append(place)
        self._suffix_lengths = {len(suffix) for suffix in self._by_suffix}

    def could_match(self, campaign: Campaign) -> bool:
        """Return True if a campaign may be any create's, judged before its contacts are read."""
        known = self._was_known(campaign.id, self._known_before)
        return not known and any(could_match(target, campaign) for target in self._texts)

    def is_excluded_by(self, contacts: Sequence[Contact]) -> bool:
        """Return True if some of a campaign's contacts prove that it is no create's: the others need no reading."""
        return all(
            recipients.is_excluded_by(self._groups[place].target.recipients, contacts)
            for place in self._places_for(contacts)
        )

    def add(self, candidate: Candidate) -> None:
        """Compare a candidate with the creates."""
        campaign = candidate.campaign
        matches: dict[int, Match] = {}
        for place in self._places_for(candidate.contacts or ()):
            group = self._groups[place]
            match = compare(group.target, candidate)
            if match is not Match.NONE and not self._was_known(campaign.id, group.known_before):
                matches[place] = match
        before = self._matches.get(campaign.id)
        if before is not None and before != matches:
            # Two readings of one campaign that disagree: it is changing, and neither can be trusted.
            differ = {place for place in before | matches if before.get(place) is not matches.get(place)}
            matches = {place: Match.POSSIBLE if place in differ else before[place] for place in before | matches}
        self._matches[campaign.id] = matches
        self._campaigns[campaign.id] = max(campaign, self._campaigns.get(campaign.id, campaign), key=_sort_key)

    def discard(self, campaign_ids: Iterable[str]) -> None:
        """Drop candidates that turned out to be others'."""
        for campaign_id in campaign_ids:
            self._matches.pop(campaign_id, None)

    @property
    def candidate_ids(self) -> Collection[str]:
        """The ids of the candidates that were added."""
        return self._matches.keys()

    def _places_for(self, contacts: Iterable[Contact]) -> Iterable[int]:
        """Return the groups that a campaign to these contacts may belong to: it goes to no other group's recipients.

        Comparing each group with each candidate would take hours for ten thousand creates.
        """
        numbers = complete_numbers(contacts)
        if not numbers:
            return range(len(self._groups))
        places = set(self._always)
        for number in numbers:
            for length in self._suffix_lengths:
                places.update(self._by_suffix.get(number[-length:], ()))
        return sorted(places)

    def verdicts(self) -> dict[int, Verdict]:
        """Return the verdict on each create, by its key.

        Found: as many campaigns certainly match as there are creates of that content, none of them certainly matches
        another content, and every campaign that possibly matches is found for another. Absent: nothing matches; a
        possible match that is found for another content is not absence. Unknown: everything else.
        """
        certain: list[set[str]] = [set() for _ in self._groups]
        possible: list[set[str]] = [set() for _ in self._groups]
        owners: dict[str, list[int]] = defaultdict(list)
        for campaign_id, matches in self._matches.items():
            for place, match in matches.items():
                (certain if match is Match.CERTAIN else possible)[place].add(campaign_id)
                if match is Match.CERTAIN:
                    owners[campaign_id].append(place)
        assigned = {
            place
            for place, group in enumerate(self._groups)
            if len(certain[place]) == len(group.keys) and all(owners[each] == [place] for each in certain[place])
        }
        verdicts: dict[int, Verdict] = {}
        for place, group in enumerate(self._groups):
            # A certain match beside a possible one stays unknown. Ours may be the possible one and the certain one a
            # copy that someone else made: an update or delete by the id that was found would hit a stranger's
            # campaign. Or both are ours, if a proxy sent the request again: then someone has to stop one of them.
            if place in assigned and all(assigned.intersection(owners[each]) for each in possible[place]):
                verdicts.update(zip(group.keys, map(Found, sorted(certain[place])), strict=True))
            elif certain[place] or possible[place]:
                candidates = (*sorted(certain[place]), *sorted(possible[place]))
                unknown = Unknown(tuple(self._campaigns[each] for each in candidates))
                verdicts.update(dict.fromkeys(group.keys, unknown))
            else:
                verdicts.update(dict.fromkeys(group.keys, Absent()))
        return verdicts


def _sort_key(campaign: Campaign) -> str:
    return repr(astuple(campaign))


def _compare_fields(target: SearchTarget, campaign: Campaign) -> Match:
    start = _compare_start(target, campaign.start_date_time)
    if start is Match.NONE:
        return Match.NONE
    moved = start is Match.POSSIBLE and _or_none(campaign.start_date_time) is not None
    new = target.new
    return min(
        start,
        _compare_sender(new.sender, campaign.sender),
        _compare_message(target, campaign.message, moved=moved),
        # A server may have a default for what was not sent, drop what was, and shorten a link.
        _compare_exactly(new.opt_out_link_id or 0, campaign.opt_out_link_id or 0),
        _compare_exactly(new.track_link_url or "", campaign.track_link_url or ""),
        # Someone cancelled it: it may as well be an earlier campaign that ours is to replace.
        Match.POSSIBLE if campaign.status == CampaignStatus.CANCELLED else Match.CERTAIN,
    )


def _compare_exactly(ours: object, theirs: object) -> Match:
    return Match.CERTAIN if ours == theirs else Match.POSSIBLE


def _compare_start(target: SearchTarget, theirs: datetime | None) -> Match:
    """Compare the start times: certain if equal, possible if moved.

    A server may read `Z` as its local time. It may also round to minutes, replace a start that has passed by its own
    now, or keep marketing out of the night. So no distance within the margin excludes a campaign.
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
    cut = ours[:_LONGEST_SENDER], ours.strip()[:_LONGEST_SENDER]
    images = {_letters(ours), _letters(ours)[:_LONGEST_SENDER], *map(_letters, cut)} - {""}
    similar = _letters(theirs) in images or theirs.strip().casefold() == ours.strip().casefold()
    return Match.POSSIBLE if similar else Match.NONE


def _compare_message(target: SearchTarget, theirs: str | None, *, moved: bool) -> Match:
    """Compare the messages: certain if equal; else possible, as a server may normalise, shorten links or add text.

    A text that neither starts at our time nor resembles ours is another campaign's, or nobody could send two texts
    on one day.
    """
    if theirs is None:
        return Match.POSSIBLE
    if _normalise(target.new.message) == _normalise(theirs):
        return Match.CERTAIN
    return Match.NONE if moved and not _resembles(target.shingles, _shingles(theirs)) else Match.POSSIBLE


def _normalise(text: str) -> str:
    return unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")


def _resembles(ours: frozenset[str], theirs: frozenset[str]) -> bool:
    """Return True if half of the shorter text is in the longer one, or one of them has no letters."""
    return 2 * len(ours & theirs) >= min(len(ours), len(theirs))


def _shingles(text: str) -> frozenset[str]:
    letters = _letters(text)
    return frozenset(letters[at : at + _SHINGLE] for at in range(len(letters) - _SHINGLE + 1))


def _letters(text: str) -> str:
    """Return letters and digits only, without case and accents."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text.casefold())))
