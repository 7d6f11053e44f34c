"""Campaigns that others make on the same account: to our people or to other ones, and some are deleted."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from attrs import field, frozen

from campaigns_async import NewCampaign
from simulation import kinds
from simulation.people import INVALID, write_stranger
from simulation.server_time import write_start

_TEXTS: Final = (
    "Annual meeting of members moves to the clubhouse",
    "Please vacate lockers before Sunday evening",
    "Junior coaching begins next week",
)
"""Texts that resemble none of ours."""
_MANY: Final = 11
"""Strangers that no server adds to a campaign of ours."""


@frozen
class Foreign:
    """A campaign that somebody else makes.

    Attributes:
        kind: One of `kinds.FOREIGN`.
        appears: The time of the loop at which it is made; before the run for minus infinity.
        leaves: The time at which it is deleted.
        wire: The campaign, as it is stored.
        people: The numbers of its recipients.
    """

    kind: str
    appears: float
    leaves: float
    wire: dict[str, Any] = field(repr=False)
    people: tuple[str, ...] = field(repr=False)

    @property
    def campaign_id(self) -> str:
        """The campaign's id."""
        return str(self.wire["id"])

    @property
    def contacts(self) -> list[dict[str, Any]]:
        """The contacts, as they are stored."""
        return [{"id": f"{self.campaign_id}-{at}", "phoneNumber": number} for at, number in enumerate(self.people)]

    def is_there(self, at: float) -> bool:
        """Return True if the campaign is on the server at a time."""
        return self.appears <= at < self.leaves


def make_stranger(number: int, like: NewCampaign) -> Foreign:
    """Make a campaign like one of ours, to other people, which is there all the time."""
    people = tuple(write_stranger(700 + number, at) for at in range(len(like.contacts)))
    return Foreign("foreign: other people", -math.inf, math.inf, _write(f"stranger{number}", like, people), people)


def draw_foreign(
    dice: random.Random,
    ours: Sequence[NewCampaign],
    *,
    drops_invalid: bool,
    share_of_half: float,
    half_before: bool,
    until: float,
) -> tuple[Foreign, ...]:
    """Draw campaigns of others.

    Args:
        dice: The source of random numbers.
        ours: The campaigns that are sent.
        drops_invalid: True if the server leaves out invalid numbers: then few strangers prove nothing.
        share_of_half: The share of campaigns that have half or more of our recipients, and are made after our first
            attempt: these may keep a create unknown.
        half_before: True for campaigns that have half or more of our recipients, and are made before the run.
        until: The time of the loop before which they appear.
    """
    weights = {
        "foreign: other people": 1.0,
        "foreign: few of ours": 1.0,
        "foreign: half of ours before": 0.5 * half_before,
        "foreign: half of ours later": share_of_half,
    }
    drawn = {kind: weight for kind, weight in weights.items() if kind in kinds.DRAWN and weight}
    if not drawn:
        return ()
    return tuple(
        _draw_one(dice, number, kind, dice.choice(ours), drops_invalid=drops_invalid, until=until)
        for number, kind in enumerate(dice.choices(list(drawn), list(drawn.values()), k=dice.randint(1, 6)))
    )


def _draw_one(
    dice: random.Random, number: int, kind: str, like: NewCampaign, *, drops_invalid: bool, until: float
) -> Foreign:
    numbers = dict.fromkeys("".join(one.phone_number.split()) for one in like.contacts)
    ours = [number for number in numbers if number != INVALID]
    few = (len(ours) - 1) // 2  # fewer than half
    if kind == "foreign: few of ours" and not few:
        kind = "foreign: other people"
    start = like.start_date_time + timedelta(seconds=dice.choice((0, 0, 90, -3600, 36_000)))
    message, shared, strangers = like.message, 0, len(ours)
    match kind:
        case "foreign: few of ours":
            message, shared = dice.choice(_TEXTS), dice.randint(1, few)
            strangers = _MANY + dice.randint(0, 3) if drops_invalid else dice.randint(1, 3)
        case "foreign: half of ours before" | "foreign: half of ours later":
            shared, strangers = dice.randint(math.ceil(len(ours) / 2), len(ours)), dice.choice((0, 0, 1, 15))
            if shared == len(ours) and not strangers:  # it would be equal to ours, and nobody could tell
                message = dice.choice(_TEXTS)
    people = (*dice.sample(ours, shared), *(write_stranger(number, at) for at in range(strangers)))
    before = kind == "foreign: half of ours before" or dice.random() < 0.2
    if kind == "foreign: half of ours later":
        before = False
    appears = -math.inf if before else 1000.0 + dice.random() * until
    leaves = math.inf
    if "foreign: gone" in kinds.DRAWN and dice.random() < 0.5:
        leaves = max(appears, 1000.0) + dice.random() * until
    wire = _write(f"f{dice.getrandbits(36):09x}", like, people)
    return Foreign(kind, appears, leaves, wire | {"startDateTime": write_start(start), "message": message}, people)


def _write(campaign_id: str, like: NewCampaign, people: Sequence[str]) -> dict[str, Any]:
    """Return a campaign like one of ours as it is stored."""
    return {
        "id": campaign_id,
        "startDateTime": write_start(like.start_date_time),
        "sender": like.sender,
        "recipientCount": len(people),
        "message": like.message,
        "status": 0,
        "optOutLinkId": None,
        "trackLinkUrl": None,
    }
