"""Assign the campaigns of one look at the server to creates: each campaign to one create at most. No I/O.

`matching` has the rules for one campaign and one create.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from attrs import astuple, frozen

from campaigns_async._reconcile import matching
from campaigns_async._reconcile.matching import Absent, Candidate, Found, SearchTarget, Unknown, Verdict
from campaigns_async._reconcile.recipients import Match, is_listed_in_full, normalize_numbers
from campaigns_async.models import Campaign, NewCampaign


@frozen
class _Group:
    """A group of creates with equal content, whose campaigns cannot be distinguished on the server.

    Attributes:
        keys: The caller's keys of the creates. Those that were certainly carried out come first.
        target: One of the creates.
        known_before: The earliest of the creates' snapshots.
        first_claim: The earliest of the creates' positions in the journal.
    """

    keys: tuple[int, ...]
    target: SearchTarget
    known_before: int
    first_claim: int


class Assignment:
    """An assignment of campaigns to creates. Candidates are added in any order; their contacts are not kept.

    Args:
        targets: The creates, by the caller's keys.
        was_known: Returns True if a campaign id was known at a snapshot of the ledger.

    Attributes:
        marked: The groups of creates whose token a campaign has, by its id.
        positions: The positions at which the journal saw campaigns, by their ids.
    """

    def __init__(
        self,
        targets: Mapping[int, SearchTarget],
        was_known: Callable[[str, int], bool] = lambda _campaign_id, _snapshot: False,
    ) -> None:
        by_content: dict[tuple[NewCampaign, bool | None], dict[int, SearchTarget]] = defaultdict(dict)
        for key, target in targets.items():
            by_content[target.new, target.ignore_invalid_phone_numbers][key] = target
        self._groups: Sequence[_Group] = [
            _Group(
                tuple(sorted(each, key=lambda key: not each[key].is_applied)),
                next(iter(each.values())),
                min(target.known_before for target in each.values()),
                min(target.first_claim for target in each.values()),
            )
            for each in by_content.values()
        ]
        self.positions: Mapping[str, int] = {}
        self._known_before = min((group.known_before for group in self._groups), default=0)
        self._first_claim = min((group.first_claim for group in self._groups), default=0)
        self._was_known = was_known
        self._matches: dict[str, dict[int, Match]] = {}  # by campaign id and group, without Match.NONE
        self._campaigns: dict[str, Campaign] = {}
        self._by_suffix: dict[str, list[int]] = defaultdict(list)
        self._always: set[int] = set()
        for index, group in enumerate(self._groups):
            if not group.target.recipients.can_exclude:
                self._always.add(index)
            for suffix in group.target.recipients.suffixes:
                self._by_suffix[suffix].append(index)
        self._suffix_lengths = {len(suffix) for suffix in self._by_suffix}
        self.marked: dict[str, set[int]] = {}
        self._by_token = {group.target.token: index for index, group in enumerate(self._groups) if group.target.token}

    def was_known_to_all(self, campaign_id: str) -> bool:
        """Return True if a campaign was known before any of the creates was sent, so that none of them made it."""
        return self._was_known_at(campaign_id, self._known_before, self._first_claim)

    def _was_known_at(self, campaign_id: str, known_before: int, first_claim: int) -> bool:
        return self.positions.get(campaign_id, first_claim) < first_claim or self._was_known(campaign_id, known_before)

    def add(self, candidate: Candidate) -> Match:
        """Add a candidate, and return how well it matches the create that it matches best."""
        campaign = candidate.campaign
        if marked := {self._by_token[token] for token in candidate.tokens & self._by_token.keys()}:
            self.marked[campaign.id], self._campaigns[campaign.id] = marked, campaign
            return Match.CERTAIN
        matches: dict[int, Match] = {}
        for index in self._find_groups(candidate):
            group = self._groups[index]
            match = matching.compare(group.target, candidate)
            if match is not Match.NONE and not self._was_known_at(campaign.id, group.known_before, group.first_claim):
                matches[index] = match
        before = self._matches.get(campaign.id)
        if before is not None and before != matches:
            # Two readings of the campaign differ, so it is changing, and neither reading can be trusted.
            differ = {index for index in before | matches if before.get(index) is not matches.get(index)}
            matches = {index: Match.POSSIBLE if index in differ else before[index] for index in before | matches}
        self._matches[campaign.id] = matches
        self._campaigns[campaign.id] = max(campaign, self._campaigns.get(campaign.id, campaign), key=_sort_key)
        return max(matches.values(), default=Match.NONE)

    def discard(self, campaign_ids: Iterable[str]) -> None:
        """Drop candidates that are known to belong to other creates."""
        for campaign_id in campaign_ids:
            self._matches.pop(campaign_id, None)
            self.marked.pop(campaign_id, None)

    @property
    def campaigns(self) -> Collection[Campaign]:
        """The campaigns of the candidates."""
        return self._campaigns.values()

    def _find_groups(self, candidate: Candidate) -> Iterable[int]:
        """Return the indexes of the groups that may share recipients with a candidate.

        Without this, comparing each of ten thousand groups with each candidate would take hours.
        """
        contacts = candidate.contacts or ()
        if not candidate.complete or not is_listed_in_full(contacts, candidate.campaign.recipient_count):
            return range(len(self._groups))
        indexes = set(self._always)
        for number in normalize_numbers(contacts):
            for length in self._suffix_lengths:
                indexes.update(self._by_suffix.get(number[-length:], ()))
        return sorted(indexes)

    def decide(self) -> dict[int, Verdict]:
        """Return the verdict on each create, by its key.

        - Found: a campaign has the create's token; or none has, and one certainly matches this content and no other
          content. Of creates with equal content, as many are found as there are such campaigns; it does not matter which.
        - Absent: no campaign matches, except campaigns that are found for other creates.
        - Unknown: otherwise.
        """
        certain: list[set[str]] = [set() for _ in self._groups]
        possible: list[set[str]] = [set() for _ in self._groups]
        owners: dict[str, list[int]] = defaultdict(list)
        for campaign_id, indexes in self.marked.items():
            for index in indexes:
                certain[index].add(campaign_id)
                owners[campaign_id].append(index)
        marked = set[int]().union(*self.marked.values())
        for campaign_id, matches in self._matches.items():
            if campaign_id in self.marked:
                continue
            for index in matches.keys() - marked:
                is_certain = matches[index] is Match.CERTAIN
                (certain if is_certain else possible)[index].add(campaign_id)
                if is_certain:
                    owners[campaign_id].append(index)
        assigned = {
            index
            for index, group in enumerate(self._groups)
            if 0 < len(certain[index]) <= len(group.keys) and all(owners[each] == [index] for each in certain[index])
        }
        verdicts: dict[int, Verdict] = {}
        for index, group in enumerate(self._groups):
            # With a certain and a possible match, the create stays unknown. The certain match may be a copy that someone
            # else made: an update or delete by its id would hit their campaign. Or both are ours, because a proxy
            # repeated the request: then a person has to stop one of them.
            left = sorted(each for each in possible[index] if assigned.isdisjoint(owners[each]))
            if index in assigned and not left:
                verdicts.update(dict.fromkeys(group.keys, Absent()))
                verdicts.update(zip(group.keys, map(Found, sorted(certain[index])), strict=False))
            elif certain[index] or left:
                unknown = Unknown(tuple(self._campaigns[each] for each in (*sorted(certain[index]), *left)))
                verdicts.update(dict.fromkeys(group.keys, unknown))
            else:
                verdicts.update(dict.fromkeys(group.keys, Absent()))
        return verdicts


def _sort_key(campaign: Campaign) -> str:
    return repr(astuple(campaign))
