"""A job may die at any point, any number of times: run again, it sends each row exactly once."""

from __future__ import annotations

import ast
import os
from collections import Counter
from collections.abc import Callable

import pytest
from attrs import define, evolve, frozen

from campaigns_async import CampaignsClient, NewCampaign, NewContact, ReconcilePolicy
from campaigns_async._http import codec
from campaigns_async.jobs import State, rows_plan
from campaigns_async.jobs._sqlite import JournalFile
from campaigns_async.jobs.journal import Transition
from campaigns_async.sandbox import Quirks
from simulation.jobs_journal import Files, JournalOnDisk
from simulation.jobs_life import BIRTH, Life, Orders, Point
from simulation.jobs_mutants import JOB_MUTANTS
from simulation.jobs_mutation import run
from simulation.jobs_script import START, draw_script
from simulation.jobs_server import Made, Standing
from simulation.jobs_story import Story
from simulation.jobs_sweep import run_all
from simulation.mutants import Mutant
from simulation.server import time_of_day
from simulation.setting import to_wire
from simulation.surroundings import NOTHING

POINTS = int(os.environ.get("SIM_POINTS", "250"))
SETTLE = 4.0
REPLAY = os.environ.get("SIM_SEED")


@pytest.mark.slow
def test_nothing_is_lost_or_sent_twice_wherever_it_dies() -> None:
    counts, failure = run_all(POINTS)
    assert failure is None, failure
    for what in ("before a write", "after a write", "left", "made"):
        assert counts[f"crashes: {what}"] * 20 >= counts["crash points"], f"{what}: {counts} shows nothing"
    assert counts["in the end CREATED, reconciled"] > counts["in the end UNKNOWN, reconciled"]


@frozen
class Left:
    """A row as an earlier run left it: sending, or unknown if it ended."""

    attempted_at: float
    ended_at: float | None = None
    created_without_id: bool = False


def scene(*left: Left, made: tuple[Made, ...] = (), hidden: Callable[[Life], bool] | None = None) -> Life:
    """Make a life in fair weather that begins with this journal, of a plan of two rows to other people, and this server."""
    new = [NewCampaign(START, "Golf", "Rained off", [NewContact(f"07700900{number:03}")]) for number in range(2)]
    plan = rows_plan(list(zip(("row-0", "row-1"), new, strict=True)))
    script = evolve(
        draw_script(0),
        seed=-1,
        rows=(("row-0", new[0]), ("row-1", new[1])),
        plan=plan,
        reconcile=True,
        policy=ReconcilePolicy(settle=SETTLE, timeout=60.0, pause=0.5),
        rate_limit=None,
        quirks=Quirks(),
        around=NOTHING,
    )
    disk = JournalOnDisk(Files())
    with JournalFile.open(disk.path) as journal:
        journal.add_plan(plan, {"ignore_invalid_phone_numbers": str(script.ignore_invalid)})
        for each in left:
            [row] = journal.commit([], claim=1, now=each.attempted_at)
            if each.ended_at is not None:
                unknown = Transition(row.row_id, State.UNKNOWN, created_without_id=each.created_without_id)
                journal.commit([unknown], now=each.ended_at)
    disk.look()
    disk.delete()
    point = Point("end", 1000.0, disk.rows, disk.files, Standing(made))
    life = Hiding(script, point, Orders("scene", 1.0, calm=True), hidden)
    life.run()
    return life


@define(eq=False)
class Hiding(Life):
    """A life in which lists leave out the newest campaign for a given time."""

    hidden: Callable[[Life], bool] | None = None

    def _client(self) -> CampaignsClient:
        if self.hidden is not None:
            self.server.store.hide_newest(lambda: self.hidden is not None and self.hidden(self))
        return super()._client()


def make_campaign(campaign_id: str, person: int) -> Made:
    new = NewCampaign(START, "Golf", "Rained off", [NewContact(f"07700900{person:03}")])
    contacts = ({"id": "c", "phoneNumber": new.contacts[0].phone_number},)
    return Made(campaign_id, codec.encode_model(new), to_wire(campaign_id, new), contacts)


def lists(life: Life) -> int:
    return sum(sent.request.path.endswith("Campaigns") and sent.request.method == "GET" for sent in life.server.sent)


def test_one_look_that_sees_nothing_is_not_believed() -> None:
    left = Left(attempted_at=1.0)
    life = scene(left, made=(make_campaign("mine", 0),), hidden=lambda life: lists(life) <= 3)
    assert {row.key: row.campaign_id for row in life.journal.rows.values()}["row-0"] == "mine"
    assert lists(life) > 3, "a look takes three lists"
    assert life.summary is not None
    assert life.summary.ok


def test_a_clock_that_was_set_back_does_not_make_the_settling_time_short() -> None:
    ended = time_of_day(1000.0).timestamp() + 3600.0
    left = Left(attempted_at=ended, ended_at=ended)
    life = scene(left, made=(make_campaign("mine", 0),), hidden=lambda life: life.loop.time() < 1000.0 + SETTLE)
    assert {row.key: row.campaign_id for row in life.journal.rows.values()}["row-0"] == "mine"


def test_a_row_whose_id_was_unreadable_is_not_sent_again_though_it_is_gone() -> None:
    left = Left(attempted_at=1.0, ended_at=2.0, created_without_id=True)
    life = scene(left)
    assert life.journal.rows[1].state is State.UNKNOWN
    assert [one.body for one in life.server.made] == [codec.encode_model(life.script.rows[1][1])]


def test_a_seed_gives_one_life_and_another_seed_another() -> None:
    def traces() -> list[list[object]]:
        lives = [Life(draw_script(seed), BIRTH, Orders("0", 0.0)) for seed in range(4)]
        for life in lives:
            life.run()
        return [life.server.trace for life in lives]

    first, again = traces(), traces()
    assert first == again
    assert first[0] != first[1]


def test_what_a_life_does_after_its_crash_reaches_nobody() -> None:
    life = Life(draw_script(0), BIRTH, Orders("0", 0.0))
    life.run()
    rows = [dict(point.rows) for point in life.points]
    standing = [point.standing for point in life.points]
    Story(draw_script(0)).tell("0.3")
    Life(life.script, life.points[3], Orders("again", 0.5)).run()
    assert rows == [dict(point.rows) for point in life.points]
    assert standing == [point.standing for point in life.points]


@pytest.mark.parametrize("mutant", JOB_MUTANTS, ids=lambda mutant: mutant.name)
def test_the_fault_can_still_be_made(mutant: Mutant) -> None:
    ast.parse(mutant.source())


@pytest.mark.skipif("SIM_MUTANTS" not in os.environ, reason="takes minutes: SIM_MUTANTS=1, or nox -s crash")
@pytest.mark.parametrize("mutant", JOB_MUTANTS, ids=lambda mutant: mutant.name)
def test_the_fault_is_caught(mutant: Mutant) -> None:
    result = run(mutant)
    assert result.caught, result.by


@pytest.mark.skipif(REPLAY is None, reason="SIM_SEED says which seed to run again, and SIM_BRANCH which branch")
def test_replay() -> None:
    counts: Counter[str] = Story(draw_script(int(REPLAY or 0))).tell(os.environ.get("SIM_BRANCH"))
    print(*counts.items(), sep="\n")
