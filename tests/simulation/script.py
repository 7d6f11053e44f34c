"""The script of a seed: settings, creates and cancellations, all drawn before the run starts."""

from __future__ import annotations

import math
import random
from datetime import UTC, timedelta, timezone

from attrs import define, evolve, field, frozen
from support.made import START

from campaigns_async import NewCampaign, NewContact, ReconcilePolicy, RetryPolicy, Timeouts
from campaigns_async._http import codec
from campaigns_async.effects import Effect
from campaigns_async.sandbox import Quirks
from simulation import faults, kinds
from simulation.altering import UNALTERED
from simulation.foreign import draw_foreign
from simulation.people import INVALID, write_number
from simulation.server import source
from simulation.surroundings import NOTHING, Surroundings, draw_surroundings
from simulation.tokens import draw_marking

CALLS = 50
_LIVE = 0.1
"""The share of the worlds in which each create that is looked for must end."""
_DAYS = 7
"""The number of days on which campaigns start: too far apart to be listed together, or no search would ever end."""
_GAPS = 10
"""Places for blanks in a number of eleven digits: they distinguish duplicates on the wire, but not for the matcher."""
_TEXTS = (
    "Tee time, 20% off",
    "Your court is free",
    "Rained off",
    "Déjà prêt: two for one | today",
    "Café open à midi, señor",
)


@define(eq=False)
class Create:
    """A call of `create`, and its outcome.

    Attributes:
        shared_content: The content that all duplicates of the create have in common.
        cut_after: Seconds from the start until the call is cancelled.
        timeout: Seconds of a timeout of the user's own, around the call.
        taken: True if the call has started, or a fan-out has read the item.
        cut: True if the simulation cancelled the call.
        lasted: Seconds that the call took, if it was a single one.
        listed_at: The time at which the client listed all campaigns before the create, as a job does before its rows.
    """

    number: int
    new: NewCampaign
    body: bytes
    shared_content: tuple[object, ...]
    reconcile: bool
    ignore_invalid: bool | None
    after: float
    view: int
    cut_after: float | None
    timeout: float | None
    taken: bool = False
    cut: bool = False
    lasted: float = 0.0
    listed_at: float = -math.inf
    ended: bool = False
    value: str | None = None
    error: BaseException | None = None
    effect: Effect | None = None


@define(eq=False)
class Change:
    """An update or a deletion of a campaign from before the run, which nothing else changes.

    Attributes:
        what: "update" or "delete".
        error: The error that it ended with.
    """

    number: int
    what: str
    after: float
    error: BaseException | None = None

    @property
    def campaign_id(self) -> str:
        """The id of the campaign."""
        return f"changing{self.number}"


@frozen
class FanOut:
    """Creates that `create_many` or `map` runs.

    Attributes:
        mapped: True for `map`, over an operation of two requests: a create, then a read.
        intake: "sync" or "async", the kind of the iterable.
        stop_after: The number of outcomes after which the block ends.
        dropped: True if the fan-out is dropped then, without leaving a block.
    """

    creates: tuple[Create, ...]
    mapped: bool
    intake: str
    stop_after: int | None
    dropped: bool
    after: float
    cut_after: float | None
    view: int


@define
class Script:
    """All random choices of a run.

    Attributes:
        timeouts: The timeouts of the client, then of its views.
        rotations: The times at which the key changes; None for a fixed key.
        snatched: The probability that a waiting call is cancelled when a slot becomes free.
        others: Reads besides the creates.
        changes: Updates and deletions.
        strangers: Times at which somebody else creates a campaign like one of these, to other people.
        around: What the server does to campaigns and lists, and what others do.
        is_live: True if each create that is looked for must end, though others make campaigns: see `_make_live`.
        former: Creates for which the server holds an equal campaign from before, which the client has seen.
    """

    seed: int
    retry: RetryPolicy
    timeouts: tuple[Timeouts, ...]
    reconcile: ReconcilePolicy
    max_concurrency: int
    rate_limit: float | None
    max_waiting: int | None
    page_size: int
    quirks: Quirks
    weather: faults.Weather
    server_limit: int | None
    rotations: tuple[float, ...] | None
    stalls: float
    close_at: float | None
    snatched: float
    singles: list[Create] = field(factory=list)
    fan_outs: list[FanOut] = field(factory=list)
    others: list[tuple[float, str]] = field(factory=list)
    changes: list[Change] = field(factory=list)
    strangers: list[tuple[float, Create]] = field(factory=list)
    former: list[Create] = field(factory=list)
    around: Surroundings = NOTHING
    is_live: bool = False

    @property
    def creates(self) -> list[Create]:
        """All creates, by number."""
        return sorted([*self.singles, *(one for fan in self.fan_outs for one in fan.creates)], key=lambda c: c.number)

    @property
    def is_plain(self) -> bool:
        """True if the server stores and shows campaigns as they were sent."""
        as_sent = (
            self.quirks.message_text is None and self.around.alteration.kind is None and self.around.marking.is_shown
        )
        return as_sent and self.quirks.zone.utcoffset(None) == timedelta(0)

    def settles_in(self, timeouts: Timeouts) -> float:
        """Return the seconds from a create's first byte in which its campaign shows, as is assumed of a server."""
        settle = self.reconcile.settle
        return max(2 * timeouts.read, timeouts.read if settle is None else settle)


