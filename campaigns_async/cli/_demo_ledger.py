"""What the client's side of a run knows: what became of each row, and how many requests it took."""

from __future__ import annotations

from collections import Counter
from typing import TypeVar, cast

from attrs import Factory, define

from campaigns_async import (
    AttemptFinished,
    CallFinished,
    Delivery,
    Event,
    NewCampaign,
    Operation,
    Outcome,
    OutcomeUnknownError,
)
from campaigns_async.cli._demo_report import Counts

T = TypeVar("T")
R = TypeVar("R")


@define
class Tally:
    """Counts what the client does, as its observer."""

    attempts: int = 0
    not_sent: int = 0
    retried: int = 0
    throttled: int = 0
    dropped: int = 0
    creates: int = 0

    def on_event(self, event: Event, /) -> None:
        """Count one event."""
        if isinstance(event, AttemptFinished):
            self.attempts += 1
            self.not_sent += event.delivery is Delivery.NOT_SENT
            self.retried += event.attempt > 1
            self.dropped += event.failure == "dropped" and event.delivery is not Delivery.NOT_SENT
            self.throttled += event.status in (429, 503)
        elif isinstance(event, CallFinished):
            self.creates += event.operation is Operation.CREATE

    def counts(self) -> Counts:
        """What the server should have counted too."""
        return Counts(requests=self.attempts - self.not_sent, throttled=self.throttled, dropped=self.dropped)


@define
class Ledger:
    """What is known of each row of the plan, by its index."""

    ids: dict[int, str] = Factory(dict[int, str])
    in_doubt: set[int] = Factory(set[int])
    failures: Counter[str] = Factory(Counter[str])
    """By the error's class."""
    doubts: int = 0
    found: int = 0
    absent: int = 0

    def record(self, index: int, outcome: Outcome[NewCampaign, str]) -> bool:
        """Note what became of a create; says whether the campaign is on the server for certain."""
        if outcome.value is not None:
            self.ids[index] = outcome.value
            return True
        if isinstance(outcome.error, OutcomeUnknownError):
            self.in_doubt.add(index)
            self.doubts += 1
        else:
            self.failures[type(outcome.error).__name__] += 1
        return False


def value_of(outcome: Outcome[T, R]) -> R:
    """What the operation returned, or raise what it raised."""
    if outcome.error is not None:
        raise outcome.error
    return cast("R", outcome.value)
