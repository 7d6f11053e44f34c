"""A search for creates whose outcome is unknown, on a server and a clock that do as they are asked."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import define, evolve, field
from support.made import START

from campaigns_async._engine.retry import RetryQuota
from campaigns_async._reconcile.ledger import Ledger, fields_of
from campaigns_async._reconcile.matching import Absent, Found, SearchTarget, Unknown, Verdict
from campaigns_async._reconcile.reconciler import Reconciler, settling_end
from campaigns_async._reconcile.search_reader import SearchReader
from campaigns_async.effects import BodyForm
from campaigns_async.errors import APIError, ClientClosedError, NotFoundError, PagingError
from campaigns_async.models import Campaign, CampaignStatus, Contact, NewCampaign, NewContact, Page
from campaigns_async.query import Expression
from campaigns_async.settings import ReconcilePolicy
from campaigns_async.values import Checkpoint

SETTLE = 5.0
POLICY = ReconcilePolicy(timeout=60.0, pause=1.0)
SHORT = evolve(POLICY, timeout=0.1, pause=0.01)


def new(*numbers: str, message: str = "See you.", days: float = 0) -> NewCampaign:
    contacts = [NewContact(number) for number in numbers or ("07700900001", "07700900002")]
    return NewCampaign(START + timedelta(days=days), "Golf", message, contacts)


class ManualClock:
    """Passes time only when someone sleeps, and counts from 1,000."""

    def __init__(self) -> None:
        self.time = 1000.0

    def monotonic(self) -> float:
        return self.time

    def now(self) -> datetime:
        return START - timedelta(days=30) + timedelta(seconds=self.time)

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        await asyncio.sleep(0)
        self.time += seconds


@define
class Listed:
    """One walk through a list."""

    rows: list[Campaign]
    total: int | None

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint("", 100, rows=len(self.rows), total=self.total)

    async def pages(self) -> AsyncIterator[Page[Campaign]]:
        yield Page(1, None, self.total, tuple(self.rows))


@define
class Pages:
    contacts: tuple[Contact, ...]
    size: int
    read: Callable[[int], None]

    async def pages(self) -> AsyncIterator[Page[Contact]]:
        for at in range(0, max(1, len(self.contacts)), self.size):
            items = self.contacts[at : at + self.size]
            self.read(len(items))
            yield Page(1, None, None, items)


def gone(form: BodyForm = BodyForm.EMPTY) -> NotFoundError:
    error = NotFoundError("gone", status=404)
    error.body_form = form
    return error


@define
class Server:
    """Campaigns, and what goes wrong when they are listed. Notes the time of each look."""

    clock: ManualClock
    ledger: Ledger
    campaigns_: dict[str, Campaign] = field(factory=dict)
    contacts_: dict[str, tuple[Contact, ...]] = field(factory=dict)
    unlisted: set[str] = field(factory=set)
    missing: int = 0  # rows that the total counts, and no list has
    shows_totals: bool = True
    failures: list[Exception] = field(factory=list)
    on_look: Callable[[int], object] = lambda _look: None
    looks: list[float] = field(factory=list)
    filters: list[str] = field(factory=list)
    sizes: list[int] = field(factory=list)
    contacts_read: int = 0

    def add(self, campaign_id: str, sent: NewCampaign, **fields: Any) -> None:
        row = Campaign(
            campaign_id,
            sent.start_date_time,
            sent.sender,
            len(sent.contacts),
            sent.message,
            CampaignStatus.PENDING,
            sent.opt_out_link_id,
            sent.track_link_url,
        )
        self.campaigns_[campaign_id] = evolve(row, **fields)
        self.contacts_[campaign_id] = tuple(
            Contact(str(at), each.phone_number) for at, each in enumerate(sent.contacts)
        )

    page_size: int = 100

    def campaigns(self, filters: Expression, /, *, sorts: str, page_size: int) -> Any:
        assert sorts == ("startDateTime,id" if str(filters).startswith("id") else "id")
        if page_size not in self.sizes[-1:]:  # each look has its own
            self.looks.append(self.clock.time)
            self.sizes.append(page_size)
            self.on_look(len(self.looks))
        self.filters.append(str(filters))
        if self.failures:
            raise self.failures.pop(0)
        rows = [row for key, row in self.campaigns_.items() if key not in self.unlisted and self._holds(row, filters)]
        rows.sort(key=lambda row: row.start_date_time or datetime.min.replace(tzinfo=UTC))
        self.ledger.seen.update(row.id for row in rows)
        return Listed(rows, len(rows) + self.missing if self.shows_totals else None)

    def _holds(self, row: Campaign, filters: Expression) -> bool:
        start = row.start_date_time
        if str(filters).startswith("id"):
            return True
        earliest, latest = (
            datetime.fromisoformat(text).replace(tzinfo=UTC) for text in re.findall(r"[<>]=([^,]+)", str(filters))
        )
        return start is not None and earliest <= start <= latest

    def contacts(self, campaign_id: str, /) -> Any:
        if campaign_id not in self.contacts_:
            raise gone()
        return Pages(self.contacts_[campaign_id], 2, self._count)

    def _count(self, contacts: int) -> None:
        self.contacts_read += contacts

    async def get(self, campaign_id: str) -> Campaign:
        if campaign_id not in self.campaigns_:
            raise gone()
        return self.campaigns_[campaign_id]


@define
class Bench:
    """A reconciler with all that it needs."""

    clock: ManualClock = field(factory=ManualClock)
    ledger: Ledger = field(factory=lambda: Ledger(1000))
    server: Server = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.server = Server(self.clock, self.ledger)

    def reconciler(self, **options: Any) -> Reconciler:
        async def find_claimed(campaigns: Collection[Campaign]) -> Collection[str]:
            return {each.id for each in campaigns if self.ledger.is_claimed(each, fields_of(new("1")))}

        reads = {name: options.pop(name) for name in ("newest", "find_surplus") if name in options}
        policy, get = options.pop("policy", POLICY), options.pop("get", self.server.get)
        reader = SearchReader(self.server, policy, self.clock, get, **reads)  # type: ignore[arg-type]  # fakes
        return Reconciler(reader, self.ledger, **{"exclude_known": find_claimed, **options})

    async def run(self, *sent: NewCampaign, known_before: int = 0, **options: Any) -> list[Verdict]:
        """Return the verdicts on creates that became unknown now."""
        settle = 0.01 if options.get("policy") is SHORT else SETTLE
        verdicts = await self.reconciler(**options).run(
            {
                key: SearchTarget(each, settled_at=self.clock.time + settle, known_before=known_before)
                for key, each in enumerate(sent)
            }
        )
        return [verdicts[key] for key in range(len(sent))]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def unknown(verdicts: list[Verdict]) -> str | None:
    (verdict,) = verdicts
    assert isinstance(verdict, Unknown)
    assert not verdict.candidates
    return verdict.reason


both = pytest.mark.parametrize("serves_caller", [False, True], ids=["a job", "a create"])


# Absence


@both
async def test_absence_takes_two_looks_after_the_settling_time(bench: Bench, serves_caller: bool) -> None:
    assert await bench.run(new(), serves_caller=serves_caller) == [Absent()]
    assert bench.server.looks == [1000.0, 1002.0] * serves_caller + [1005.0, 1006.0]


@both
@pytest.mark.parametrize("look", [1, 2, 3])
async def test_what_shows_up_at_any_look_is_not_absent(bench: Bench, serves_caller: bool, look: int) -> None:
    bench.server.on_look = lambda at: bench.server.add("late", new()) if at == look else None
    absent = look == 3 and not serves_caller
    assert await bench.run(new(), serves_caller=serves_caller) == [Absent() if absent else Found("late")]


@both
async def test_what_was_seen_in_the_first_look_and_not_in_the_second_is_not_absent(
    bench: Bench, serves_caller: bool
) -> None:
    other = new("07700900009", days=1)
    bench.server.add("like", new(), message="See you!")
    bench.server.on_look = lambda at: bench.server.unlisted.add("like") if at > 1 else None
    targets = {0: SearchTarget(new()), 1: SearchTarget(other)}
    verdicts = await bench.reconciler(serves_caller=serves_caller).run(targets)
    assert verdicts == {0: Unknown((bench.server.campaigns_["like"],)), 1: Absent()}


@both
async def test_a_list_that_ends_early_proves_nothing(bench: Bench, serves_caller: bool) -> None:
    bench.server.add("other", new("07700900009"))
    bench.server.missing = 1
    assert unknown(await bench.run(new(), serves_caller=serves_caller, policy=SHORT))


@both
async def test_a_failed_look_between_two_makes_neither_a_second_one(bench: Bench, serves_caller: bool) -> None:
    def fail(look: int) -> None:
        if look == 2 + serves_caller:
            bench.server.failures.append(APIError("no", status=500))

    bench.server.on_look = fail
    assert await bench.run(new(), serves_caller=serves_caller) == [Absent()]
    assert len(bench.server.looks) == 4 + serves_caller


async def canaries() -> Collection[str]:
    return ["canary", "deleted"]


@both
@pytest.mark.parametrize("days", [0, 40], ids=["near", "far"])
async def test_a_canary_that_no_list_shows_proves_the_list_wrong(bench: Bench, serves_caller: bool, days: int) -> None:
    bench.server.add("canary", new("07700900009", days=days))
    bench.server.unlisted.add("canary")
    bench.server.on_look = lambda at: bench.server.unlisted.clear() if at == 3 else None
    assert await bench.run(new(), newest=canaries, serves_caller=serves_caller) == [Absent()]
    assert len(bench.server.looks) == 4, "the two without the canary count for nothing"


@both
@pytest.mark.parametrize(
    "start", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC), None]
)
async def test_a_canary_that_the_server_shows_without_a_start_breaks_no_search(
    bench: Bench, serves_caller: bool, start: datetime | None
) -> None:
    bench.server.add("canary", new("07700900009"), start_date_time=start)
    bench.server.unlisted.add("canary")
    assert await bench.run(new(), newest=canaries, serves_caller=serves_caller) == [Absent()]


async def test_a_canary_is_gone_only_where_the_api_itself_says_so(bench: Bench) -> None:
    async def get(_campaign_id: str) -> Campaign:
        raise gone(BodyForm.HTML)

    assert unknown(await bench.run(new(), newest=canaries, get=get, policy=SHORT))


async def test_an_empty_list_without_a_total_proves_nothing(bench: Bench) -> None:
    bench.server.shows_totals = False
    assert unknown(await bench.run(new(), policy=SHORT))


@both
async def test_a_start_that_the_server_dropped_or_moved_to_now_is_a_possible_match(
    bench: Bench, serves_caller: bool
) -> None:
    for start in (
        None,
        datetime(1, 1, 1, tzinfo=UTC),
        bench.clock.now() + timedelta(hours=1),
        START + timedelta(hours=14),
    ):
        bench.server.add("c", new(), start_date_time=start)
        verdicts = await bench.run(new(), serves_caller=serves_caller)
        assert verdicts == [Unknown((bench.server.campaigns_["c"],))]


async def test_a_look_that_takes_too_many_requests_ends_the_search(bench: Bench) -> None:
    for number in range(10):
        bench.server.add(f"c{number}", new(f"0770090010{number}"))
    verdicts = await bench.run(new(), policy=evolve(POLICY, search_limit=10), concurrency=4)
    assert "10 requests" in str(unknown(verdicts))


async def test_a_campaign_that_equals_another_unknown_create_is_that_one_s(bench: Bench) -> None:
    other = new("07700900001", message="Bring your clubs.")  # to people of ours
    bench.server.add("c", other)
    assert await bench.run(new()) == [Unknown((bench.server.campaigns_["c"],))]
    bench.ledger.leave_unknown(other, "other")
    assert await bench.run(new()) == [Absent()]
    bench.server.add("d", other)
    (verdict,) = await bench.run(new())
    assert isinstance(verdict, Unknown), "there are more campaigns than creates"


async def test_a_campaign_whose_id_another_create_was_given_is_no_match_unless_it_is_not_that_one_s(
    bench: Bench,
) -> None:
    other, mine = new("07700900001", message="Bring your clubs."), fields_of(new())
    bench.server.add("c", other)
    bench.ledger.claim("c", fields_of(other))
    assert bench.ledger.is_claimed(bench.server.campaigns_["c"], mine)
    bench.server.add("c", new())
    assert not bench.ledger.is_claimed(bench.server.campaigns_["c"], mine)


def test_a_lower_count_is_no_proof_for_a_create_that_may_leave_out_nobody() -> None:
    ledger, third = Ledger(1000), new(message="Third.")
    five = new(*(f"0770090000{number}" for number in range(5)), message="Third.")
    ledger.give("c", fields_of(new(message="First."), drops_invalid=True))
    ledger.give("c", fields_of(five))
    there = Campaign("c", START, "Golf", 2, "Third.")
    assert ledger.find_makers("c", there) == []
    assert not ledger.is_claimed(there, fields_of(third))


async def test_a_campaign_whose_id_two_creates_were_given_is_neither_s_unless_it_equals_one_alone(bench: Bench) -> None:
    first, second, third = (fields_of(new(*numbers)) for numbers in (("1", "2"), ("2", "3"), ("4",)))
    bench.server.add("c", new("2", "3"))
    campaign = bench.server.campaigns_["c"]
    bench.ledger.claim("c", first)
    assert bench.ledger.is_claimed(campaign, second), "the id was given to one create"
    assert bench.ledger.is_claimed_outside(campaign, b"journal")
    bench.ledger.give("c", third)
    assert bench.ledger.is_claimed(campaign, second), "the campaign is not the third's"
    bench.ledger.give("c", second)
    assert not bench.ledger.is_claimed(campaign, second)
    assert not bench.ledger.is_claimed_outside(campaign, b"journal")
    assert await bench.run(new("2", "3")) == [Unknown((campaign,))], "it may be the first's"
    bench.ledger.claim("c", is_found=True)
    assert bench.ledger.is_claimed(campaign, second)


@both
async def test_nothing_but_the_start_narrows_a_look(bench: Bench, serves_caller: bool) -> None:
    await bench.run(new(), serves_caller=serves_caller)
    for filters in bench.server.filters:
        assert filters.startswith("id!=") or all(term.startswith("startDateTime") for term in filters.split(","))
    assert len(set(bench.server.filters)) == len(bench.server.filters), "a cache answers a repeated URL"


@both
async def test_a_candidate_that_vanishes_while_it_is_read_is_looked_for_again(
    bench: Bench, serves_caller: bool
) -> None:
    bench.server.add("c", new())
    del bench.server.contacts_["c"]
    bench.server.on_look = lambda at: bench.server.add("c", new()) if at == 2 else None
    assert await bench.run(new(), serves_caller=serves_caller) == [Found("c")]


# What is found


@both
async def test_what_is_found_is_claimed_and_is_found_once(bench: Bench, serves_caller: bool) -> None:
    bench.server.add("c", new())
    assert await bench.run(new(), serves_caller=serves_caller) == [Found("c")]
    assert bench.ledger.newest(1) == ["c"]
    assert await bench.run(new(), serves_caller=serves_caller) == [Absent()]


async def test_two_searches_at_once_never_find_the_same(bench: Bench) -> None:
    bench.server.add("c", new())
    verdicts = await asyncio.gather(*(bench.run(new(), serves_caller=True) for _ in range(2)))
    assert sorted(map(str, verdicts)) == sorted(map(str, [[Absent()], [Found("c")]]))


@both
async def test_what_a_duplicate_left_unknown_may_have_made_is_not_found(bench: Bench, serves_caller: bool) -> None:
    bench.server.add("c", new())
    bench.ledger.leave_unknown(new())
    verdicts = await bench.run(new(), serves_caller=serves_caller)
    assert verdicts == [Unknown((bench.server.campaigns_["c"],))]
    assert bench.ledger.newest(1) == []


@both
async def test_what_a_duplicate_in_flight_may_get_is_waited_for(bench: Bench, serves_caller: bool) -> None:
    bench.server.add("c", new())
    number = bench.ledger.begin(new())

    def end(look: int) -> None:
        if look == 4:
            bench.ledger.end(number)
            bench.ledger.claim("c")

    bench.server.on_look = end
    assert await bench.run(new(), serves_caller=serves_caller) == [Absent()]


@both
async def test_a_duplicate_that_stays_in_flight_ends_the_search_in_time(bench: Bench, serves_caller: bool) -> None:
    bench.server.add("c", new())
    bench.ledger.begin(new())
    verdicts = await asyncio.wait_for(bench.run(new(), serves_caller=serves_caller, policy=SHORT), 5)
    assert verdicts == [Unknown((bench.server.campaigns_["c"],))]


@both
async def test_a_campaign_that_was_known_before_is_not_found(bench: Bench, serves_caller: bool) -> None:
    bench.server.add("old", new())
    bench.ledger.seen.add("old")
    known_before = bench.ledger.seen.snapshot()
    assert await bench.run(new(), serves_caller=serves_caller, known_before=known_before) == [Absent()]
    assert bench.server.contacts_read == 0
    assert await bench.run(new(), serves_caller=serves_caller) == [Found("old")]


async def test_a_campaign_is_excluded_only_for_creates_that_were_sent_after_it_was_known(bench: Bench) -> None:
    early, late = new(), new("07700900008")
    bench.server.add("early", early)
    bench.server.add("late", late)
    bench.ledger.seen.update(["early", "late"])
    targets = {0: SearchTarget(early), 1: SearchTarget(late, known_before=bench.ledger.seen.snapshot())}
    verdicts = await bench.reconciler().run(targets)
    assert verdicts == {0: Found("early"), 1: Absent()}


async def test_a_campaign_that_is_listed_twice_and_differs_is_not_found(bench: Bench) -> None:
    bench.server.add("c", new())
    row = bench.server.campaigns_["c"]
    bench.server.campaigns_["c again"] = evolve(row, status=CampaignStatus.CANCELLED)
    (verdict,) = await bench.run(new())
    assert isinstance(verdict, Unknown)


async def test_many_creates_are_found_in_one_look_each_its_own(bench: Bench) -> None:
    sent = [new(f"07700901{number:03}", f"07700902{number:03}") for number in range(50)]
    for number, each in enumerate(sent):
        bench.server.add(f"c{number}", each)
    assert await bench.run(*sent, concurrency=8) == [Found(f"c{number}") for number in range(50)]
    assert len(bench.server.looks) == 1


async def test_the_contacts_of_a_campaign_to_others_are_read_once(bench: Bench) -> None:
    bench.server.add("big", new(*(f"07700903{number:03}" for number in range(100))))
    assert await bench.run(new(), new(message="Bring your clubs.")) == [Absent(), Absent()]
    assert (bench.server.contacts_read, len(bench.server.looks)) == (100, 2)


@both
@pytest.mark.parametrize("looks", [1, 3])
async def test_contacts_that_are_listed_late_are_waited_for(bench: Bench, serves_caller: bool, looks: int) -> None:
    stranger = new("07700903001", "07700903002", "07700903003")
    bench.server.add("c", stranger)
    listed, after = bench.server.contacts_["c"], []

    def show(_look: int) -> None:
        after.extend([bench.clock.time] if bench.clock.time >= 1000.0 + SETTLE else [])
        bench.server.contacts_["c"] = listed[:1] if len(after) <= looks else listed

    bench.server.on_look = show
    assert await bench.run(new(), serves_caller=serves_caller) == [Absent()]


@both
async def test_contacts_that_are_never_listed_leave_a_create_unknown(bench: Bench, serves_caller: bool) -> None:
    bench.server.add("c", new("07700903001", "07700903002", "07700903003"))
    bench.server.contacts_["c"] = bench.server.contacts_["c"][:1]
    assert await bench.run(new(), serves_caller=serves_caller) == [Unknown((bench.server.campaigns_["c"],))]
    assert bench.server.looks[-1] == 1000.0 + SETTLE + 2 + 4 + 8


@both
async def test_own_contacts_that_are_listed_late_are_found(bench: Bench, serves_caller: bool) -> None:
    sent = new("07700903001", "07700903002", "07700903003")
    bench.server.add("c", sent)
    listed = bench.server.contacts_["c"]

    def show(_look: int) -> None:
        bench.server.contacts_["c"] = listed if bench.clock.time > 1000.0 + SETTLE else listed[:1]

    bench.server.on_look = show
    assert await bench.run(sent, serves_caller=serves_caller) == [Found("c")]


@pytest.mark.parametrize("failures", [0, 3])
async def test_contacts_that_are_never_listed_do_not_keep_others_from_being_absent(bench: Bench, failures: int) -> None:
    bench.server.add("c", new("07700903001", "07700903002", "07700903003"))
    bench.server.contacts_["c"] = bench.server.contacts_["c"][:1]
    bench.server.failures += [PagingError("moved")] * failures
    bench.ledger.seen.update(["c"])
    later = SearchTarget(new("07700904001"), settled_at=1005.0, known_before=bench.ledger.seen.snapshot())
    verdicts = await bench.reconciler().run({0: SearchTarget(new(), settled_at=1005.0), 1: later})
    assert verdicts == {0: Unknown((bench.server.campaigns_["c"],)), 1: Absent()}
    assert len(bench.server.looks) == failures + 3 + 2


async def test_creates_that_lie_a_year_apart_are_looked_for_apart(bench: Bench) -> None:
    sent = [new(), new(days=365)]
    bench.server.add("c", sent[1])
    assert await bench.run(*sent) == [Absent(), Found("c")]
    assert len(bench.server.looks) == 3


# What the server will not say


@both
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
async def test_a_server_that_will_not_list_is_asked_once(bench: Bench, serves_caller: bool, status: int) -> None:
    bench.server.failures.append(APIError("no", status=status))
    assert await bench.run(new(), serves_caller=serves_caller) == [
        Unknown(reason=f"the server refused to list campaigns ({status})")
    ]
    assert len(bench.server.looks) == 1


@both
async def test_a_client_that_is_closed_ends_the_search(bench: Bench, serves_caller: bool) -> None:
    bench.server.failures.append(ClientClosedError("closed"))
    assert unknown(await bench.run(new(), serves_caller=serves_caller))


async def test_a_spent_quota_ends_the_search_and_what_was_absent_once_is_not(bench: Bench) -> None:
    bench.server.failures += [PagingError("moved")] * 3
    assert unknown(await bench.run(new(), serves_caller=True, quota=RetryQuota(10)))
    assert len(bench.server.looks) == 2


async def test_an_absence_that_is_seen_once_is_not_believed_when_time_is_up(bench: Bench) -> None:
    sent = [new(), new(message="Bring your clubs.", days=1)]
    bench.server.add("c", sent[1])

    def fail(look: int) -> None:
        if look > 1:
            bench.server.failures.append(APIError("no", status=403))

    bench.server.on_look = fail
    assert await bench.run(*sent) == [Unknown(reason="the server refused to list campaigns (403)"), Found("c")]
    assert bench.ledger.newest(1) == ["c"]


async def test_a_job_waits_as_long_as_the_server_answers_and_a_create_does_not(bench: Bench) -> None:
    async def slowly(_ids: Collection[str]) -> Collection[str]:
        await asyncio.sleep(0.06)
        return ()

    bench.server.add("c", new())
    assert await bench.run(new(), policy=SHORT, exclude_known=slowly) == [Found("c")]
    assert unknown(await bench.run(new(), policy=SHORT, exclude_known=slowly, serves_caller=True))


async def test_a_job_whose_looks_fail_for_ever_ends(bench: Bench) -> None:
    bench.server.add("c", new())
    del bench.server.contacts_["c"]
    assert unknown(await asyncio.wait_for(bench.run(new(), policy=SHORT), 5))


def test_a_create_that_is_looked_for_again_is_no_duplicate_of_itself() -> None:
    ledger = Ledger(10)
    ledger.resume_unknown(new(), "a")  # left by an earlier process
    assert not ledger.has_duplicate_unknown(new())
    ledger.leave_unknown(new(), "b")
    ledger.resume_unknown(new(), "a")
    assert ledger.has_duplicate_unknown(new()), "another one is still unknown"
    ledger.leave_unknown(new(), "b")
    ledger.resume_unknown(new(), "b")
    assert not ledger.has_duplicate_unknown(new())


def test_starts_are_compared_without_their_fraction_of_a_second() -> None:
    ledger = Ledger(10)
    ledger.leave_unknown(evolve(new(), start_date_time=START.replace(microsecond=1_234)))
    assert ledger.has_duplicate_unknown(evolve(new(), start_date_time=START.replace(microsecond=900_000)))
    assert not ledger.has_duplicate_unknown(evolve(new(), start_date_time=START + timedelta(seconds=1)))


def test_absence_is_believed_after_the_settling_time_and_two_read_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaigns_async._reconcile.reconciler._READS", 2.0)
    assert settling_end(POLICY, 30.0, sent=100.0, ended=101.0) == 160.0
    assert settling_end(POLICY, 30.0, sent=100.0, ended=138.0) == 168.0
    assert settling_end(evolve(POLICY, settle=90.0), 30.0, sent=100.0, ended=101.0) == 191.0
    assert settling_end(evolve(POLICY, settle=0.0), 30.0, sent=100.0, ended=101.0) == 160.0


async def test_a_campaign_is_not_excluded_for_an_unknown_create_that_is_equal_to_the_one_that_is_looked_for(
    bench: Bench,
) -> None:
    sent = evolve(new(), track_link_url="https://p.example/a")
    bench.ledger.leave_unknown(sent, "another")  # either of them may have made it
    bench.server.add("altered", sent, track_link_url="https://s.example/x")
    bench.server.add("cancelled", sent, status=CampaignStatus.CANCELLED)
    for name in ("altered", "cancelled"):
        (verdict,) = await bench.run(sent)
        assert isinstance(verdict, Unknown)
        assert name in {each.id for each in verdict.candidates}
        del bench.server.campaigns_["altered" if name == "altered" else "cancelled"]
