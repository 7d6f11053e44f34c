"""Whether a request was carried out, and whether it goes out again: the whole table, written a second time."""

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
REJECTED: list[tuple[int, ...]] = [(), (503,), (500, 502), (408,), (401,), (400, 409, 429), tuple(range(400, 600))]
NOT_SENT, REFUSED, UNKNOWN, DONE = Effect.NOT_SENT, Effect.REJECTED, Effect.UNKNOWN, Effect.APPLIED


def expected_of_create(status: int, rejected: tuple[int, ...]) -> tuple[Effect, bool]:
    """The documented table, line by line: what a create that met this status means, and whether it goes out again."""
    if status in range(200, 300):  # a complete 2xx, whether its id can be read or not
        return DONE, False
    if status in rejected:  # of a server that is known to have done nothing then
        return REFUSED, True
    if status == 429:
        return REFUSED, True
    if status in (307, 308):  # they ask for a repeat elsewhere
        return REFUSED, False
    if status in range(300, 400):  # 303 is what a server answers after it has carried out a POST
        return UNKNOWN, False
    if status == 408:
        return UNKNOWN, False
    if status in range(400, 500):
        return REFUSED, False
    return UNKNOWN, False  # 503 with and without Retry-After, any other 5xx, and what is no status at all


def expected_again_of_repeated(status: int, rejected: tuple[int, ...]) -> bool:
    """Reads, updates and deletes: after 408, 429 and 5xx; never after another 4xx, a 3xx, or a success."""
    if status in range(200, 300):
        return False
    return status in (408, 429) or status >= 500 or status in rejected


def judged(operation: Operation, status: int, rejected: tuple[int, ...]) -> AttemptOutcome:
    """What a response has shown."""
    return classify_attempt(operation, status, rejected_statuses=rejected)


def test_every_operation_is_in_the_table() -> None:
    assert {*SENT_ONCE, *REPEATED} == set(Operation)
    for operation in Operation:
        assert effects.is_non_idempotent(operation) is (operation in SENT_ONCE)


@pytest.mark.parametrize("rejected", REJECTED, ids=lambda statuses: f"{len(statuses)} rejected")
@pytest.mark.parametrize("operation", SENT_ONCE)
def test_a_create_that_met_an_answer(operation: Operation, rejected: tuple[int, ...]) -> None:
    for status in STATUSES:
        verdict = judged(operation, status, rejected)
        expected = expected_of_create(status, rejected)
        assert (verdict.effect, verdict.retryable) == expected, status
        assert verdict.renew_key is (status == 401)


@pytest.mark.parametrize("rejected", REJECTED, ids=lambda statuses: f"{len(statuses)} rejected")
@pytest.mark.parametrize("operation", REPEATED)
def test_a_read_an_update_or_a_delete_that_met_an_answer(operation: Operation, rejected: tuple[int, ...]) -> None:
    for status in STATUSES:
        verdict = judged(operation, status, rejected)
        assert verdict.effect is expected_of_create(status, rejected)[0], status
        assert verdict.retryable is expected_again_of_repeated(status, rejected), status
        assert verdict.renew_key is (status == 401)


@pytest.mark.parametrize("operation", Operation)
def test_a_failure_before_the_first_byte_is_not_sent_and_goes_out_again(
    operation: Operation,
) -> None:
    verdict = classify_attempt(operation, None, sent=False)
    assert verdict == AttemptOutcome(NOT_SENT, retryable=True, renew_key=False)


@pytest.mark.parametrize("operation", Operation)
def test_a_failure_after_the_first_byte_is_unknown_and_only_harmless_requests_go_out_again(
    operation: Operation,
) -> None:
    verdict = classify_attempt(operation, None, sent=True)
    assert verdict == AttemptOutcome(UNKNOWN, retryable=operation in REPEATED, renew_key=False)


statuses = st.none() | st.integers(-10, 2000)


@given(st.sampled_from(SENT_ONCE), statuses, st.booleans(), st.lists(st.integers(400, 599)).map(tuple))
@more_examples(8)
def test_a_create_never_goes_out_again_unless_nothing_was_done(
    operation: Operation, status: int | None, sent: bool, rejected: tuple[int, ...]
) -> None:
    verdict = classify_attempt(operation, status, sent=sent, rejected_statuses=rejected)
    if verdict.retryable or verdict.renew_key:
        assert verdict.effect in (NOT_SENT, REFUSED)


@given(st.sampled_from(Operation), statuses, st.booleans())
def test_what_was_done_never_goes_out_again(operation: Operation, status: int | None, sent: bool) -> None:
    verdict = classify_attempt(operation, status, sent=sent)
    if verdict.effect is DONE:
        assert not verdict.retryable
        assert not verdict.renew_key
        assert status in range(200, 300)


def test_of_two_attempts_the_one_that_may_have_done_more_stands_for_both() -> None:
    rising = [NOT_SENT, REFUSED, UNKNOWN, DONE]
    for (low, one), (high, other) in itertools.product(enumerate(rising), repeat=2):
        assert effects.combine(Operation.CREATE, one, other, 400) is rising[max(low, high)]


def test_a_delete_that_finds_nothing_after_an_unknown_attempt_has_deleted_it() -> None:
    for operation, earlier, status in itertools.product(Operation, Effect, (None, 400, 404)):
        found = effects.combine(operation, earlier, REFUSED, status)
        deleted = operation is Operation.DELETE and earlier is UNKNOWN and status == 404
        assert (found is DONE) == (deleted or earlier is DONE)
