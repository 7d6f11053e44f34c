"""The script of a seed of the crash simulation: its plan, its settings and its weather. Drawn before anything runs."""

from __future__ import annotations

import random
from datetime import timedelta, timezone

from attrs import evolve, frozen
from support.made import START

from campaigns_async import NewCampaign, NewContact, ReconcilePolicy, RetryPolicy, Timeouts
from campaigns_async.jobs import Plan, rows_plan
from campaigns_async.sandbox import Quirks
from simulation import faults, kinds
from simulation.foreign import make_stranger
from simulation.people import INVALID, write_number
from simulation.server import source
from simulation.surroundings import NOTHING, Surroundings, draw_surroundings
from simulation.tokens import draw_marking

_TEXTS = (
    "Tee time, 20% off",
    "Your court is free",
    "Rained off",
    "Déjà prêt: two for one | today",
    "Café open à midi, señor",
)
_SHARE_OF_HALF = 0.02
"""The weight of foreign campaigns that may keep a row unknown, beside those that may not."""


@frozen
class JobScript:
    """All that was drawn."""

    seed: int
    rows: tuple[tuple[str, NewCampaign], ...]
    plan: Plan
    reconcile: bool
    ignore_invalid: bool | None
    policy: ReconcilePolicy
    retry: RetryPolicy
    timeouts: Timeouts
    max_concurrency: int
    group: int
    rate_limit: float | None
    give_up_after: float
    page_size: int
    quirks: Quirks
    honest: tuple[int, ...]
    longest_wait: float
    latest: float
    """Seconds after its departure within which a request has acted, and shows: less than the settling time."""
    fair_after: float
    """Seconds from the beginning after which nothing goes wrong any more."""
    stalls: float
    server_limit: int | None
    commit_takes: float
    """Seconds that a write to the journal takes at most."""
    preflight: bool
    """The job's option."""
    accept_altered: bool
    """The job's option."""
    around: Surroundings = NOTHING
    """What the server does to campaigns and lists, and what others do."""
    others_come: bool = False
    """True if others make campaigns to our people."""

    @property
    def most_sending(self) -> int:
        """The most rows that may be *sending* at once."""
        return self.max_concurrency + self.group

    @property
    def is_plain(self) -> bool:
        """True if the server stores requests unchanged, so that only equal rows can stay unknown."""
        as_sent = (
            self.quirks.message_text is None and self.around.alteration.kind is None and self.around.marking.is_shown
        )
        return as_sent and self.quirks.zone.utcoffset(None) == timedelta(0)

    @property
    def is_live(self) -> bool:
        """True if others make campaigns while each row must end created, but for those that nobody can tell apart."""
        return self.reconcile and self.is_plain and self.others_come

    def weather(self, path: str) -> faults.Weather:
        """Draw the weather of one life of the process."""
        dice = source(self.seed, f"weather {path}")
        longest = self.longest_wait * 1.3
        lag = self.around.list_fault.lag if self.around.list_fault.kind == "lagging lists" else 0.0
        return faults.draw_weather(dice, latest=self.latest, longest_wait=longest, honest=self.honest, lag=lag)


