"""When a server that does not answer is tried again, and when a run gives up."""

from __future__ import annotations

from hypothesis import given, strategies as st

from campaigns_async.errors import ConnectionFailedError, ThrottledError
from campaigns_async.jobs.pressure import Pressure


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def made(patience: float = 60.0) -> tuple[Pressure, Clock]:
    clock = Clock()
    return Pressure(patience, clock), clock


def test_nothing_holds_a_run_back_that_gets_answers() -> None:
    pressure, _ = made()
    assert not pressure.is_felt
    assert not pressure.is_holding()
    assert pressure.pause() is None
    assert not pressure.is_over()


def test_each_failure_after_a_pause_doubles_it() -> None:
    pressure, clock = made(patience=1000)
    pauses = []
    for _ in range(9):
        pressure.felt(ConnectionFailedError("refused"))
        pauses.append(pressure.pause())
        assert pressure.is_holding()
        clock.now += pauses[-1] or 0.0
        assert not pressure.is_holding()
        assert pressure.is_felt

    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert pressure.waited == sum(pauses)


def test_failures_that_were_in_flight_together_count_once() -> None:
    pressure, _ = made()
    for _ in range(32):
        pressure.felt(ConnectionFailedError("refused"))
    assert pressure.pause() == 0.5


def test_the_server_says_how_long() -> None:
    pressure, _ = made()
    pressure.felt(ThrottledError("429", status=429, retry_after=17.0))
    assert pressure.pause() == 17.0


def test_many_rows_in_doubt_with_no_answer_between_them_are_an_outage() -> None:
    pressure, _ = made()
    for _ in range(499):
        pressure.doubted(ConnectionFailedError("dropped"))
    assert not pressure.is_felt
    pressure.eased()
    for _ in range(499):
        pressure.doubted(ConnectionFailedError("dropped"))
    assert not pressure.is_felt
    pressure.doubted(ConnectionFailedError("dropped"))
    assert pressure.pause() == 0.5


def test_no_pause_is_longer_than_the_patience() -> None:
    pressure, clock = made(patience=60)
    pressure.felt(ThrottledError("429", status=429, retry_after=3600.0))
    assert pressure.pause() == 60
    clock.now += 60
    assert pressure.is_over()
    assert pressure.pause() == 0


def test_an_answer_ends_it() -> None:
    pressure, clock = made(patience=10)
    pressure.felt(ConnectionFailedError("refused"))
    clock.now += 9
    pressure.eased()
    clock.now += 9
    pressure.felt(ConnectionFailedError("refused"))
    assert pressure.pause() == 0.5
    assert not pressure.is_over()
    clock.now += 10
    assert pressure.is_over()


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 40)), max_size=30))
def test_it_is_over_only_after_so_long_without_an_answer(history: list[tuple[bool, float]]) -> None:
    pressure, clock = made(patience=60)
    since: float | None = None
    for answered, wait in history:
        if answered:
            pressure.eased()
            since = None
        else:
            pressure.felt(ConnectionFailedError("refused"))
            since = clock.now if since is None else since
        clock.now += wait
        assert pressure.is_over() == (since is not None and clock.now - since >= 60)
        assert (pressure.pause() or 0.0) <= 30
