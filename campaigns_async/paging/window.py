"""Which page comes next, and which of its rows are new. Pure: no I/O, no tasks.

Numbered pages shift when rows are inserted or deleted meanwhile. A walk goes straight on while the server
counts the same number of rows and no page overlaps what came before. As soon as a shift shows, it seeks:
it reads back until a page holds a row that was handed out, all pages with one and the same total, and goes on
behind the last such row. What shows in neither a total nor an overlap of pages that arrived cannot be seen: an
insert and a delete between the same two reads, or one that only a read which was cancelled has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import length_hint
from typing import Generic, TypeVar

from campaigns_async.errors import PageShiftedError, PagingError
from campaigns_async.paging.seek import Seek, is_capped, last_page
from campaigns_async.paging.trail import Trail
from campaigns_async.values import Checkpoint, Page

T = TypeVar("T")

_REMEMBERED = 512
"""Ids of rows handed out that are remembered at least; three pages where those are larger."""
_TAIL = 48
"""Ids in a checkpoint."""
_TRIES = 20
"""Times in a row that a place is looked for among rows that keep moving."""
_PAGES_SOUGHT = 64
"""Pages that are read at most to find a place."""
_PAGES_REMEMBERED = 1024


class Window(Generic[T]):
    """The state of one walk, from a checkpoint on."""

    def __init__(self, start: Checkpoint, ids: Callable[[Sequence[T]], list[str]]) -> None:
        self._start = start
        self._ids = ids
        self.page_size: int = start.page_size
        self.epoch: int = 0
        """Changes when pages that were fetched ahead are of no use any more."""
        self._next = start.page
        self._skip = start.offset
        self._total = start.total
        self._pages: int | None = None
        """How many there are, as far as was told."""
        self._trail = Trail(start.tail, max(_REMEMBERED, 3 * start.page_size), complete=start.rows <= len(start.tail))
        self._rows = start.rows
        """Rows given to be handed out, of which some may be unread."""
        self._first = (start.page - 1) * start.page_size + start.offset
        """Where the rows given last begin, counted from 0."""
        self._given = 0
        self._unread: Iterator[T] = iter(())
        self._probing = start.rows > 0 and start.offset == 0
        """Whether it is still to be seen that the last row handed out is where it was."""
        self._ended = False
        self._short: int | None = None
        """The size of the last page, where it was shorter than asked for and nothing told whether it was the last."""
        self._seek: Seek[T] | None = None
        self._tries = 0
        self._moved = start.rows > 0
        """Whether rows may have moved at all since those that are remembered were handed out."""
        self._doubted: list[str] | None = None
        """A page that overlapped what came before."""
        self._seen: dict[int, int] = {}
        """Digests of the newest pages, by which a server that goes round in circles is noticed."""

    @property
    def checkpoint(self) -> Checkpoint:
        """How far the rows were handed out."""
        left = length_hint(self._unread)
        position = self._first + self._given - left if left or not self._given else (self._next - 1) * self.page_size
        return Checkpoint(
            listing=self._start.listing,
            page_size=self.page_size,
            page=position // self.page_size + 1,
            offset=position % self.page_size,
            rows=self._rows - left,
            total=self._total,
            tail=self._trail.tail(_TAIL, without=left),
        )

    def wanted(self) -> tuple[int, int] | None:
        """The page to read now, and the page size to ask for; None at the end."""
        if self._seek is not None:
            return self._seek.page, self.page_size
        if self._probing:
            return self._first, 1
        return None if self._ended else (self._next, self.page_size)

    def ahead(self, pages: int) -> range:
        """Pages behind the next one that are known to be there; none while a place is looked for."""
        if self._ended or self._probing or self._seek is not None or self._pages is None:
            return range(0)
        return range(self._next, min(self._next + pages, self._pages + 1))

    def notice(self, page: Page[T]) -> None:
        """A page that was fetched ahead, at the same time as the next one, has come: what it counts is evidence."""
        if self._seek is None and self._rows and page.total_records != self._total:
            self._look_for_the_place(max(1, self._next - 1))

    def accept(self, page: Page[T], *, fresh: bool = True) -> Iterator[T]:
        """Take the page that was asked for.

        Args:
            page: The page.
            fresh: Whether no other page was asked for since this one was.

        Returns:
            Its rows that were not handed out yet; what is taken from this iterator counts as handed out.

        Raises:
            PagingError: The server repeats itself, answers another page or other sizes.
            PageShiftedError: Rows have moved, and the place cannot be found again.
        """
        wanted = self.wanted()
        assert wanted is not None, "nothing more was asked for"
        index, size = wanted
        self._check(index, size, page)
        if self._probing and self._seek is None:
            return self._probed(page)
        if is_capped(page, index, self.page_size):
            return self._shrink(len(page.items), (index - 1) * self.page_size + self._skip)
        if self._short is not None and page.items:
            return self._shrink(self._short, (index - 2) * self.page_size + self._short)
        ids = self._ids(page.items)
        if self._seek is not None:
            return self._sought(self._seek, page, ids)
        if self._skip:
            return self._resumed(page, ids)
        if self._rows and page.total_records != self._total:
            if fresh:
                return self._sought(self._look_for_the_place(index), page, ids)
            self._look_for_the_place(max(1, index - 1))  # and with a page of its time
            return iter(())
        first = (index - 1) * self.page_size
        if self._trail.disjoint(ids) or (ids == self._doubted and not self._moved):
            self._check_new(index, ids)
            return self._give(page, ids, index, first)
        if self._moved:  # rows put in before have brought old ones here
            return self._give(page, ids, index, first, self._trail.last_known(ids) + 1)
        self._look_for_the_place(max(1, index - 1))  # a shift, or does the server list rows twice?
        self._doubted = ids
        return iter(())

    # Going straight on

    def _give(self, page: Page[T], ids: list[str], index: int, first: int, skip: int = 0) -> Iterator[T]:
        """Let the rows of a page that ends at page `index` be handed out, but for the first `skip`."""
        items, ids = (page.items[skip:], ids[skip:]) if skip else (page.items, ids)
        self._trail.add(ids)
        self._rows += len(items)
        self._first, self._given = first + skip, len(items)
        self._next, self._skip, self._doubted = index + 1, 0, None
        self._total, self._pages = page.total_records, last_page(page, self.page_size)
        self._ended = self._is_last(index, page)
        self._short = len(page.items) if self._pages is None and len(page.items) < self.page_size else None
        if items:
            self._tries = 0
        elif skip:
            self._count_try()  # a whole page of old rows
        self._unread = iter(items)
        return self._unread

    def _probed(self, page: Page[T]) -> Iterator[T]:
        """The row before the first page of a walk that goes on: cheaper than its whole page."""
        self._probing = False
        if self._ids(page.items) == [self._trail.newest]:
            self._total = page.total_records  # what changed lies behind it, or made up for itself
        else:
            self._look_for_the_place(max(1, self._next - 1))
        return iter(())

    def _resumed(self, page: Page[T], ids: list[str]) -> Iterator[T]:
        """The first page of a walk that goes on within a page."""
        skip, tail = self._skip, self._start.tail
        before = tuple(ids[:skip])
        if len(before) == skip and before[-len(tail) :] == tail[-len(before) :]:
            return self._give(page, ids, self._next, (self._next - 1) * self.page_size, skip)
        return self._sought(self._look_for_the_place(self._next), page, ids)

    def _is_last(self, index: int, page: Page[T]) -> bool:
        last = last_page(page, self.page_size)
        # Without totals the end is an empty page: a short one may only have been cut.
        return not page.items or (last is not None and index >= last)

    # Finding the place again

    def _look_for_the_place(self, page: int) -> Seek[T]:
        self._count_try()
        self.epoch += 1
        self._skip, self._doubted = 0, None
        self._seek = Seek(page)
        return self._seek

    def _count_try(self) -> None:
        self._tries += 1
        if self._tries > _TRIES:
            raise self._lost("the list changes faster than it can be read")

    def _sought(self, seek: Seek[T], page: Page[T], ids: list[str]) -> Iterator[T]:
        """A page that was read to find the place."""
        if seek.pages and page.total_records != seek.total:
            seek = self._look_for_the_place(seek.page)  # moved again: begin anew with this page
        last = last_page(page, self.page_size)
        if not ids and last is not None and 1 <= last < seek.page:
            seek.page = last  # far behind the end
            return iter(())
        seek.take(page, ids)
        names = seek.names()
        at = self._trail.last_known(names)
        high, newest_page, _ = seek.pages[-1]
        at_end = self._is_last(high, newest_page)
        if at < 0:
            return self._further(seek, at_end=at_end)
        if at == len(names) - 1 and names[at] != self._trail.newest and not at_end:
            seek.page = high + 1  # all of these are old: what was handed out last has moved on
            seek.pages = seek.pages[-1:]
            return iter(())
        return self._found(seek, at + 1)

    def _further(self, seek: Seek[T], *, at_end: bool) -> Iterator[T]:
        """No page that was read holds a row that was handed out: look on both sides of them."""
        low, high = seek.pages[0][0], seek.pages[-1][0]
        if low == 1 and at_end:
            if self._trail.complete:
                return self._found(seek, 0)  # all that was handed out is gone, so all that is there is new
            raise self._lost("none of the rows handed out last is there any more")
        if len(seek.pages) >= _PAGES_SOUGHT:
            raise self._lost(f"none of the rows handed out last is on {_PAGES_SOUGHT} pages around it")
        grown = self._total is not None and seek.total is not None and seek.total > self._total
        turn_back = len(seek.pages) % 2 != grown
        seek.page = low - 1 if low > 1 and (turn_back or at_end) else high + 1
        return iter(())

    def _found(self, seek: Seek[T], skip: int) -> Iterator[T]:
        """The rows behind the first `skip` of the pages that were read are the next ones."""
        if len(seek.pages) > 1 and len(set(seek.names())) < len(seek.names()):
            self._look_for_the_place(seek.pages[-1][0])  # moved between these pages, though the total is the same
            return iter(())
        low, (high, last, _) = seek.pages[0][0], seek.pages[-1]
        items = tuple(item for _, page, _ in seek.pages for item in page.items)
        names = seek.names()
        doubted, self._seek = self._doubted, None
        self._moved = self._moved or names != self._trail.newest_chunk
        whole = Page(high, last.total_pages, last.total_records, items)
        found = self._give(whole, names, high, (low - 1) * self.page_size, skip)
        self._doubted = doubted  # the next page, if it comes the same again
        return found

    def _lost(self, why: str) -> PageShiftedError:
        return PageShiftedError(
            f"rows came or went while the list was read, and the place could not be found again: {why}. "
            "Resume from .checkpoint when it is quieter, or begin anew",
            checkpoint=self.checkpoint,
        )

    # A server that keeps to other sizes

    def _shrink(self, size: int, position: int) -> Iterator[T]:
        """Go on at a row, with smaller pages: where rows taken are capped but not those skipped, the rest is lost."""
        if size == 0:
            raise PagingError("the server answers an empty page before the end")
        self.page_size = size
        self.epoch += 1
        self._seen.clear()
        self._short, self._next, self._skip = None, position // size + 1, position % size
        self._first, self._given = position, 0
        if self._rows:
            self._look_for_the_place(self._next)
        return iter(())

    # A server that contradicts itself

    def _check(self, index: int, size: int, page: Page[T]) -> None:
        if page.index is not None and page.index != index:
            raise PagingError(f"asked for page {index}, the server answered page {page.index}")
        if len(page.items) > size:
            raise PagingError(
                f"asked for {size} rows a page, the server answered {len(page.items)}: "
                "it ignores paging, as it does where a filter or sort names what it does not know"
            )

    def _check_new(self, index: int, ids: list[str]) -> None:
        if not ids:
            return
        content = hash(tuple(ids))
        before = self._seen.setdefault(content, index)
        if before != index:
            raise PagingError(f"page {index} holds the same rows as page {before}: the server repeats itself")
        if len(self._seen) > _PAGES_REMEMBERED:
            del self._seen[next(iter(self._seen))]
