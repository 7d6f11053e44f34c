"""Where a row may go."""

from __future__ import annotations

from itertools import product

import pytest

from campaigns_async.effects import MOVES, State, check_move, origins

P, S, C, F, U = State.PLANNED, State.SENDING, State.CREATED, State.FAILED, State.UNKNOWN
ALLOWED = {(P, S), (S, C), (S, F), (S, U), (S, P), (U, C), (U, P), (U, U), (U, F), (F, P), (F, C)}


@pytest.mark.parametrize(("old", "new"), list(product(State, State)))
def test_a_row_goes_where_it_may_and_nowhere_else(old: State, new: State) -> None:
    if (old, new) in ALLOWED:
        check_move(old, new)
    else:
        with pytest.raises(ValueError, match=f"a row that is {old.name} cannot become {new.name}"):
            check_move(old, new)


def test_a_row_that_was_created_stays_so() -> None:
    assert MOVES[State.CREATED] == frozenset()


def test_nothing_is_created_failed_or_in_doubt_without_having_been_recorded_as_sending() -> None:
    assert MOVES[State.PLANNED] == {State.SENDING}
    assert origins(State.SENDING) == {State.PLANNED}


def test_the_numbers_are_those_of_journals_already_written() -> None:
    assert [(state.name, int(state)) for state in State] == [
        ("PLANNED", 0),
        ("SENDING", 1),
        ("CREATED", 2),
        ("FAILED", 3),
        ("UNKNOWN", 4),
    ]


def test_origins_are_the_moves_backwards() -> None:
    assert {(old, new) for new in State for old in origins(new)} == ALLOWED
