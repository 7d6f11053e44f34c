"""A listing whose rows come and go while it is read."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from campaigns_async import Checkpoint, Page
from campaigns_async._listing.prefetch import Source
from campaigns_async.paging import Paginator

Fetch = Callable[[int, int], Awaitable[Page[str]]]


class Shifting:
    """Rows are their own ids. Between two reads rows may come or go; what changes shows in the total.

    Args:
        count: Rows at the start.
        seed: The seed of all random choices.
        change: The share of reads before which something changes.
        cap: The most rows on a page, whatever is asked for; rows skipped are not capped.
        totals: True if the server counts.
    """

    def __init__(
        self, count: int, seed: int, *, change: float = 0.2, cap: int | None = None, totals: bool = True
    ) -> None:
        self.random = random.Random(seed)
        self.rows = [f"r{number}" for number in range(count)]
        self.stable = list(self.rows)
        self.reads = 0
        self._change = change
        self._cap = cap
        self._totals = totals
        self._made = 0
        self._totals_sent = {0: count}
        """Totals by the number of the read, from the last one whose response arrived."""

    async def fetch(self, index: int, size: int) -> Page[str]:
        """Read a page at some moment between the question and the answer."""
        await self._while()
        if self.reads and self.random.random() < self._change:
            self._move()
        self.reads += 1
        start = (index - 1) * size
        items = tuple(self.rows[start : start + min(size, self._cap or size)])
        number, total = self.reads, len(self.rows)
        self._totals_sent[number] = total
        page = Page(index, -(-total // size) if self._totals else None, total if self._totals else None, items)
        await self._while()
        self._totals_sent = {read: total for read, total in self._totals_sent.items() if read >= number}
        return page

    def listing(self, *, page_size: int, prefetch: int, start: Checkpoint | None = None) -> Paginator[str]:
        """Return a paginator over the rows."""
        source = Source(self.fetch, list)
        return Paginator(source, start or Checkpoint("test", page_size), prefetch=prefetch)

    async def _while(self) -> None:
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)

    def _move(self) -> None:
        """Insert and delete rows so that the total shows it."""
        while True:
            for _ in range(self.random.choice([1, 1, 1, 2, 3, 8, 40])):
                if self.rows and self.random.random() < 0.5:
                    removed = self.rows.pop(self.random.randrange(len(self.rows)))
                    if removed in self.stable:
                        self.stable.remove(removed)
                else:
                    self._made += 1
                    self.rows.insert(self.random.randrange(len(self.rows) + 1), f"n{self._made}")
            if len(self.rows) not in self._totals_sent.values():
                return
