"""The pauses of a run whose server does not respond, and its end."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from campaigns_async.errors import ConnectionFailedError, ServerError, ThrottledError
from campaigns_async.jobs._backpressure import Backoff, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


REFUSED = ConnectionFailedError("refused")
UNAVAILABLE = ServerError("503", status=503)


def make_backoff(give_up_after: float = 60.0) -> tuple[Backoff, Clock]:
    clock = Clock()
    return Backoff(give_up_after, clock), clock


def wait_out(backoff: Backoff, clock: Clock) -> float:
    """Let the pause pass, and return its length."""
    assert backoff.pace is Pace.PAUSED
    pause = backoff.remaining_pause
    assert pause is not None
    clock.now += pause
    assert backoff.pace is not Pace.PAUSED
    return pause


def test_a_run_that_gets_responses_is_not_held_back() -> None:
    backoff, _ = make_backoff()
    assert not backoff.is_active
    assert backoff.pace is Pace.FULL
    assert backoff.remaining_pause is None
    assert not backoff.has_expired


def test_each_failure_after_a_pause_doubles_it() -> None:
    backoff, clock = make_backoff(give_up_after=1000)
    pauses = []
    for _ in range(9):
        backoff.record_failure(REFUSED)
        pauses.append(wait_out(backoff, clock))
        assert backoff.pace is Pace.ONE_ROW
        assert backoff.is_active

    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert backoff.waited == sum(pauses)


def test_failures_that_were_in_flight_together_count_once() -> None:
    backoff, _ = make_backoff()
    for _ in range(32):
        backoff.record_failure(REFUSED)
    assert backoff.remaining_pause == 0.5


def test_the_server_says_how_long() -> None:
    backoff, _ = make_backoff()
    backoff.record_failure(ThrottledError("429", status=429, retry_after=17.0))
    assert backoff.remaining_pause == 17.0


def test_ten_consecutive_unknown_rows_are_an_outage() -> None:
    backoff, _ = make_backoff()
    for _ in range(9):
        backoff.record_unknown(REFUSED)
    backoff.record_response(after_outage=False)
    for _ in range(9):
        backoff.record_unknown(REFUSED)
    assert not backoff.is_active
    backoff.record_unknown(REFUSED)
    assert backoff.remaining_pause == 0.5


def test_an_outage_of_unknown_rows_is_probed_before_one_row_goes() -> None:
    backoff, clock = make_backoff()
    backoff.record_failure(UNAVAILABLE, unknown=True)
    assert wait_out(backoff, clock) == 0.5
    assert backoff.pace is Pace.PROBE
    backoff.record_failure(UNAVAILABLE)  # the probe failed too
    assert wait_out(backoff, clock) == 1
    assert backoff.pace is Pace.PROBE
    backoff.record_probe()
    assert backoff.pace is Pace.ONE_ROW
    backoff.record_failure(UNAVAILABLE, unknown=True)
    assert wait_out(backoff, clock) == 2, "the response to a probe does not end the outage"
    assert backoff.pace is Pace.PROBE, "each pause ends with a probe"


def test_a_probe_counts_only_if_nothing_failed_meanwhile() -> None:
    backoff, clock = make_backoff()
    backoff.record_failure(UNAVAILABLE, unknown=True)
    wait_out(backoff, clock)
    backoff.record_failure(UNAVAILABLE, unknown=True)  # a row that was in flight
    backoff.record_probe()
    wait_out(backoff, clock)
    assert backoff.pace is Pace.PROBE


@pytest.mark.parametrize("first_is_unknown", [True, False])
def test_an_outage_that_left_any_row_unknown_is_probed(*, first_is_unknown: bool) -> None:
    backoff, clock = make_backoff()
    backoff.record_failure(UNAVAILABLE, unknown=first_is_unknown)
    backoff.record_failure(UNAVAILABLE, unknown=not first_is_unknown)
    wait_out(backoff, clock)
    assert backoff.pace is Pace.PROBE


def test_an_unknown_row_during_an_outage_counts_at_once() -> None:
    backoff, clock = make_backoff()
    backoff.record_failure(REFUSED)
    wait_out(backoff, clock)
    assert backoff.pace is Pace.ONE_ROW
    backoff.record_unknown(REFUSED)
    assert wait_out(backoff, clock) == 1
    assert backoff.pace is Pace.PROBE


def test_no_pause_is_longer_than_give_up_after() -> None:
    backoff, clock = make_backoff(give_up_after=60)
    backoff.record_failure(ThrottledError("429", status=429, retry_after=3600.0))
    assert backoff.remaining_pause == 60
    clock.now += 60
    assert backoff.has_expired
    assert backoff.remaining_pause == 0


def test_after_a_pause_the_time_that_remains_is_that_until_the_end() -> None:
    backoff, clock = make_backoff(give_up_after=10)
    backoff.record_failure(REFUSED)
    clock.now += 4
    assert backoff.pace is Pace.ONE_ROW
    assert backoff.remaining_pause == 6


def test_a_response_to_a_row_of_the_outage_ends_it() -> None:
    backoff, clock = make_backoff(give_up_after=10)
    backoff.record_failure(UNAVAILABLE, unknown=True)
    clock.now += 9
    backoff.record_response()
    assert backoff.pace is Pace.FULL
    clock.now += 9
    backoff.record_failure(REFUSED)
    assert backoff.remaining_pause == 0.5
    assert not backoff.has_expired
    clock.now += 0.5
    assert backoff.pace is Pace.ONE_ROW
    clock.now += 9.5
    assert backoff.has_expired


def test_a_response_to_a_row_that_was_in_flight_before_does_not_end_it() -> None:
    backoff, clock = make_backoff(give_up_after=10)
    backoff.record_failure(UNAVAILABLE, unknown=True)
    backoff.record_response(after_outage=False)
    assert wait_out(backoff, clock) == 0.5
    backoff.record_failure(UNAVAILABLE)
    assert wait_out(backoff, clock) == 1
    clock.now += 8.5
    assert backoff.has_expired


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=30))
def test_it_expires_only_after_the_given_time_without_a_response(history: list[tuple[bool, int]]) -> None:
    backoff, clock = make_backoff(give_up_after=60)
    since: float | None = None
    for answered, wait in history:
        if answered:
            backoff.record_response()
            since = None
        else:
            backoff.record_failure(REFUSED)
            since = clock.now if since is None else since
        clock.now += wait
        assert backoff.has_expired == (since is not None and clock.now - since >= 60)
        assert (backoff.remaining_pause or 0.0) <= 60
