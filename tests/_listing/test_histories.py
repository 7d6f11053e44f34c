"""Any history of changes that shows: each row that is not touched comes once, or it raises."""

from __future__ import annotations

from typing import Literal

from hypothesis import assume, given, strategies as st

from campaigns_async import Checkpoint, Page, PageShiftedError
from campaigns_async._listing.window import Order, Window

Kind = Literal["insert", "delete", "move"]
PLACE = st.floats(0, 1)
CHANGE = st.tuples(st.sampled_from(["insert", "delete"]), PLACE, PLACE)
MOVE = st.tuples(st.just("move"), PLACE, PLACE)
BETWEEN_READS = st.lists(st.lists(CHANGE, max_size=30), max_size=60)
MOVES = st.lists(st.lists(MOVE, max_size=4), max_size=60)
CAP = st.none() | st.integers(1, 30)


@given(count=st.integers(0, 80), size=st.integers(1, 20), histories=BETWEEN_READS, order=st.sampled_from([True, False]))
def test_each_row_that_is_not_deleted_comes_once_or_it_raises(
    count: int, size: int, histories: list[list], order: bool
) -> None:
    rows = [f"r{number}" for number in range(count)]
    stable, seen = list(rows), []
    window: Window[str] = Window(Checkpoint("test", size), list, Order(can_change=order))
    told: int | None = None
    made = 0
    pending = iter(histories)
    try:
        while (wanted := window.next_request()) is not None:
            index, asked = wanted
            changed, made = apply(rows, next(pending, []), made)
            page = changed[(index - 1) * asked : index * asked]
            # A change that shows in no total is made only where it shows in the overlap: the page that comes
            # next holds a row that was handed out, while the walk goes straight on.
            straight = window._resync is None and window._readings == 1
            if told is None or len(changed) != told or (straight and not set(page).isdisjoint(seen)):
                rows = changed
                stable = [row for row in stable if row in set(rows)]
            page = rows[(index - 1) * asked : index * asked]
            told = len(rows)
            seen.extend(window.accept(Page(index, -(-told // asked), told, tuple(page))))
    except PageShiftedError as lost:
        assert lost.checkpoint.rows == len(seen)
    else:
        assert [row for row in seen if row in set(stable)] == stable
    assert len(seen) == len(set(seen))


@given(
    count=st.integers(0, 80),
    size=st.integers(1, 20),
    histories=MOVES,
    most_told=CAP,
    most_taken=CAP,
    remember=st.sampled_from([1, 20, 1_000_000]),
)
def test_while_rows_move_no_other_is_lost_and_none_comes_twice(
    count: int, size: int, histories: list[list], most_told: int | None, most_taken: int | None, remember: int
) -> None:
    # A short page that holds as many rows as the total tells is the last page, as far as anyone can see.
    assume(most_told is None or most_taken is None or most_told > most_taken or most_taken >= size)
    rows = [f"r{number}" for number in range(count)]
    moved: set[str] = set()
    seen: list[str] = []
    window: Window[str] = Window(Checkpoint("test", size), list, Order(can_change=True, remember=remember))
    pending = iter(histories)
    try:
        while (wanted := window.next_request()) is not None:
            index, asked = wanted
            rows, _ = apply(rows, next(pending, []), 0, moved)
            told = min(len(rows), most_told or len(rows))
            page = rows[(index - 1) * asked :][: min(asked, most_taken or asked)]
            seen.extend(window.accept(Page(index, -(-told // asked), told, tuple(page))))
    except PageShiftedError as lost:
        assert lost.checkpoint.rows == len(seen)
        assert histories
    else:
        assert set(rows) <= set(seen) | moved
        assert histories or seen == rows
    assert len(seen) == len(set(seen))


def apply(
    rows: list[str], changes: list[tuple[Kind, float, float]], made: int, moved: set[str] | None = None
) -> tuple[list[str], int]:
    """Return the rows after some changes, each at a fraction of the length; a move has another fraction to go to."""
    rows = list(rows)
    for kind, share, target in changes:
        place = min(int(share * len(rows)), max(0, len(rows) - 1))
        if kind == "insert":
            made += 1
            rows.insert(int(share * len(rows)), f"n{made}")
        elif rows:
            row = rows.pop(place)
            if kind == "move":
                rows.insert(int(target * len(rows)), row)
                if moved is not None:
                    moved.add(row)
    return rows, made
