"""What is around the campaigns of a world: what the server does to them, what lists show, and what others do."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Final

from attrs import evolve, frozen

from campaigns_async import NewCampaign
from campaigns_async.sandbox import Quirks
from simulation import kinds
from simulation.altering import UNALTERED, Alteration
from simulation.foreign import Foreign, draw_foreign
from simulation.lists import RIGHT_LISTS, ListFault
from simulation.tokens import NO_MARKER, Marking

_ALTERED: Final = 0.35
"""The share of the worlds whose server alters campaigns."""
_LISTS: Final = 0.5
_FOREIGN: Final = 0.4
_JUMPS: Final = 0.15


@frozen
class Surroundings:
    """The surroundings of one seed.

    Attributes:
        alteration: What the server does to campaigns.
        list_fault: What is wrong with lists.
        foreign: The campaigns of others.
        jumps: Times of the loop at which the client's wall clock is set, each with the seconds.
        marking: The marker of the client, and what the server does to it.
    """

    alteration: Alteration = UNALTERED
    list_fault: ListFault = RIGHT_LISTS
    foreign: tuple[Foreign, ...] = ()
    jumps: tuple[tuple[float, float], ...] = ()
    marking: Marking = NO_MARKER

    def adapt(self, quirks: Quirks) -> Quirks:
        """Return the form of the server's answers in these surroundings."""
        return evolve(quirks, max_page_size=self.list_fault.cap) if self.list_fault.kind == "capped pages" else quirks


NOTHING: Final = Surroundings()


def draw_surroundings(
    dice: random.Random,
    ours: Sequence[NewCampaign],
    *,
    drops_invalid: bool,
    latest: float,
    share_of_half: float = 1.0,
    half_before: bool = True,
    until: float = 30.0,
) -> Surroundings:
    """Draw the surroundings of a seed.

    Args:
        dice: The source of random numbers.
        ours: The campaigns that are sent.
        drops_invalid: True if the server may leave out invalid numbers.
        latest: Seconds after its departure within which a request has acted and its campaign shows in lists.
        share_of_half: The share of foreign campaigns that may keep a create unknown.
        half_before: True if others may have made campaigns to half of our recipients before the run.
        until: Seconds from the start of the run within which others make campaigns.
    """
    altered, lists = _keep(kinds.ALTERED), _keep(kinds.LISTS)
    alteration, fault, foreign = UNALTERED, RIGHT_LISTS, tuple[Foreign, ...]()
    jumps: tuple[tuple[float, float], ...] = ()
    if dice.random() < _ALTERED and altered:
        alteration = Alteration(dice.choice(altered), dice.randint(0, 59), dice.choice((1.0, 0.5)))
    if dice.random() < _LISTS and lists:
        kind = dice.choices(lists, [8.0 if each == "lagging contacts" else 1.0 for each in lists])[0]
        if alteration.kind == "start null" and "stale lists" in lists and dice.random() < 0.6:
            kind = "stale lists"  # a filter for what has no start is always the same
        fault = ListFault(kind, latest * 0.45, dice.choice((1, 2, 3, 7)))
    if dice.random() < _FOREIGN:
        foreign = draw_foreign(
            dice,
            ours,
            drops_invalid=drops_invalid,
            share_of_half=share_of_half,
            half_before=half_before,
            until=dice.choice((5.0, until)),
        )
    if dice.random() < _JUMPS and "clock jumps" in kinds.DRAWN:
        choices = (-20_000.0, -3600.0, -60.0, 60.0, 3600.0, 20_000.0)  # three of them stay within the margin, 15 hours
        jumps = tuple((1000.0 + dice.random() * until, dice.choice(choices)) for _ in range(dice.randint(1, 3)))
    return Surroundings(alteration, fault, foreign, jumps)


def _keep(names: Iterable[str]) -> list[str]:
    return [name for name in names if name in kinds.DRAWN]