def draw_script(seed: int, calls: int = CALLS) -> Script:
    """Draw the script of a seed."""
    dice = source(seed, "script")
    settle = dice.choice((2.0, 3.0, 5.0))
    honest = dice.choice(((), (), (), (503,), (500, 503)))
    longest_wait = dice.choice((1.0, 3.0, 10.0))
    base = dice.choice((0.05, 0.25, 0.5))
    deadline = dice.choice((4.0, 15.0, 60.0, None))
    limited = dice.random() < 0.4
    raising = dice.random() < 0.1
    script = Script(
        seed=seed,
        retry=RetryPolicy(
            attempts=dice.choice((1, 2, 3, 5, 5)),
            base=base,
            cap=base * dice.choice((1, 8, 40)),
            quota=dice.choice((0, 20, 500, 500, 500, 500, 500, 500)),
            max_retry_after=longest_wait,
            rejected_statuses=honest,
        ),
        timeouts=(
            _timeouts(dice, deadline),
            _timeouts(dice, dice.choice((0.4, 1.0, 3.0))),
            _timeouts(dice, dice.choice((6.0, 30.0))),
        ),
        reconcile=ReconcilePolicy(
            settle=settle, timeout=settle + dice.choice((2.0, 20.0, 60.0)), pause=dice.choice((0.3, 1.0, 2.0))
        ),
        max_concurrency=dice.randint(1, 8),
        rate_limit=dice.choice((0.8, 2.5, 5.0, 10.0, 40.0)) if limited else None,
        max_waiting=dice.choice((1, 3, 20)) if raising else None,
        page_size=dice.choice((2, 5, 20, 100)),
        quirks=_quirks(dice),
        weather=faults.draw_weather(
            source(seed, "weather"), latest=settle * 0.9, longest_wait=longest_wait * 1.3, honest=honest
        ),
        server_limit=dice.choice((3, 10)) if dice.random() < 0.2 else None,
        rotations=tuple(dice.random() * 20 for _ in range(dice.randint(0, 3))) if dice.random() < 0.3 else None,
        stalls=dice.choice((0.0, 0.0, 0.02)),
        snatched=dice.choice((0.0, 0.0, 0.05)),
        close_at=dice.random() * 20 if dice.random() < 0.2 else None,
    )
    _fill(script, dice, calls)
    if "late acts" in kinds.DRAWN:
        if source(seed, "settling").random() < 0.3:
            script.reconcile = evolve(script.reconcile, settle=None)
        script.weather.latest = 0.95 * min(script.settles_in(each) for each in script.timeouts)
    script.around = draw_surroundings(
        source(seed, "surroundings"),
        [create.new for create in script.creates],
        drops_invalid=any(create.ignore_invalid is not False for create in script.creates),
        latest=script.weather.latest,
    )
    marking = draw_marking(source(seed, "marking"))
    script.around = evolve(script.around, marking=marking)
    script.reconcile = evolve(script.reconcile, marker=marking.field)
    if source(seed, "live").random() < _LIVE:
        _make_live(script)
    if script.around.list_fault.kind == "lagging lists":
        script.weather.lag = script.around.list_fault.lag
    return script


def _make_live(script: Script) -> None:
    """Change a script to one in which only responses to creates are lost, on a server that alters nothing or shows the tokens, while others
    come and go.

    A campaign to half or more of a create's people may leave it unknown, so such campaigns are rare.
    """
    dice = source(script.seed, "foreign")
    script.is_live = True
    script.retry = evolve(script.retry, attempts=30, quota=5000)
    script.timeouts = tuple(evolve(each, deadline=None) for each in script.timeouts)
    # Searches of fifty creates that share one slot, in pages of two rows, take over 300 s.
    script.reconcile = evolve(script.reconcile, timeout=3000.0 if script.max_concurrency == 1 else 300.0)
    script.quirks = evolve(script.quirks, message_text=None, zone=UTC)
    script.rate_limit = script.max_waiting = script.server_limit = script.rotations = script.close_at = None
    script.snatched, script.strangers = 0.0, []  # their numbers end like ours
    script.weather = evolve(script.weather, mood=faults.LOSSES, outages=(), reads_fail=False)
    for create in script.creates:
        create.cut_after = create.timeout = None
    script.fan_outs = [evolve(fan, stop_after=None, dropped=False, cut_after=None) for fan in script.fan_outs]
    foreign = draw_foreign(
        dice,
        [create.new for create in script.creates],
        drops_invalid=True,
        share_of_half=0.02,
        half_before=False,
        until=30.0,
    )
    alteration = script.around.alteration if script.around.marking.decides else UNALTERED
    script.around = evolve(script.around, alteration=alteration, foreign=foreign)


