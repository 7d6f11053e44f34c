"""The outcome of a row whose create raised an error. `effects` decides; this module names its inputs."""

from __future__ import annotations

from attrs import frozen

from campaigns_async.effects import Cause, Effect, RunAction, State, classify_row, effect_of
from campaigns_async.errors import (
    ClientClosedError,
    ConfigurationError,
    InvalidArgumentError,
    ValidationFailedError,
)


@frozen
class RowOutcome:
    """The outcome of a row whose create raised an error.

    Attributes:
        state: The row's new state.
        action: The run's next step.
        reason: The error in a few words for the journal: without text, phone number and name.
        created_without_id: True if the campaign was created and only its id is not known.
        refused_contacts: Indexes of the contacts that the server refused, from 0.
    """

    state: State
    action: RunAction
    reason: str
    created_without_id: bool = False
    refused_contacts: tuple[int, ...] = ()


def classify_error(error: BaseException) -> RowOutcome:
    """Return the outcome of the row whose create raised this error."""
    effect, status = effect_of(error), getattr(error, "status", None)
    state, action = classify_row(effect, _cause_of(error) if status is None else status)
    return RowOutcome(
        state,
        action,
        _reason_of(error, status),
        created_without_id=effect is Effect.APPLIED,
        refused_contacts=tuple(sorted(error.contact_errors)) if isinstance(error, ValidationFailedError) else (),
    )


def _cause_of(error: BaseException) -> Cause:
    if isinstance(error, (ClientClosedError, ConfigurationError)):
        return Cause.CLIENT
    return Cause.ARGUMENT if isinstance(error, InvalidArgumentError) else Cause.NO_RESPONSE


def _reason_of(error: BaseException, status: int | None) -> str:
    if isinstance(error, InvalidArgumentError):
        return f"{type(error).__name__}: {error.message}"
    return getattr(error, "cause_type", type(error)).__name__ if status is None else str(status)
