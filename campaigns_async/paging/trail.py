"""The ids of the rows handed out last: a bounded number of them, however long the listing is."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence


class Trail:
    """Remembers whole chunks of ids, at least `least` ids in all while there were so many."""

    def __init__(self, ids: Sequence[str], least: int, *, complete: bool) -> None:
        self._least = least
        self._chunks: deque[list[str]] = deque()
        self._known: set[str] = set()
        self._held = 0
        self.complete: bool = complete
        """Whether nothing was forgotten."""
        self.add(list(ids))

    def __contains__(self, name: str) -> bool:
        return name in self._known

    @property
    def newest(self) -> str | None:
        """The last one."""
        return self._chunks[-1][-1] if self._chunks else None

    @property
    def newest_chunk(self) -> list[str]:
        """The rows that came together with the last one."""
        return self._chunks[-1] if self._chunks else []

    def add(self, ids: list[str]) -> None:
        """These come behind the others."""
        if not ids:
            return
        self._chunks.append(ids)
        self._known.update(ids)
        self._held += len(ids)
        while self._held - len(self._chunks[0]) >= self._least:
            gone = self._chunks.popleft()
            self._known.difference_update(gone)
            self._held -= len(gone)
            self.complete = False

    def disjoint(self, ids: list[str]) -> bool:
        """Whether none of these is known."""
        return self._known.isdisjoint(ids)

    def last_known(self, ids: Sequence[str]) -> int:
        """Where the last known one stands among these; -1 if there is none."""
        return next((at for at in range(len(ids) - 1, -1, -1) if ids[at] in self._known), -1)

    def tail(self, count: int, without: int = 0) -> tuple[str, ...]:
        """The newest so many, but for the very newest `without`."""
        found: list[str] = []
        for chunk in reversed(self._chunks):
            found[:0] = chunk
            if len(found) >= count + without:
                break
        end = len(found) - without
        return tuple(found[max(0, end - count) : max(0, end)])
