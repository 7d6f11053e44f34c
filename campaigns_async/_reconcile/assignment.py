"""Assign the campaigns of one look at the server to creates: each campaign to one create at most. No I/O.

`matching` has the rules for one campaign and one create.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from attrs import astuple, frozen

from campaigns_async._reconcile import matching
from campaigns_async._reconcile.matching import Absent, Candidate, Found, SearchTarget, Unknown, Verdict
from campaigns_async._reconcile.recipients import Match, find_complete_numbers
from campaigns_async.models import Campaign, Contact, NewCampaign


@frozen
class _Group:
    """A group of creates with equal content, whose campaigns cannot be distinguished on the server.

    Attributes:
        keys: The caller's keys of the creates.
        target: One of the creates.
        known_before: The earliest of the creates' snapshots.
    """

    keys: tuple[int, ...]
    target: SearchTarget
    known_before: int


class Assignment:
    """An assignment of campaigns to creates. Candidates are added in any order; their contacts are not kept.

    Args:
        targets: The creates, by the caller's keys.
        was_known: Returns True if a campaign id was known at a snapshot of the ledger.
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
            _Group(tuple(each), next(iter(each.values())), min(target.known_before for target in each.values()))
            for each in by_content.values()
        ]
        self._known_before = min((group.known_before for group in self._groups), default=0)
        self._was_known = was_known
        self._matches: dict[str, dict[int, Match]] = {}  # by campaign id and group, without Match.NONE
        self._campaigns: dict[str, Campaign] = {}
        # Of the targets that differ only in their contacts, the last one, so that equal fields are compared once.
        self._distinct: Sequence[SearchTarget] = list(
            {group.target.fields: group.target for group in self._groups}.values()
        )
        self._by_suffix: dict[str, list[int]] = defaultdict(list)
        self._always: set[int] = set()
        for index, group in enumerate(self._groups):
            if not group.target.recipients.can_exclude:
                self._always.add(index)
            for suffix in group.target.recipients.suffixes:
                self._by_suffix[suffix].append(index)
        self._suffix_lengths = {len(suffix) for suffix in self._by_suffix}

    def could_match(self, campaign: Campaign) -> bool:
        """Return True if a campaign may match any create, before its contacts are read."""
        if self._was_known(campaign.id, self._known_before):
            return False
        return any(matching.could_match(target, campaign) for target in self._distinct)

    def is_excluded_by(self, contacts: Sequence[Contact]) -> bool:
        """Return True if some of a campaign's contacts prove that it matches no create, so the rest need not be read."""
        return all(
            matching.is_excluded_by(self._groups[index].target, contacts) for index in self._find_groups(contacts)
        )

    def add(self, candidate: Candidate) -> None:
        """Add a candidate."""
        campaign = candidate.campaign
        matches: dict[int, Match] = {}
        for index in self._find_groups(candidate.contacts or ()):
            group = self._groups[index]
            match = matching.compare(group.target, candidate)
            if match is not Match.NONE and not self._was_known(campaign.id, group.known_before):
                matches[index] = match
        before = self._matches.get(campaign.id)
        if before is not None and before != matches:
            # Two readings of the campaign differ, so it is changing, and neither reading can be trusted.
            differ = {index for index in before | matches if before.get(index) is not matches.get(index)}
            matches = {index: Match.POSSIBLE if index in differ else before[index] for index in before | matches}
        self._matches[campaign.id] = matches
        self._campaigns[campaign.id] = max(campaign, self._campaigns.get(campaign.id, campaign), key=_sort_key)

    def discard(self, campaign_ids: Iterable[str]) -> None:
        """Drop candidates that are known to belong to other creates."""
        for campaign_id in campaign_ids:
            self._matches.pop(campaign_id, None)

    @property
    def candidate_ids(self) -> Collection[str]:
        """The ids of the candidates."""
        return self._matches.keys()

    def _find_groups(self, contacts: Iterable[Contact]) -> Iterable[int]:
        """Return the indexes of the groups that share recipients with these contacts, or may share some.

        Without this, comparing each of ten thousand groups with each candidate would take hours.
        """
        numbers = find_complete_numbers(contacts)
        if not numbers:
            return range(len(self._groups))
        indexes = set(self._always)
        for number in numbers:
            for length in self._suffix_lengths:
                indexes.update(self._by_suffix.get(number[-length:], ()))
        return sorted(indexes)

    def decide(self) -> dict[int, Verdict]:
        """Return the verdict on each create, by its key.

        - Found: there are as many certain matches as creates of that content, and none of them certainly matches other
          content. Each possible match is found for other content.
        - Absent: no campaign matches. A possible match that is found for other content still prevents this verdict.
        - Unknown: otherwise.
        """
        certain: list[set[str]] = [set() for _ in self._groups]
        possible: list[set[str]] = [set() for _ in self._groups]
        owners: dict[str, list[int]] = defaultdict(list)
        for campaign_id, matches in self._matches.items():
            for index, match in matches.items():
                (certain if match is Match.CERTAIN else possible)[index].add(campaign_id)
                if match is Match.CERTAIN:
                    owners[campaign_id].append(index)
        assigned = {
            index
            for index, group in enumerate(self._groups)
            if len(certain[index]) == len(group.keys) and all(owners[each] == [index] for each in certain[index])
        }
        verdicts: dict[int, Verdict] = {}
        for index, group in enumerate(self._groups):
            # With a certain and a possible match, the create stays unknown. The certain match may be a copy that someone
            # else made: an update or delete by its id would hit their campaign. Or both are ours, because a proxy
            # repeated the request: then a person has to stop one of them.
            if index in assigned and all(assigned.intersection(owners[each]) for each in possible[index]):
                verdicts.update(zip(group.keys, map(Found, sorted(certain[index])), strict=True))
            elif certain[index] or possible[index]:
                candidates = (*sorted(certain[index]), *sorted(possible[index]))
                unknown = Unknown(tuple(self._campaigns[each] for each in candidates))
                verdicts.update(dict.fromkeys(group.keys, unknown))
            else:
                verdicts.update(dict.fromkeys(group.keys, Absent()))
        return verdicts


def _sort_key(campaign: Campaign) -> str:
    return repr(astuple(campaign))
