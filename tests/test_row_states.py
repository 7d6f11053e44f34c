"""The moves that a row may make."""

from __future__ import annotations

from itertools import product

import pytest

from campaigns_async.effects import MOVES, State, check_move, origins

P, S, C, F, U = State.PLANNED, State.SENDING, State.CREATED, State.FAILED, State.UNKNOWN
ALLOWED = {(P, S), (S, C), (S, F), (S, U), (S, P), (U, C), (U, P), (U, U), (U, F), (F, P), (F, C)}


@pytest.mark.parametrize(("old", "new"), list(product(State, State)))
def test_only_the_listed_moves_are_allowed(old: State, new: State) -> None:
    if (old, new) in ALLOWED:
        check_move(old, new)
    else:
        with pytest.raises(ValueError, match=f"a row that is {old.name} cannot become {new.name}"):
            check_move(old, new)


def test_a_created_row_never_moves() -> None:
    assert MOVES[State.CREATED] == frozenset()


def test_a_planned_row_moves_only_to_sending() -> None:
    assert MOVES[State.PLANNED] == {State.SENDING}
    assert origins(State.SENDING) == {State.PLANNED}


def test_the_numbers_of_states_never_change() -> None:
    assert [(state.name, int(state)) for state in State] == [
        ("PLANNED", 0),
        ("SENDING", 1),
        ("CREATED", 2),
        ("FAILED", 3),
        ("UNKNOWN", 4),
    ]


def test_origins_are_the_inverse_of_moves() -> None:
    assert {(old, new) for new in State for old in origins(new)} == ALLOWED
