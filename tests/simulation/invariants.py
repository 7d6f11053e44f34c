"""The invariants that hold after each seed, whatever went wrong in it."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import accumulate, islice
from typing import TYPE_CHECKING

from attrs import define, field

from campaigns_async import (
    AttemptFinished,
    AttemptStarted,
    CallFinished,
    CallStarted,
    DecodeError,
    DuplicateId,
    Effect,
    Operation,
    OutcomeUnknownError,
    Reconciled,
    Waiting,
    effect_of,
)
from campaigns_async._engine.retry import RETRY_COST, SUCCESS_RETURNS
from campaigns_async._http.transport import FailureKind
from simulation.people import INVALID
from simulation.script import Create
from simulation.server import Sent
from simulation.setting import CHANGED

if TYPE_CHECKING:
    from simulation.world import World

_CATCH_UP = 0.011
"""Seconds by which requests may be closer than evenly spaced, after a late timer."""
_LATE = 0.4
"""Seconds by which the loop may be late."""
_NOTHING_DONE = (Effect.NOT_SENT, Effect.REJECTED)


def find_violations(world: World) -> Iterator[str]:
    """Yield a message for each invariant that does not hold."""
    yield from _check_nothing_left(world)
    yield from _check_each_at_most_once(world)
    yield from _check_documented(world)
    yield from _check_candidates(world)
    for create in find_unended(world):
        error = create.error
        if not isinstance(error, OutcomeUnknownError) or not _is_shadowed(world, create, error):
            yield f"create {create.number} has not ended, though no campaign of others can be it: {error!r}"
    yield from _check_changes(world)
    yield from _check_runs(world)
    yield from _check_starts_and_ends(world)
    yield from _check_limits(world)
    yield from _check_holds(world)


def _check_nothing_left(world: World) -> Iterator[str]:
    for task in world.left:
        yield f"a task is left: {task}"
    for fault in world.loop.faults:
        yield f"raised where nothing could catch it: {fault}"
    for create in world.script.singles:
        if not create.ended:
            yield f"create {create.number} never ended"
        deadline = world.script.timeouts[create.view].deadline
        if not create.reconcile and deadline is not None and create.lasted > deadline + _LATE:
            yield f"create {create.number} took {create.lasted} s, though its deadline was {deadline} s"


def _check_each_at_most_once(world: World) -> Iterator[str]:
    """Compare the outcome of each create with the server's acts; duplicates cannot be distinguished, so they are counted."""
    groups: dict[tuple[object, ...], list[Create]] = defaultdict(list)
    for create in world.script.creates:
        groups[create.shared_content].append(create)
    returned = Counter(create.value for create in world.script.creates if create.value is not None)
    for campaign_id, times in returned.items():
        if times > 1:
            yield f"{campaign_id} was returned {times} times"
    for group in groups.values():
        yield from _check_group(world, group)


def _check_group(world: World, group: list[Create]) -> Iterator[str]:
    acts = [act for create in group for act in world.server.acts.get(create.body, ())]
    made = {act.campaign_id for act in acts}
    names = ", ".join(f"{one.number}: {_describe(one)}" for one in group)
    values = {create.value for create in group if create.value is not None}
    if not values <= made:
        yield f"an id was returned that belongs to no such create ({names}), made: {sorted(made)}"
    given_twice = _find_ids_given_twice(world)
    effects = Counter(
        Effect.UNKNOWN if create.value in given_twice else create.effect for create in group if create.taken
    )
    applied, unknown = effects[Effect.APPLIED], effects[Effect.UNKNOWN] + effects[None]
    if len(group) > 1 and any(create.reconcile for create in group):
        # If a create was applied without an id, a duplicate may have found its campaign.
        nameless = sum(create.effect is Effect.APPLIED and create.value is None for create in group)
        applied, unknown = applied - nameless, unknown + nameless
    if not applied <= len(acts) <= applied + unknown:
        yield f"{len(acts)} campaigns made ({names})"
    for create in group:
        own = world.server.acts.get(create.body, ())
        if not any(one.reconcile for one in group):
            if len(own) > 1 or (create.effect in _NOTHING_DONE and own):
                yield f"{len(own)} campaigns made by create {create.number}: {_describe(create)}"
            if create.value is not None and [act.campaign_id for act in own] != [create.value]:
                yield f"create {create.number} returned {create.value}, and made {own}"