def draw_script(seed: int) -> JobScript:
    """Draw the script of a seed."""
    dice = source(seed, "job")
    rows = _rows(dice)
    plan = rows_plan(rows)
    settle = dice.choice((1.5, 2.0, 4.0))
    honest = dice.choice(((), (), (503,), (500, 503)))
    longest_wait = dice.choice((1.0, 3.0, 8.0))
    base = dice.choice((0.05, 0.25, 0.5))
    rate = dice.choice((0.7, 2.5, 10.0)) if dice.random() < 0.25 else None
    looking = 120.0 if rate is not None else dice.choice((4.0, 15.0, 30.0))  # a slow client needs its time
    script = JobScript(
        seed=seed,
        rows=rows,
        plan=plan,
        reconcile=dice.random() < 0.8,
        ignore_invalid=dice.choice((None, True, False)),
        policy=ReconcilePolicy(settle=settle, timeout=settle + looking, pause=dice.choice((0.3, 1.0))),
        retry=RetryPolicy(
            attempts=dice.choice((1, 1, 2, 4)),
            base=base,
            cap=base * dice.choice((1, 8)),
            quota=dice.choice((0, 500, 500)),
            max_retry_after=longest_wait,
            rejected_statuses=honest,
        ),
        timeouts=Timeouts(
            connect=dice.choice((0.2, 1.0, 2.0)),
            read=dice.choice((0.5, 2.0)),
            deadline=dice.choice((4.0 if rate is None else 30.0, 15.0, None)),
            grace=0.0,
        ),
        max_concurrency=dice.randint(1, 3),
        group=dice.randint(1, 4),
        rate_limit=rate,
        give_up_after=dice.choice((5.0, 20.0, 60.0)),
        page_size=dice.choice((3, 20, 100)),
        quirks=_quirks(dice),
        honest=honest,
        longest_wait=longest_wait,
        latest=settle * 0.9,
        fair_after=dice.choice((8.0, 20.0, 40.0)),
        stalls=dice.choice((0.0, 0.0, 0.02)),
        server_limit=dice.choice((2, 5)) if dice.random() < 0.15 else None,
        commit_takes=dice.choice((0.002, 0.02, 0.2)),
        preflight=source(seed, "preflight").random() < 0.6,
        accept_altered=source(seed, "altered").random() < 0.5,
    )
    return _put_into_surroundings(script, dice.choice((0, 0, 1, 3)))


def _put_into_surroundings(script: JobScript, strangers: int) -> JobScript:
    """Return a script with its surroundings, and its times as they are assumed of a server."""
    seed, read, settle = script.seed, script.timeouts.read, script.policy.settle
    if "late acts" in kinds.DRAWN:
        if source(seed, "settling").random() < 0.3:
            settle = None
        latest = 0.95 * max(2 * read, read if settle is None else settle)
        script = evolve(script, policy=evolve(script.policy, settle=settle), latest=latest)
    marking = draw_marking(source(seed, "marking"))
    script = evolve(script, policy=evolve(script.policy, marker=marking.field))
    around = draw_surroundings(
        source(seed, "surroundings"),
        [new for _, new in script.rows],
        drops_invalid=script.ignore_invalid is not False,
        latest=script.latest,
        share_of_half=_SHARE_OF_HALF,
        half_before=script.preflight,  # without it no run knows that they are older than its rows
    )
    script = evolve(script, others_come=bool(around.foreign))
    dice = source(seed, "strangers")
    others = (make_stranger(number, dice.choice(script.rows)[1]) for number in range(strangers))
    return evolve(script, around=evolve(around, foreign=(*around.foreign, *others), marking=marking))


def _quirks(dice: random.Random) -> Quirks:
    alters = dice.random() < 0.12
    return Quirks(
        bare_id=dice.random() < 0.2,
        list_in_array=dice.random() < 0.2,
        dates=dice.choice((None, "bare", "seven_digits", "offset")),
        phones=dice.choice((None, "plus", "digits", "national")),
        message_text=dice.choice((str.rstrip, str.upper)) if alters else None,
        zone=timezone(timedelta(hours=dice.choice((-8, 13)) if alters else 0)),
    )


def _rows(dice: random.Random) -> tuple[tuple[str, NewCampaign], ...]:
    twins, texts_twice = dice.choice((0.0, 0.0, 0.3, 0.6)), dice.choice((0.0, 0.2))
    made: list[NewCampaign] = []
    for number in range(dice.randint(3, 8)):
        if made and dice.random() < twins:
            made.append(dice.choice(made))
        elif made and dice.random() < texts_twice:  # another text to the same people
            made.append(_campaign(dice, [one.phone_number for one in dice.choice(made).contacts]))
        else:
            people = [write_number(number, index) for index in range(dice.randint(1, 3))]
            if dice.random() < 0.04:
                people.append(INVALID)
            made.append(_campaign(dice, people))
    return tuple((f"row-{number}", new) for number, new in enumerate(made))


def _campaign(dice: random.Random, people: list[str]) -> NewCampaign:
    start = START + timedelta(hours=dice.choice((0, 0, 0, 2)))
    return NewCampaign(start, "Golf", dice.choice(_TEXTS), tuple(map(NewContact, people)))
