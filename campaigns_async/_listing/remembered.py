"""The ids of the rows that were handed out: the latest as text and in order, earlier ones as digests of 64 bits."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Sequence


class _Digests:
    """A set of digests in an array, of which at least a quarter stays empty: 11 to 22 bytes each, and never less free.

    A set of Python takes eight times as much.
    """

    def __init__(self) -> None:
        self._count = 0
        self._slots = array("q", bytes(8 * 1024))

    def add(self, ids: Iterable[str]) -> None:
        """Add the digests of ids."""
        self._insert(map(hash, ids))

    def _insert(self, digests: Iterable[int]) -> None:
        slots, mask = self._slots, len(self._slots) - 1
        for digest in digests:
            at = (digest := digest or 1) & mask  # 0 marks an empty slot
            while (found := slots[at]) and found != digest:
                at = (at + 1) & mask
            if not found:
                slots[at] = digest
                self._count += 1
                if 4 * self._count > 3 * len(slots):
                    self._slots, self._count = array("q", bytes(16 * len(slots))), 0
                    self._insert(filter(None, slots))
                    slots, mask = self._slots, len(self._slots) - 1

    def is_disjoint(self, ids: Iterable[str]) -> bool:
        """Return True if no digest of these ids was added."""
        slots, mask = self._slots, len(self._slots) - 1
        for digest in map(hash, ids):
            at = (digest := digest or 1) & mask
            while found := slots[at]:
                if found == digest:
                    return False
                at = (at + 1) & mask
        return True


class RememberedIds:
    """Ids of rows that were handed out, in chunks as they were added.

    Args:
        ids: The first chunk.
        least: The number of latest ids that are kept as text.
        most: The number of ids that are kept in all, earlier ones as digests; 0 to forget earlier ones.
        complete: True if no row was handed out before.
    """

    def __init__(self, ids: Sequence[str], least: int, most: int = 0, *, complete: bool) -> None:
        self.complete: bool = complete  # True if no id was forgotten
        self._least = least
        self._left = self._most = most
        self._chunks: deque[list[str]] = deque()
        self._known: set[str] = set()
        self._earlier: _Digests | None = None
        self._count = 0
        self.add(list(ids))

    @property
    def newest(self) -> str | None:
        """The id of the last row."""
        return self._chunks[-1][-1] if self._chunks else None

    @property
    def newest_chunk(self) -> list[str]:
        """The ids of the rows that were added together with the last row."""
        return self._chunks[-1] if self._chunks else []

    def __contains__(self, row_id: str) -> bool:
        return row_id in self._known or (self._earlier is not None and not self._earlier.is_disjoint((row_id,)))

    def add(self, ids: list[str]) -> None:
        """Add the ids of later rows. Forget the oldest chunks, or keep their digests, as long as `least` ids remain."""
        if not ids:
            return
        self._chunks.append(ids)
        self._known.update(ids)
        self._count += len(ids)
        self._left -= len(ids)
        self.complete = self.complete and (self._left >= 0 or not self._most)
        while self._count - len(self._chunks[0]) >= self._least:
            oldest = self._chunks.popleft()
            self._known.difference_update(oldest)
            self._count -= len(oldest)
            self.complete = self.complete and self._most > 0
            if self.complete:
                self._earlier = self._earlier or _Digests()
                self._earlier.add(oldest)

    def is_disjoint(self, ids: set[str]) -> bool:
        """Return True if none of the ids is remembered."""
        return self._known.isdisjoint(ids) and (self._earlier is None or self._earlier.is_disjoint(ids))

    def find_last(self, ids: Sequence[str]) -> int:
        """Return the highest index of a remembered id in `ids`, or -1."""
        return next((at for at in range(len(ids) - 1, -1, -1) if ids[at] in self), -1)

    def find_new(self, ids: Sequence[str], start: int = 0) -> list[int]:
        """Return the indexes, from `start` on, of the first occurrence of each id that is not remembered."""
        first: dict[str, int] = {}
        for at in range(start, len(ids)):
            if ids[at] not in self:
                first.setdefault(ids[at], at)
        return list(first.values())

    def take_last(self, count: int, before: int = 0) -> tuple[str, ...]:
        """Return the last `count` ids, without the very last `before` ones."""
        ids: list[str] = []
        for chunk in reversed(self._chunks):
            ids[:0] = chunk
            if len(ids) >= count + before:
                break
        end = len(ids) - before
        return tuple(ids[max(0, end - count) : max(0, end)])