def _find_ids_given_twice(world: World) -> set[str]:
    """Return the ids that the client reported as given to two creates: too late for the create that had returned."""
    return {
        event.campaign_id
        for events in world.events.values()
        for event in events
        if isinstance(event, DuplicateId) and event.earlier_effect is Effect.UNKNOWN
    }


def _check_documented(world: World) -> Iterator[str]:
    """Check that no create is left unknown if the server always answered as it is documented."""
    sent: dict[bytes, list[Sent]] = defaultdict(list)
    for one in world.server.sent:
        sent[one.content].append(one)
    for create in world.script.creates:
        if create.value is not None or not isinstance(create.error, (OutcomeUnknownError, DecodeError)):
            continue
        if all(one.departed is None or one.got_its_own_reply for one in sent[create.body]):
            yield f"create {create.number} is unknown, though the server answered as documented: {create.error!r}"


def _check_candidates(world: World) -> Iterator[str]:
    """Check that no create is left unknown for a campaign of others to fewer than half of its people.

    A server that alters nothing is assumed. What else may be a create's is what was made for our people, in the run or before.
    """
    if not world.script.is_plain:
        return
    for create in world.script.creates:
        if not isinstance(create.error, OutcomeUnknownError):
            continue
        people = find_people(create)
        by_id = {each.campaign_id: each for each in world.script.around.foreign}
        for candidate in create.error.candidates:
            foreign = by_id.get(candidate.id)
            if foreign is not None and 2 * len(people.intersection(foreign.people)) < len(people):
                yield f"create {create.number} is unknown because of {foreign}"


def find_unended(world: World) -> list[Create]:
    """Return the creates of a live world that were looked for, have no equal one, and ended neither created nor refused.

    On a server that alters campaigns only a token shows that a create was carried out, and nothing that it was not.
    """
    if not world.script.is_live:
        return []
    equal = Counter(create.shared_content for create in world.script.creates)
    return [
        create
        for create in world.script.creates
        if create.reconcile
        and equal[create.shared_content] == 1
        and create.effect not in (Effect.APPLIED, Effect.REJECTED)
        and (world.script.is_plain or world.server.acts.get(create.body))
    ]


def _is_shadowed(world: World, create: Create, error: OutcomeUnknownError) -> bool:
    """Return True if others made a campaign to half of a create's people after it was listed, and it is a candidate."""
    people, candidates = find_people(create), {each.id for each in error.candidates}
    return any(
        foreign.campaign_id in candidates
        and foreign.appears >= create.listed_at
        and 2 * len(people.intersection(foreign.people)) >= len(people)
        for foreign in world.script.around.foreign
    )


def find_people(create: Create) -> frozenset[str]:
    """Return the valid numbers of a create, without blanks."""
    numbers = ("".join(one.phone_number.split()) for one in create.new.contacts)
    return frozenset(number for number in numbers if len(number) > len(INVALID))


def _check_changes(world: World) -> Iterator[str]:
    for change in world.script.changes:
        row = world.server.store.get(change.campaign_id)
        if change.what == "delete":
            is_done = row is None
        else:
            is_done = row is not None and str(row.wire["message"]).lower() == CHANGED
        effect = Effect.APPLIED if change.error is None else effect_of(change.error)
        if (effect is Effect.APPLIED and not is_done) or (effect in _NOTHING_DONE and is_done):
            yield f"{change.what} {change.number}: {change.error!r} {effect}, but done: {is_done}"


def _describe(create: Create) -> str:
    return f"{create.value or type(create.error).__name__} {create.effect}"


@define
class _Run:
    """A call, as the observer and the transport saw it."""

    attempts: list[AttemptFinished] = field(factory=list)
    sent: list[Sent] = field(factory=list)
    end: CallFinished | None = None


