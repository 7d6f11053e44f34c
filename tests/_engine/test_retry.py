"""The pause before a retry: within bounds, spread over them, and never shorter than Retry-After."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, strategies as st

from campaigns_async import Operation, RetryPolicy
from campaigns_async._engine import retry
from campaigns_async._engine.call import Call
from campaigns_async._http.request import Request


class Fixed(Random):
    """A source of randomness that draws the same place of every range, and remembers the ranges."""

    def __init__(self, place: float) -> None:
        self.place = place
        self.ranges: list[tuple[float, float]] = []

    def uniform(self, a: float, b: float, /) -> float:
        self.ranges.append((a, b))
        return a + (b - a) * self.place


def wait_after(policy: RetryPolicy, attempt: int, retry_after: float | None, random: Fixed | Random) -> float:
    """Return seconds that a call waits after the attempt with this number."""
    call = Call(Request(Operation.GET, "GET", "/"), 0.0, None, None, None)
    call.attempts, call.retry_after = attempt, retry_after
    return retry.RetryAfterOrBackoff(call, policy, random)()


POLICY = RetryPolicy(base=0.25, cap=20)
policies = st.tuples(st.floats(1e-6, 1e6), st.floats(1, 1e9)).map(
    lambda drawn: RetryPolicy(base=drawn[0], cap=drawn[0] * drawn[1])
)
places = st.floats(0, 1)


@pytest.mark.parametrize(
    ("attempt", "most"),
    [(1, 0.25), (2, 0.5), (3, 1), (4, 2), (5, 4), (6, 8), (7, 16), (8, 20), (9, 20), (60, 20), (61, 20), (1000, 20)],
)
def test_the_range_starts_at_zero_and_doubles_from_the_base_to_the_cap(attempt: int, most: float) -> None:
    random = Fixed(1.0)
    assert retry.backoff(POLICY, attempt, random) == most
    assert random.ranges == [(0.0, most)]


@given(policies, st.integers(1, 10**9), places)
def test_a_backoff_is_between_zero_and_the_cap_after_any_number_of_attempts(
    policy: RetryPolicy, attempt: int, place: float
) -> None:
    seconds = retry.backoff(policy, attempt, Fixed(place))
    assert 0 <= seconds <= policy.cap
    assert math.isfinite(seconds)


@given(policies, st.integers(1, 50))
def test_a_later_attempt_never_has_the_smaller_range(policy: RetryPolicy, attempt: int) -> None:
    assert retry.backoff(policy, attempt, Fixed(1.0)) <= retry.backoff(policy, attempt + 1, Fixed(1.0))


@pytest.mark.parametrize("policy", [RetryPolicy(base=1e308, cap=1e308), RetryPolicy(base=5e-324, cap=1e308)])
@pytest.mark.parametrize("attempt", [1, 2, 1000, 10**9])
def test_the_largest_and_smallest_settings_do_not_overflow(policy: RetryPolicy, attempt: int) -> None:
    assert 0 <= retry.backoff(policy, attempt, Fixed(1.0)) <= policy.cap


def test_the_jitter_is_full_and_even() -> None:
    random = Random(1)
    drawn = sorted(retry.backoff(POLICY, 8, random) for _ in range(2000))
    for quarter in (1, 2, 3):
        assert abs(drawn[500 * quarter] - 5 * quarter) < 1


def test_without_retry_after_a_wait_is_the_backoff() -> None:
    random = Fixed(0.5)
    assert wait_after(POLICY, 3, None, random) == 0.5
    assert random.ranges == [(0.0, 1.0)]


@given(policies, st.integers(1, 10**9), st.floats(0, 1e9), places)
def test_a_wait_is_the_longer_of_the_backoff_and_retry_after_with_a_jitter(
    policy: RetryPolicy, attempt: int, asked: float, place: float
) -> None:
    seconds = wait_after(policy, attempt, asked, Fixed(place))
    assert seconds == max(retry.backoff(policy, attempt, Fixed(place)), asked + policy.base * place)


def test_a_retry_after_of_zero_shortens_no_backoff() -> None:
    assert wait_after(POLICY, 5, 0.0, Fixed(0.5)) == wait_after(POLICY, 5, None, Fixed(0.5)) == 2.0


def test_the_jitter_spreads_clients_with_the_same_retry_after() -> None:
    random = Random(1)
    waits = {wait_after(POLICY, 1, 7.0, random) for _ in range(100)}
    assert len(waits) == 100
    assert max(waits) - min(waits) > 0.2


def test_an_infinite_wait_stays_infinite() -> None:
    assert wait_after(POLICY, 1, math.inf, Fixed(0.5)) == math.inf
