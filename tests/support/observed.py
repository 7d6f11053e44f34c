"""An observer that keeps all events."""

from __future__ import annotations

from campaigns_async import AttemptFinished, CallFinished, Event, Waiting


class Recorder:
    """A recorder of events, also by kind."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event, /) -> None:
        """Keep an event."""
        self.events.append(event)

    @property
    def attempts(self) -> list[AttemptFinished]:
        """The attempts."""
        return [event for event in self.events if isinstance(event, AttemptFinished)]

    @property
    def waits(self) -> list[Waiting]:
        """The waits."""
        return [event for event in self.events if isinstance(event, Waiting)]

    @property
    def calls(self) -> list[CallFinished]:
        """The calls that ended."""
        return [event for event in self.events if isinstance(event, CallFinished)]