def _find_runs(world: World) -> Iterator[_Run | str]:
    """Yield the calls that have ended. A call may run within another one of its task, to read back what was created."""
    sent: dict[asyncio.Task[object] | None, list[Sent]] = defaultdict(list)
    for one in world.server.sent:
        sent[one.task].append(one)
    for task, events in world.events.items():
        requests, runs = iter(sent.pop(task, [])), defaultdict[int, _Run](_Run)
        for event in events:
            if isinstance(event, AttemptStarted):
                runs[event.call_id].sent.extend(islice(requests, 1))
            elif isinstance(event, AttemptFinished):
                runs[event.call_id].attempts.append(event)
            elif isinstance(event, CallFinished):
                run = runs.pop(event.call_id, _Run())
                run.end = event
                yield run
        left = len(list(requests))
        if left or runs:
            yield f"{left} requests have no event; {len(runs)} calls without an end"
    for of_task in sent.values():
        yield f"{len(of_task)} requests have no event"


def _check_runs(world: World) -> Iterator[str]:
    count = Counter[str]()
    acted = {act.sent for acts in world.server.acts.values() for act in acts}
    policy = world.script.retry
    most = policy.attempts + (world.script.rotations is not None)
    longest = max((one.deadline or 10_000.0) for one in world.script.timeouts)
    for run in _find_runs(world):
        if isinstance(run, str):
            yield run
            continue
        end, numbers = run.end, [event.attempt for event in run.attempts]
        assert end is not None
        count.update(calls=1, attempts=end.attempts, retries=max(0, end.attempts - 1))
        if end.error_type is None:
            count["earned"] += RETRY_COST if end.attempts > 1 else SUCCESS_RETURNS
        if len(run.sent) != end.attempts or numbers != list(range(1, end.attempts + 1)):
            yield f"{end}: {len(run.sent)} requests were sent, attempts {numbers}"
        if end.attempts > most:
            yield f"{end}: {end.attempts} attempts, though {policy.attempts} were allowed"
        deadline = min([longest, *(one.deadline for one in run.sent)])
        if end.elapsed > deadline + _LATE:
            yield f"{end}: outlasted its deadline of {deadline} s"
        yield from _check_attempts(run)
        if end.operation is Operation.CREATE:
            yield from _check_create(run, end, acted)
    pauses = ("backoff", "retry_after")
    count["waits"] = sum(
        isinstance(event, Waiting) and event.reason in pauses for events in world.events.values() for event in events
    )
    stats = world.client.stats()
    if (stats.calls, stats.attempts, stats.retries) != (count["calls"], count["attempts"], count["retries"]):
        yield f"{stats}, but {dict(count)} were seen"
    paid = world.script.retry.quota + count["earned"]
    if RETRY_COST * count["waits"] > paid:
        yield f"{count['waits']} retries, though there was enough to pay {paid} tokens"
    longest_search = world.script.reconcile.timeout + max(map(world.script.settles_in, world.script.timeouts)) + _LATE
    for events in world.events.values():
        for event in events:
            if isinstance(event, Reconciled) and event.elapsed > longest_search:
                yield f"{event}: outlasted its timeout"


def _check_attempts(run: _Run) -> Iterator[str]:
    for event, sent in zip(run.attempts, run.sent, strict=False):
        if sent.got_its_own_reply and event.effect is Effect.UNKNOWN:
            yield f"{event}, though the server answered as documented"
        if event.failure == FailureKind.CERTIFICATE and event is not run.attempts[-1]:
            yield f"{event} was not the last attempt"


