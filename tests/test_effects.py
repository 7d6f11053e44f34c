"""The effect of an attempt, and if it is retried: the whole table, written a second time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, strategies as st
from support.properties import more_examples

from campaigns_async import Effect, Operation, effects
from campaigns_async.effects import AttemptOutcome, classify_attempt

SENT_ONCE = [Operation.CREATE, Operation.RAW_SEND]
REPEATED = [
    Operation.LIST,
    Operation.GET,
    Operation.CONTACTS,
    Operation.UPDATE,
    Operation.DELETE,
    Operation.RAW_READ,
    Operation.RAW_REPLACE,
]
STATUSES = [*range(100, 600), 600, 999]
REJECTED_STATUSES: list[tuple[int, ...]] = [
    (),
    (503,),
    (500, 502),
    (408,),
    (401,),
    (400, 409, 429),
    tuple(range(400, 600)),
]
NOT_SENT, REJECTED, UNKNOWN, APPLIED = Effect.NOT_SENT, Effect.REJECTED, Effect.UNKNOWN, Effect.APPLIED


def expect_of_create(status: int, rejected: tuple[int, ...]) -> tuple[Effect, bool]:
    """Return the effect of a create that got this status, and True if it is retried: the documented table by line."""
    if status in range(200, 300):  # a complete 2xx, whether its id can be read or not
        return APPLIED, False
    if status in rejected:  # of a server that is known to have done nothing then
        return REJECTED, True
    if status == 429:
        return REJECTED, True
    if status in (307, 308):  # they ask for a repeat elsewhere
        return REJECTED, False
    if status in range(300, 400):  # 303 is what a server answers after it has carried out a POST
        return UNKNOWN, False
    if status == 408:
        return UNKNOWN, False
    if status in range(400, 500):
        return REJECTED, False
    return UNKNOWN, False  # 503 with and without Retry-After, any other 5xx, and what is no status at all


def is_retried(status: int, rejected: tuple[int, ...]) -> bool:
    """Return True if a read, update or delete is retried: after 408, 429 and 5xx, never after another status."""
    if status in range(200, 300):
        return False
    return status in (408, 429) or status >= 500 or status in rejected


def classify(operation: Operation, status: int, rejected: tuple[int, ...]) -> AttemptOutcome:
    """Return the conclusion from a response."""
    return classify_attempt(operation, status, rejected_statuses=rejected)


def test_every_operation_is_in_the_table() -> None:
    assert {*SENT_ONCE, *REPEATED} == set(Operation)
    for operation in Operation:
        assert effects.is_non_idempotent(operation) is (operation in SENT_ONCE)


@pytest.mark.parametrize("rejected", REJECTED_STATUSES, ids=lambda statuses: f"{len(statuses)} rejected")
@pytest.mark.parametrize("operation", SENT_ONCE)
def test_a_create_after_any_status(operation: Operation, rejected: tuple[int, ...]) -> None:
    for status in STATUSES:
        verdict = classify(operation, status, rejected)
        expected = expect_of_create(status, rejected)
        assert (verdict.effect, verdict.retryable) == expected, status
        assert verdict.renew_key is (status == 401)


@pytest.mark.parametrize("rejected", REJECTED_STATUSES, ids=lambda statuses: f"{len(statuses)} rejected")
@pytest.mark.parametrize("operation", REPEATED)
def test_a_read_update_or_delete_after_any_status(operation: Operation, rejected: tuple[int, ...]) -> None:
    for status in STATUSES:
        verdict = classify(operation, status, rejected)
        assert verdict.effect is expect_of_create(status, rejected)[0], status
        assert verdict.retryable is is_retried(status, rejected), status
        assert verdict.renew_key is (status == 401)


@pytest.mark.parametrize("operation", Operation)
def test_a_failure_before_the_first_byte_is_not_sent_and_retried(
    operation: Operation,
) -> None:
    verdict = classify_attempt(operation, None, sent=False)
    assert verdict == AttemptOutcome(NOT_SENT, retryable=True, renew_key=False)


@pytest.mark.parametrize("operation", Operation)
def test_a_failure_after_the_first_byte_is_unknown_and_only_idempotent_requests_are_retried(
    operation: Operation,
) -> None:
    verdict = classify_attempt(operation, None, sent=True)
    assert verdict == AttemptOutcome(UNKNOWN, retryable=operation in REPEATED, renew_key=False)


statuses = st.none() | st.integers(-10, 2000)


@given(st.sampled_from(SENT_ONCE), statuses, st.booleans(), st.lists(st.integers(400, 599)).map(tuple))
@more_examples(8)
def test_a_create_is_retried_only_if_nothing_was_done(
    operation: Operation, status: int | None, sent: bool, rejected: tuple[int, ...]
) -> None:
    verdict = classify_attempt(operation, status, sent=sent, rejected_statuses=rejected)
    if verdict.retryable or verdict.renew_key:
        assert verdict.effect in (NOT_SENT, REJECTED)


@given(st.sampled_from(Operation), statuses, st.booleans())
def test_an_applied_request_is_never_retried(operation: Operation, status: int | None, sent: bool) -> None:
    verdict = classify_attempt(operation, status, sent=sent)
    if verdict.effect is APPLIED:
        assert not verdict.retryable
        assert not verdict.renew_key
        assert status in range(200, 300)


def test_the_effect_of_two_attempts_is_the_larger_one() -> None:
    rising = [NOT_SENT, REJECTED, UNKNOWN, APPLIED]
    for (low, one), (high, other) in itertools.product(enumerate(rising), repeat=2):
        assert effects.combine(Operation.CREATE, one, other, 400) is rising[max(low, high)]


def test_a_delete_with_404_after_an_unknown_attempt_is_applied() -> None:
    for operation, earlier, status in itertools.product(Operation, Effect, (None, 400, 404)):
        found = effects.combine(operation, earlier, REJECTED, status)
        deleted = operation is Operation.DELETE and earlier is UNKNOWN and status == 404
        assert (found is APPLIED) == (deleted or earlier is APPLIED)
