"""The states of a row of a journal, and the moves between them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final


class State(IntEnum):
    """What is known of a row. The numbers are what a journal holds: they never change their meaning."""

    PLANNED = 0
    """Not sent: no request of it can be on its way."""
    SENDING = 1
    """A request may have left. After a crash: possibly sent."""
    CREATED = 2
    """A campaign of it stands on the server. Final."""
    FAILED = 3
    """Refused: no campaign of it stands on the server."""
    UNKNOWN = 4
    """Possibly sent, and nobody is waiting for the answer any more."""


MOVES: Final[Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        State.PLANNED: frozenset({State.SENDING}),
        State.SENDING: frozenset({State.CREATED, State.FAILED, State.UNKNOWN, State.PLANNED}),
        State.CREATED: frozenset[State](),
        State.FAILED: frozenset({State.PLANNED, State.CREATED}),
        State.UNKNOWN: frozenset({State.CREATED, State.PLANNED, State.UNKNOWN, State.FAILED}),
    }
)
"""Where a row may go from each state. SENDING and UNKNOWN go back to PLANNED only with a proof, or a person's word."""


def check_move(old: State, new: State) -> None:
    """Refuse what is no move.

    Raises:
        ValueError: A row does not go from `old` to `new`.
    """
    if new not in MOVES[old]:
        raise ValueError(f"a row that is {old.name} cannot become {new.name}")


def origins(new: State) -> frozenset[State]:
    """The states from which a row may go to `new`."""
    return frozenset(old for old, ways in MOVES.items() if new in ways)
