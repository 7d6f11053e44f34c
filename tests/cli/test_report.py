"""The comparer: whichever figure is off, it is told; where all agree, nothing is."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from campaigns_async.cli._demo_report import Counts, Readback, Report, discrepancies

GOOD = Report(
    planned=3,
    ids=("a", "b", "c"),
    failures=(),
    calls=4,
    retried=2,
    doubts=2,
    found=1,
    absent=1,
    left=0,
    client=Counts(requests=9, throttled=2, dropped=2),
    server=Counts(requests=9, throttled=2, dropped=2),
    server_ids=("c", "a", "b"),
    copies=(1, 1, 1),
    strangers=0,
    listings=(Readback(2, 2, same=True), Readback(1, 1, same=True)),
    streams=(Readback(20, 20, same=True),),
    creating=2.0,
    elapsed=3.0,
)

OFF: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a row that failed": (
        {"failures": (("ThrottledError", 1), ("ServerError", 1))},
        ["created: 2 of 3 rows failed (ThrottledError, ServerError)"],
    ),
    "an id too few at the client": (
        {"ids": ("a", "b")},
        ["the client holds 2 ids for 3 rows", "the client knows nothing of 1 ids"],
    ),
    "an id too few at the server": (
        {"server_ids": ("a", "b")},
        ["1 of the client's ids are not on the server", "the server counts 2, the plan 3"],
    ),
    "one id for two rows": (
        {"ids": ("a", "b", "b")},
        ["1 ids were given out twice", "the client knows nothing of 1 ids"],
    ),
    "another id": (
        {"ids": ("a", "b", "x")},
        ["1 of the client's ids are not on the server", "the client knows nothing of 1 ids"],
    ),
    "an id too many at the server": (
        {"server_ids": ("a", "b", "c", "d")},
        ["the client knows nothing of 1 ids", "the server counts 4, the plan 3"],
    ),
    "a call too many": ({"calls": 5}, ["5 calls were made for 4 rows"]),
    "a row that was not compared": ({"copies": (1, 1)}, ["2 of 3 rows were compared"]),
    "a row that is missing": ({"copies": (1, 0, 1)}, ["1 rows of the plan are not on the server"]),
    "a row that is there twice": ({"copies": (1, 2, 1)}, ["1 rows of the plan are on the server more than once"]),
    "a stranger": ({"strangers": 1}, ["1 campaigns on the server are no row of the plan"]),
    "a doubt that is left": (
        {"left": 1, "found": 0},
        ["in doubt: 1 could not be settled"],
    ),
    "a doubt that is lost": ({"doubts": 3}, ["in doubt: 3 arose, 2 are accounted for"]),
    "a request that the server did not see": (
        {"server": Counts(requests=8, throttled=2, dropped=2)},
        ["requests: the client counted 9, the server 8"],
    ),
    "a request that the client did not count": (
        {"client": Counts(requests=8, throttled=2, dropped=2)},
        ["requests: the client counted 8, the server 9"],
    ),
    "an answer that was not throttled": (
        {"client": Counts(requests=9, throttled=1, dropped=2)},
        ["throttled answers: the client counted 1, the server 2"],
    ),
    "a drop that nobody met": (
        {"server": Counts(requests=9, throttled=2, dropped=3)},
        ["connections dropped: the client counted 2, the server 3"],
    ),
    "a campaign that is not listed": (
        {"listings": (Readback(2, 1, same=False), Readback(1, 1, same=True))},
        ["campaigns listed back: 2 rows for 3; 1 of 2 reads differ"],
    ),
    "another campaign that is listed": (
        {"listings": (Readback(2, 2, same=False),)},
        ["campaigns listed back: 2 rows for 2; 1 of 1 reads differ"],
    ),
    "one too many here, one too few there": (
        {"listings": (Readback(2, 1, same=True), Readback(1, 2, same=True))},
        ["campaigns listed back: 3 rows for 3; 2 of 2 reads differ"],
    ),
    "nothing listed": ({"listings": ()}, ["campaigns listed back: nothing was read back"]),
    "a contact that is not streamed": (
        {"streams": (Readback(20, 19, same=False),)},
        ["contacts streamed: 19 rows for 20; 1 of 1 reads differ"],
    ),
    "nothing streamed": ({"streams": ()}, ["contacts streamed: nothing was read back"]),
}


def test_where_all_agree_nothing_is_told() -> None:
    assert discrepancies(GOOD) == ()


def test_what_a_server_does_not_tell_is_not_compared() -> None:
    assert discrepancies(evolve(GOOD, server=Counts(requests=None, throttled=None, dropped=None))) == ()


@pytest.mark.parametrize(("change", "told"), OFF.values(), ids=OFF)
def test_each_figure_that_is_off_is_told(change: dict[str, Any], told: list[str]) -> None:
    found = discrepancies(evolve(GOOD, **change))
    assert len(found) == len(told)
    for sentence, part in zip(found, told, strict=True):
        assert part in sentence


def test_the_rate_is_of_the_fan_out() -> None:
    assert GOOD.rate == 1.5
    assert evolve(GOOD, creating=0.0).rate == 0.0


def test_no_id_shows_in_the_repr() -> None:
    shown = repr(evolve(GOOD, ids=("the-id",), server_ids=("the-id",)))
    assert "the-id" not in shown
