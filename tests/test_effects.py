"""The effect of an attempt, and what the client does next: the whole table, written a second time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, strategies as st
from support.properties import more_examples

from campaigns_async import Effect, Operation, effects
from campaigns_async.effects import (
    AttemptOutcome,
    BodyForm,
    Cause,
    RunAction,
    State,
    classify_attempt,
    classify_row,
    is_own_form,
)

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
OWN_FORMS = [BodyForm.EMPTY, BodyForm.TEXT, BodyForm.PROBLEM]
IDS = [BodyForm.ID, BodyForm.GIVEN_ID, BodyForm.POSSIBLE_ID]
READS = [Operation.LIST, Operation.GET, Operation.CONTACTS, Operation.RAW_READ]
CHANGES = [Operation.UPDATE, Operation.DELETE]
NOT_SENT, REJECTED, UNKNOWN, APPLIED = Effect.NOT_SENT, Effect.REJECTED, Effect.UNKNOWN, Effect.APPLIED


def expect_of_success(operation: Operation, status: int, form: BodyForm) -> AttemptOutcome:
    """Return the conclusion from a 2xx."""
    if operation in READS:
        return AttemptOutcome(APPLIED, retryable=False, reusable=status == 200 and operation is not Operation.RAW_READ)
    if operation is Operation.CREATE:
        if status == 201 and form is BodyForm.ID:
            return AttemptOutcome(APPLIED, retryable=False, reusable=True)
        if status == 201 and form in (BodyForm.EMPTY, BodyForm.CUT):
            return AttemptOutcome(APPLIED, retryable=False)
        return AttemptOutcome(UNKNOWN, retryable=False, read_back=form in IDS)
    if operation in CHANGES:
        done = status == 204
        return AttemptOutcome(APPLIED if done else UNKNOWN, retryable=False, read_back=not done)
    return AttemptOutcome(APPLIED if status in (201, 204) else UNKNOWN, retryable=False)


def expect_of_failure(status: int, form: BodyForm, rejected: tuple[int, ...]) -> tuple[Effect, bool]:
    """Return the effect of any request that got this status, and True if it may succeed later."""
    if status in rejected:  # of a server that is known to have done nothing then
        return REJECTED, True
    if status in range(300, 400):
        return (REJECTED if status in (307, 308) else UNKNOWN), False
    if status == 408:
        return UNKNOWN, True
    if status == 429:
        return REJECTED, True
    if status in (400, 404, 405, 411, 413, 414, 415, 422, 431):
        return REJECTED, False
    if status in range(400, 500):
        return (REJECTED if form in OWN_FORMS else UNKNOWN), False
    return UNKNOWN, status >= 500


def responses() -> Iterator[tuple[int, BodyForm, tuple[int, ...]]]:
    """Yield every status with every form of a body, and some statuses that a setting rejects."""
    for status, form in itertools.product(STATUSES, BodyForm):
        yield status, form, ()
    for status, rejected in itertools.product(STATUSES, REJECTED_STATUSES):
        yield status, BodyForm.EMPTY, rejected
        yield status, BodyForm.HTML, rejected


def test_every_operation_is_in_the_table() -> None:
    assert {*SENT_ONCE, *REPEATED} == set(Operation)
    for operation in Operation:
        assert effects.is_non_idempotent(operation) is (operation in SENT_ONCE)


@pytest.mark.parametrize("operation", Operation)
def test_a_request_after_any_response(operation: Operation) -> None:
    for status, form, rejected in responses():
        found = classify_attempt(operation, status, form, rejected_statuses=rejected)
        if status in range(200, 300):
            assert found == expect_of_success(operation, status, form), (status, form)
            continue
        effect, transient = expect_of_failure(status, form, rejected)
        is_404 = status == 404 and operation in CHANGES and status not in rejected
        if is_404 and form not in OWN_FORMS:
            effect, transient = UNKNOWN, False
        repeated = effect is REJECTED or operation in REPEATED
        assert found == AttemptOutcome(
            effect,
            retryable=transient and repeated,
            renew_key=status == 401 and repeated,
            read_back=is_404,
        ), (status, form)


def test_the_forms_of_the_api_itself() -> None:
    assert [form for form in BodyForm if is_own_form(form)] == OWN_FORMS
    assert not is_own_form(None)


@pytest.mark.parametrize("operation", Operation)
def test_a_misconfigured_connection_is_not_sent_and_not_retried(operation: Operation) -> None:
    outcome = classify_attempt(operation, None, sent=False, misconfigured=True)
    assert outcome == AttemptOutcome(NOT_SENT, retryable=False)


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


forms = st.sampled_from(BodyForm)


@given(st.sampled_from(SENT_ONCE), statuses, forms, st.booleans(), st.lists(st.integers(400, 599)).map(tuple))
@more_examples(8)
def test_a_create_is_retried_only_if_nothing_was_done(
    operation: Operation, status: int | None, form: BodyForm, sent: bool, rejected: tuple[int, ...]
) -> None:
    verdict = classify_attempt(operation, status, form, sent=sent, rejected_statuses=rejected)
    if verdict.retryable or verdict.renew_key:
        assert verdict.effect in (NOT_SENT, REJECTED)


@given(st.sampled_from(Operation), statuses, forms, st.booleans())
def test_an_applied_request_is_never_retried(
    operation: Operation, status: int | None, form: BodyForm, sent: bool
) -> None:
    verdict = classify_attempt(operation, status, form, sent=sent)
    if verdict.effect is APPLIED:
        assert not verdict.retryable
        assert not verdict.renew_key
        assert status in range(200, 300)


def test_the_effect_of_two_attempts_is_the_larger_one() -> None:
    rising = [NOT_SENT, REJECTED, UNKNOWN, APPLIED]
    for (low, one), (high, other) in itertools.product(enumerate(rising), repeat=2):
        assert effects.combine(one, other) is rising[max(low, high)]


ROWS = [
    (NOT_SENT, [Cause.CLIENT, Cause.MISCONFIGURED], State.PLANNED, RunAction.STOP),
    (NOT_SENT, [Cause.ARGUMENT], State.FAILED, RunAction.CONTINUE),
    (NOT_SENT, [Cause.NO_RESPONSE], State.PLANNED, RunAction.BACK_OFF),
    (REJECTED, [Cause.CLIENT, Cause.MISCONFIGURED, 301, 307, 308, 401, 404, 405], State.PLANNED, RunAction.STOP),
    (REJECTED, [Cause.NO_RESPONSE, 408, 429, 500, 502, 503], State.PLANNED, RunAction.BACK_OFF),
    (REJECTED, [400, 403, 409, 413, 422], State.FAILED, RunAction.CONTINUE),
    (UNKNOWN, [301, 302, 303, 401, 403, 407, 409, 451], State.UNKNOWN, RunAction.STOP),
    (UNKNOWN, [200, 201, 202, 204, 206, 503], State.UNKNOWN, RunAction.BACK_OFF),
    (UNKNOWN, [Cause.NO_RESPONSE, Cause.CLIENT, 408, 500, 502, 504], State.UNKNOWN, RunAction.CONTINUE),
    (APPLIED, [Cause.NO_RESPONSE, 201], State.UNKNOWN, RunAction.CONTINUE),
]


@pytest.mark.parametrize(("effect", "all_met", "state", "action"), ROWS)
def test_a_row_after_any_error(effect: Effect, all_met: list[int | Cause], state: State, action: RunAction) -> None:
    for met, form in itertools.product(all_met, [None, *OWN_FORMS]):
        assert classify_row(effect, met, form) == (state, action), met


@pytest.mark.parametrize("form", [BodyForm.JSON, BodyForm.HTML])
def test_an_unknown_row_with_a_body_of_another_service_backs_off_or_stops(form: BodyForm) -> None:
    for status in range(400, 1000):
        stops = status < 500 and status != 408
        expected = State.UNKNOWN, RunAction.STOP if stops else RunAction.BACK_OFF
        assert classify_row(UNKNOWN, status, form) == expected


def test_no_row_is_planned_again_that_may_have_been_carried_out() -> None:
    for effect, met, form in itertools.product((UNKNOWN, APPLIED), [*STATUSES, *Cause], [None, *BodyForm]):
        assert classify_row(effect, met, form)[0] is State.UNKNOWN
