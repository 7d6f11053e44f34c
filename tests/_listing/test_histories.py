"""Any history of inserts and deletes that shows: each row that stays comes once, or it raises."""

from __future__ import annotations

from hypothesis import given, strategies as st

from campaigns_async import Checkpoint, Page, PageShiftedError
from campaigns_async._listing.window import Window

CHANGE = st.tuples(st.booleans(), st.floats(0, 1))
BETWEEN_READS = st.lists(st.lists(CHANGE, max_size=30), max_size=60)


@given(count=st.integers(0, 80), size=st.integers(1, 20), histories=BETWEEN_READS)
def test_each_row_that_is_not_deleted_comes_once_or_it_raises(count: int, size: int, histories: list[list]) -> None:
    rows = [f"r{number}" for number in range(count)]
    stable, seen = list(rows), []
    window: Window[str] = Window(Checkpoint("test", size), list)
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
            straight = window._resync is None
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


def apply(rows: list[str], changes: list[tuple[bool, float]], made: int) -> tuple[list[str], int]:
    """Return the rows after some changes: True inserts, False deletes, at a fraction of the length."""
    rows = list(rows)
    for insert, share in changes:
        place = int(share * len(rows))
        if insert:
            made += 1
            rows.insert(place, f"n{made}")
        elif rows:
            rows.pop(min(place, len(rows) - 1))
    return rows, made
