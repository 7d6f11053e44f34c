"""Which of the campaigns on the server are those of the rows in doubt, decided over all rows at once. No I/O.

`reconcile.match` says how like a row a campaign is. Here is only who gets which: a campaign is at most one row's,
and rows with equal content can be told apart by their number alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from attrs import field, frozen

from campaigns_async.models import Campaign
from campaigns_async.reconcile import people
from campaigns_async.reconcile.likeness import Likeness
from campaigns_async.reconcile.match import Absent, Candidate, Found, InDoubt, Sought, compare, worth_reading


@frozen
class Wanted:
    """One content, and the rows that were to bring it about."""

    rows: tuple[int, ...]
    sought: Sought


@frozen
class _Edges:
    ours: set[str] = field(factory=set[str])
    maybe: set[str] = field(factory=set[str])


class Matcher:
    """Takes candidates one by one, keeping nothing of their contacts, and then gives the verdicts.

    Args:
        wanted: Each content once.
    """

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        self._wanted = wanted
        self._edges = [_Edges() for _ in wanted]
        self._campaigns: dict[str, Campaign] = {}
        # Contents that differ in their people alone need asking once.
        self._heads: list[Sought] = list({_head(each.sought): each.sought for each in wanted}.values())
        self._by_ending: dict[str, list[int]] = defaultdict(list)
        self._always: set[int] = set()
        for place, each in enumerate(wanted):
            sent = each.sought.sent
            if sent.unread or sent.grouped or not sent.endings:
                self._always.add(place)  # nobody's number tells that it is not theirs
            for ending in sent.endings:
                self._by_ending[ending].append(place)
        self._lengths = {len(ending) for ending in self._by_ending}

    def is_worth_reading(self, campaign: Campaign) -> bool:
        """Whether a campaign may be any row's, before its contacts are read."""
        return any(worth_reading(each, campaign) for each in self._heads)

    def add(self, candidate: Candidate) -> None:
        """Compare one with the rows; each campaign is to be added once."""
        key = candidate.campaign.id
        for place in self._may_concern(candidate):
            likeness = compare(self._wanted[place].sought, candidate)
            if likeness is Likeness.OURS:
                self._edges[place].ours.add(key)
            elif likeness is Likeness.MAYBE:
                self._edges[place].maybe.add(key)
            else:
                continue
            self._campaigns[key] = candidate.campaign

    def _may_concern(self, candidate: Candidate) -> Iterable[int]:
        """The contents of which it may be one: the others have none of its people, and it has people.

        Comparing each content with each candidate would take hours for a job of ten thousand in doubt.
        """
        keys = people.whole_numbers(candidate.contacts or ())
        if not keys:
            return range(len(self._wanted))
        found = set(self._always)
        for key in keys:
            for length in self._lengths:
                found.update(self._by_ending.get(key[-length:], ()))
        return sorted(found)

    def verdicts(self) -> Mapping[int, Found | Absent | InDoubt]:
        """What became of each row, by its id.

        Found: as many campaigns are this content's as rows wanted it, each of them nobody else's, and none is
        in doubt but those that are another row's without doubt. Absent: nothing is like it at all; that another
        row has a better claim to something like it proves nothing. In doubt: all between.
        """
        owners: dict[str, list[int]] = defaultdict(list)
        for place, edges in enumerate(self._edges):
            for key in edges.ours:
                owners[key].append(place)
        sound = {
            place
            for place, edges in enumerate(self._edges)
            if edges.ours
            and len(edges.ours) == len(self._wanted[place].rows)
            and all(owners[key] == [place] for key in edges.ours)
        }
        verdicts: dict[int, Found | Absent | InDoubt] = {}
        for place, (each, edges) in enumerate(zip(self._wanted, self._edges, strict=True)):
            if place in sound and all(any(owner in sound for owner in owners[key]) for key in edges.maybe):
                for row, key in zip(each.rows, sorted(edges.ours), strict=True):
                    verdicts[row] = Found(key)
            elif edges.ours or edges.maybe:
                plausible = (*sorted(edges.ours), *sorted(edges.maybe))
                doubt = InDoubt(tuple(self._campaigns[key] for key in plausible))
                verdicts.update(dict.fromkeys(each.rows, doubt))
            else:
                verdicts.update(dict.fromkeys(each.rows, Absent()))
        return verdicts


def _head(sought: Sought) -> tuple[object, ...]:
    new = sought.new
    return new.start_date_time, new.sender, new.message, new.opt_out_link_id, new.track_link_url