def _timeouts(dice: random.Random, deadline: float | None) -> Timeouts:
    return Timeouts(
        connect=dice.choice((0.2, 1.0, 2.0)),
        read=dice.choice((0.5, 2.0)),
        deadline=deadline,
        grace=dice.choice((0.0, 0.5, 3.0)),
    )


def _quirks(dice: random.Random) -> Quirks:
    return Quirks(
        bare_id=dice.random() < 0.2,
        list_in_array=dice.random() < 0.2,
        dates=dice.choice((None, "bare", "seven_digits", "offset")),
        phones=dice.choice((None, "plus", "digits", "national")),
        message_text=dice.choice((None, None, None, str.rstrip, str.upper)),
        zone=timezone(timedelta(hours=dice.choice((0, 0, -8, 13)))),
    )


def _fill(script: Script, dice: random.Random, calls: int) -> None:
    spread = dice.choice((0.5, 5.0, 20.0))
    reconciling = dice.choice((0.0, 0.3, 1.0))
    duplicates = dice.choice((0.0, 0.3, 0.8))
    cuts = dice.choice((0.0, 0.1, 0.3))
    creates: list[Create] = []
    for number in range(calls):
        new, shared_content = _content(dice, number, creates[-1] if creates and dice.random() < duplicates else None)
        creates.append(
            Create(
                number=number,
                new=new,
                body=codec.encode_model(new),
                shared_content=shared_content,
                reconcile=dice.random() < reconciling,
                ignore_invalid=dice.choice((None, True, True, False)),
                after=dice.random() * spread,
                view=dice.choice((0, 0, 0, 1, 2)),
                cut_after=dice.random() ** 2 * 8 if dice.random() < cuts else None,
                timeout=dice.random() * 5 if dice.random() < 0.05 else None,
            )
        )
    while len(creates) > calls // 2 and dice.random() < 0.6:
        size = min(dice.randint(1, 15), len(creates))
        script.fan_outs.append(_fan_out(dice, tuple(creates[-size:]), cuts, spread))
        del creates[-size:]
    script.singles = creates
    script.others = [
        (dice.random() * spread, dice.choice(("get", "list", "missing"))) for _ in range(dice.randint(0, 5))
    ]
    script.changes = [
        Change(number, dice.choice(("update", "delete")), dice.random() * spread)
        for number in range(dice.randint(0, 6))
    ]
    everyone = script.creates
    if dice.random() < 0.3:
        script.strangers = [(dice.random() * spread * 2, dice.choice(everyone)) for _ in range(dice.randint(1, 8))]
    if dice.random() < 0.3:
        script.former = dice.sample(everyone, min(5, len(everyone)))


def _fan_out(dice: random.Random, creates: tuple[Create, ...], cuts: float, spread: float) -> FanOut:
    reconcile, ignore, view = dice.random() < 0.4, dice.choice((None, True, True)), dice.choice((0, 0, 2))
    for create in creates:
        create.reconcile, create.ignore_invalid, create.view = reconcile, ignore, view
        create.cut_after = create.timeout = None
    stop = dice.randint(0, len(creates)) if dice.random() < 0.4 else None
    return FanOut(
        creates,
        mapped=dice.random() < 0.3,
        intake=dice.choice(("sync", "async")),
        stop_after=stop,
        dropped=stop is not None and dice.random() < 0.3,
        after=dice.random() * spread,
        cut_after=dice.random() * 8 if dice.random() < cuts else None,
        view=view,
    )


def _content(dice: random.Random, number: int, original: Create | None) -> tuple[NewCampaign, tuple[object, ...]]:
    if original is not None:
        people = [_digits(contact.phone_number) for contact in original.new.contacts]
        start, message = original.new.start_date_time, original.new.message
    else:
        # The same text to other people at the same time is no duplicate.
        start, message = START + timedelta(days=2 * (number % _DAYS), hours=dice.choice((0, 2))), dice.choice(_TEXTS)
        people = [write_number(number, index) for index in range(dice.randint(1, 3))]
        if dice.random() < 0.05:
            people.append(INVALID)
    # The blanks in the first number encode the number of the create.
    contacts = [NewContact(_insert_blanks(people[0], number), name=people[0]), *(NewContact(one) for one in people[1:])]
    new = NewCampaign(start, "Golf", message, tuple(contacts))
    return new, (start, message, frozenset(one for one in people if len(one) > len(INVALID)))


def _digits(text: str) -> str:
    return text.replace(" ", "")


def _insert_blanks(digits: str, number: int) -> str:
    return "".join(digit + (" " if at < _GAPS and number >> at & 1 else "") for at, digit in enumerate(digits))
