"""Finds the people who would get the same text twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from attrs import field, frozen

from .values import TICKS_PER_SECOND

A_DAY: Final = timedelta(days=1)
"""How far apart the start times of a double send are at most, unless told otherwise."""


@frozen
class Sent:
    """A campaign as it would go out.

    Attributes:
        campaign_id: Its id.
        start: Its start time in ticks; None where that is no date.
        sender: Who it is from.
        message: Its text.
        people: The numbers that it goes to, in one notation.
    """

    campaign_id: str
    start: int | None
    sender: object = field(repr=False)
    message: object = field(repr=False)
    people: Sequence[str] = field(repr=False)


@frozen
class DoubleSend:
    """Two campaigns, or one twice, that bring the same text to so many people."""

    first: str
    second: str
    people: int

    def __str__(self) -> str:
        people = "1 person" if self.people == 1 else f"{self.people} people"
        if self.first == self.second:
            return f"campaign {self.first} texts {people} twice"
        return f"campaigns {self.first} and {self.second} bring the same text to {people}"


def double_sends(campaigns: Iterable[Sent], *, within: timedelta) -> list[DoubleSend]:
    """Pairs of campaigns with one sender and one text, starting less than so far apart, that share people.

    Each campaign is held against the one before it, in order of their starts, that went to the same person.
    """
    alike: dict[tuple[object, object], list[Sent]] = defaultdict(list)
    for campaign in campaigns:
        alike[campaign.sender, campaign.message].append(campaign)
    reach = max(1.0, within.total_seconds() * TICKS_PER_SECOND)  # the same moment always counts
    shared: dict[tuple[str, str], int] = defaultdict(int)
    for group in alike.values():
        last: dict[str, Sent] = {}
        for campaign in sorted(group, key=lambda each: each.start or 0):
            for person in campaign.people:
                before = last.get(person)
                if before is not None and _apart(before, campaign) < reach:
                    shared[before.campaign_id, campaign.campaign_id] += 1
                last[person] = campaign
    return [DoubleSend(first, second, people) for (first, second), people in shared.items()]


def _apart(first: Sent, second: Sent) -> int:
    return (second.start or 0) - (first.start or 0)