def _check_starts_and_ends(world: World) -> Iterator[str]:
    """Check that each call and each attempt has a start, then an end, in one task, and that no number occurs twice."""
    numbers = sorted(event.id for events in world.events.values() for event in events)
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"{len(numbers)} events, numbered {numbers[:1]} to {numbers[-1:]}"
    seen: set[int] = set()
    for events in world.events.values():
        if [event.id for event in events] != sorted(event.id for event in events):
            yield "events of a task came out of order"
        calls: dict[int, list[str]] = defaultdict(list)
        for event in events:
            match event:
                case CallStarted():
                    calls[event.call_id].append("(")
                case AttemptStarted():
                    calls[event.call_id].append(f"[{event.attempt}")
                case AttemptFinished():
                    calls[event.call_id].append(f"{event.attempt}]")
                case CallFinished():
                    calls[event.call_id].append(f"{event.attempts})")
                case Waiting() | Reconciled():
                    pass
        for call_id, sides in calls.items():
            attempts = len(sides) // 2 - 1
            expected = ["(", *(side for n in range(1, attempts + 1) for side in (f"[{n}", f"{n}]")), f"{attempts})"]
            if sides != expected or call_id in seen:
                yield f"call {call_id} has the events {' '.join(sides)}"
        seen |= calls.keys()


def _check_create(run: _Run, end: CallFinished, acted: set[int]) -> Iterator[str]:
    before = Effect.NOT_SENT
    for event, sent in zip(run.attempts, run.sent, strict=False):
        did = sent.number in acted
        if did and event.effect in _NOTHING_DONE:
            yield f"{event}, but it was carried out"
        if sent.got_a_created_without_id and event.effect is not Effect.APPLIED:
            yield f"{event}, though the status says that it was carried out"
        if not did and event.effect is Effect.APPLIED and not sent.was_given_anothers_id:
            yield f"{event}, but it was not carried out"
        # The effect of an attempt that was cut off is that of the call: unchanged if nothing departed.
        if event.effect is not before and (sent.departed is None) != (event.effect is Effect.NOT_SENT):
            yield f"{event}, but it departed at {sent.departed}"
        before = event.effect if event.effect is not Effect.NOT_SENT else before
    number = sum(sent.number in acted for sent in run.sent)
    any_lie = any(sent.was_given_anothers_id for sent in run.sent)
    if (
        number > 1
        or (number and end.effect in _NOTHING_DONE)
        or (not number and end.effect is Effect.APPLIED and not any_lie)
    ):
        yield f"{end}, but it was carried out {number} times"


def _check_limits(world: World) -> Iterator[str]:
    most = _most_in_flight(world)
    if most > world.script.max_concurrency:
        yield f"{most} requests in flight"
    rate = world.script.rate_limit
    if rate is None:
        return
    departed = sorted(one.departed for one in world.server.sent if one.departed is not None)
    window, allowed = max(1.0, 1.0 / rate), max(1, int(rate))
    for first, last in zip(departed, departed[allowed:], strict=False):
        if last - first <= window:
            yield f"{allowed + 1} requests within {last - first} s, from {first} on; {rate} a second allowed"
            break
    latest = float("-inf")
    for index, one in enumerate(world.server.sent):
        even = one.began - index / rate
        if even < latest - _CATCH_UP:
            yield f"request {one.number} came {latest - even} s early, with {rate} a second"
            break
        latest = max(latest, even)


def _most_in_flight(world: World) -> int:
    # Requests that end in a turn make room for those that start in it.
    ends = [(one.ended_turn, -1) for one in world.server.sent]
    running = accumulate(change for _, change in sorted([*ends, *((one.turn, 1) for one in world.server.sent)]))
    return max(running, default=0)


def _check_holds(world: World) -> Iterator[str]:
    sent = world.server.sent
    for at, hold in enumerate(world.server.holds):
        later_requests = sent[hold.requests :]
        for one in later_requests:
            # A request that was released in the same turn has already started.
            if one.turn > hold.turn + 1 and one.began < hold.until - 1e-6:
                yield f"request {one.number} at {one.began} during a hold from {hold.at} to {hold.until}"
        later = [other.at for other in world.server.holds[at + 1 :]]
        released = [
            one for one in later_requests if one.began >= hold.until and one.began < min(later, default=float("inf"))
        ]
        turns = [one.turn for one in released[: world.script.max_concurrency]]
        if len(set(turns)) < len(turns):
            yield f"a stampede after the hold that ended at {hold.until}: turns {turns}"
