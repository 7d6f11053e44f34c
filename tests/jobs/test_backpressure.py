"""The pauses of a run whose server does not respond, and its end."""

from __future__ import annotations

from hypothesis import given, strategies as st

from campaigns_async.errors import ConnectionFailedError, ThrottledError
from campaigns_async.jobs._backpressure import Backoff


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make_backoff(give_up_after: float = 60.0) -> tuple[Backoff, Clock]:
    clock = Clock()
    return Backoff(give_up_after, clock), clock


def test_nothing_holds_a_run_back_that_gets_answers() -> None:
    backoff, _ = make_backoff()
    assert not backoff.is_active
    assert not backoff.is_pausing
    assert backoff.remaining_pause is None
    assert not backoff.has_expired


def test_each_failure_after_a_pause_doubles_it() -> None:
    backoff, clock = make_backoff(give_up_after=1000)
    pauses = []
    for _ in range(9):
        backoff.record_failure(ConnectionFailedError("refused"))
        pauses.append(backoff.remaining_pause)
        assert backoff.is_pausing
        clock.now += pauses[-1] or 0.0
        assert not backoff.is_pausing
        assert backoff.is_active

    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert backoff.waited == sum(pauses)


def test_failures_that_were_in_flight_together_count_once() -> None:
    backoff, _ = make_backoff()
    for _ in range(32):
        backoff.record_failure(ConnectionFailedError("refused"))
    assert backoff.remaining_pause == 0.5


def test_the_server_says_how_long() -> None:
    backoff, _ = make_backoff()
    backoff.record_failure(ThrottledError("429", status=429, retry_after=17.0))
    assert backoff.remaining_pause == 17.0


def test_many_consecutive_unknown_rows_are_an_outage() -> None:
    backoff, _ = make_backoff()
    for _ in range(499):
        backoff.record_unknown(ConnectionFailedError("dropped"))
    assert not backoff.is_active
    backoff.record_response()
    for _ in range(499):
        backoff.record_unknown(ConnectionFailedError("dropped"))
    assert not backoff.is_active
    backoff.record_unknown(ConnectionFailedError("dropped"))
    assert backoff.remaining_pause == 0.5


def test_no_pause_is_longer_than_give_up_after() -> None:
    backoff, clock = make_backoff(give_up_after=60)
    backoff.record_failure(ThrottledError("429", status=429, retry_after=3600.0))
    assert backoff.remaining_pause == 60
    clock.now += 60
    assert backoff.has_expired
    assert backoff.remaining_pause == 0


def test_an_answer_ends_it() -> None:
    backoff, clock = make_backoff(give_up_after=10)
    backoff.record_failure(ConnectionFailedError("refused"))
    clock.now += 9
    backoff.record_response()
    clock.now += 9
    backoff.record_failure(ConnectionFailedError("refused"))
    assert backoff.remaining_pause == 0.5
    assert not backoff.has_expired
    clock.now += 10
    assert backoff.has_expired


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 40)), max_size=30))
def test_it_is_over_only_after_so_long_without_an_answer(history: list[tuple[bool, float]]) -> None:
    backoff, clock = make_backoff(give_up_after=60)
    since: float | None = None
    for answered, wait in history:
        if answered:
            backoff.record_response()
            since = None
        else:
            backoff.record_failure(ConnectionFailedError("refused"))
            since = clock.now if since is None else since
        clock.now += wait
        assert backoff.has_expired == (since is not None and clock.now - since >= 60)
        assert (backoff.remaining_pause or 0.0) <= 30
