"""Which page comes next, and which of its rows are new. Pure: no I/O, no tasks.

Numbered pages shift when rows are inserted or deleted meanwhile. A walk goes straight on while the server
counts the same number of rows and no page overlaps the rows before it. As soon as a shift shows, it resyncs:
it reads back until a page holds a row that was handed out, all pages with the same total, and continues
after the last such row. What shows in neither a total nor an overlap of pages that arrived cannot be seen: an
insert and a delete between the same two reads, or one that only a read which was cancelled has seen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from operator import length_hint
from typing import Generic, TypeVar

from campaigns_async.errors import PageShiftedError, PagingError
from campaigns_async.models import Page
from campaigns_async.values import Checkpoint

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


class RecentIds:
    """The ids of the rows handed out last: whole chunks, at least `least` ids once there were as many."""

    def __init__(self, ids: Sequence[str], least: int, *, complete: bool) -> None:
        self._least = least
        self._chunks: deque[list[str]] = deque()
        self._known: set[str] = set()
        self._held = 0
        self.complete: bool = complete
        """True if no id was forgotten."""
        self.add(list(ids))

    def __contains__(self, name: str) -> bool:
        return name in self._known

    @property
    def newest(self) -> str | None:
        """The id of the last row."""
        return self._chunks[-1][-1] if self._chunks else None

    @property
    def newest_chunk(self) -> list[str]:
        """The ids of the rows that came together with the last one."""
        return self._chunks[-1] if self._chunks else []

    def add(self, ids: list[str]) -> None:
        """Remember the ids of rows that come after the others."""
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
        """Return whether none of the ids is remembered."""
        return self._known.isdisjoint(ids)

    def last_known(self, ids: Sequence[str]) -> int:
        """Return the index of the last remembered one of the ids, or -1."""
        return next((at for at in range(len(ids) - 1, -1, -1) if ids[at] in self._known), -1)

    def tail(self, count: int, without: int = 0) -> tuple[str, ...]:
        """Return the newest `count` ids before the newest `without`."""
        found: list[str] = []
        for chunk in reversed(self._chunks):
            found[:0] = chunk
            if len(found) >= count + without:
                break
        end = len(found) - without
        return tuple(found[max(0, end - count) : max(0, end)])


def _is_capped(page: Page[T], index: int, size: int) -> bool:
    """Return whether a page is shorter than requested, though there are rows after it."""
    if len(page.items) >= size:
        return False
    if page.total_records is not None and (index - 1) * size + len(page.items) < page.total_records:
        return True
    return page.total_pages is not None and bool(page.items) and index < page.total_pages


def _last_page(page: Page[T], size: int) -> int | None:
    """Return the number of the last page, or None where the server does not say."""
    if page.total_records is not None:
        return -(-page.total_records // size)
    return page.total_pages


class Resync(Generic[T]):
    """A run of neighbouring pages, all read with the same total."""

    def __init__(self, page: int) -> None:
        self.page = page
        """The page to read next."""
        self.total: int | None = None
        self.pages: list[tuple[int, Page[T], list[str]]] = []

    def take(self, page: Page[T], ids: list[str]) -> None:
        """Add a page at either end."""
        self.total = page.total_records
        read = (self.page, page, ids)
        if self.pages and self.page < self.pages[0][0]:
            self.pages.insert(0, read)
        else:
            self.pages.append(read)

    def ids(self) -> list[str]:
        """Return the ids of all rows of the run."""
        return [name for _, _, ids in self.pages for name in ids]


class Window(Generic[T]):
    """The state of one walk, from a checkpoint on."""

    def __init__(self, start: Checkpoint, ids: Callable[[Sequence[T]], list[str]]) -> None:
        self._start = start
        self._ids = ids
        self.page_size: int = start.page_size
        self.generation: int = 0
        """Changes when the prefetched pages have become useless."""
        self._next = start.page
        self._skip = start.offset
        self._total = start.total
        self._pages: int | None = None
        """The number of pages, None where the server did not say."""
        self._recent = RecentIds(
            start.tail, max(_REMEMBERED, 3 * start.page_size), complete=start.rows <= len(start.tail)
        )
        self._rows = start.rows
        """Rows emitted, of which some may be unread."""
        self._first = (start.page - 1) * start.page_size + start.offset
        """The position of the first of the rows emitted last, from 0."""
        self._given = 0
        self._unread: Iterator[T] = iter(())
        self._probing = start.rows > 0 and start.offset == 0
        """True until it is checked that the last row handed out is where it was."""
        self._ended = False
        self._short_page_size: int | None = None
        """The size of the last page, where it was shorter than requested and may not have been the last."""
        self._resync: Resync[T] | None = None
        self._tries = 0
        self._may_have_shifted = start.rows > 0
        """True if rows may have moved since those that are remembered were handed out."""
        self._suspect_page: list[str] | None = None
        """The ids of a page that overlapped the rows before it."""
        self._seen: dict[int, int] = {}
        """Digests of the newest pages, to notice a server that repeats pages."""

    @property
    def checkpoint(self) -> Checkpoint:
        """The place after the last row that was handed out."""
        left = length_hint(self._unread)
        position = self._find_position(left)
        return Checkpoint(
            listing=self._start.listing,
            page_size=self.page_size,
            page=position // self.page_size + 1,
            offset=position % self.page_size,
            rows=self._rows - left,
            total=self._total,
            tail=self._recent.tail(_TAIL, without=left),
        )

    def _find_position(self, unread: int) -> int:
        if unread or not self._given:
            return self._first + self._given - unread  # within the rows given last
        return (self._next - 1) * self.page_size  # at the start of the next page

    def next_request(self) -> tuple[int, int] | None:
        """Return the page to read now and the page size to request, or None at the end."""
        if self._resync is not None:
            return self._resync.page, self.page_size
        if self._probing:
            return self._first, 1
        return None if self._ended else (self._next, self.page_size)

    def prefetchable(self, pages: int) -> range:
        """Return the pages that are known to exist from the next one on; none during a resync."""
        if self._ended or self._probing or self._resync is not None or self._pages is None:
            return range(0)
        return range(self._next, min(self._next + pages, self._pages + 1))

    def observe(self, page: Page[T]) -> None:
        """Compare a prefetched page's total with ours; a difference means the listing has shifted."""
        if self._resync is None and self._rows and page.total_records != self._total:
            self._start_resync(max(1, self._next - 1))

    def accept(self, page: Page[T], *, fresh: bool = True) -> Iterator[T]:
        """Accept the page that was requested.

        Args:
            page: The page.
            fresh: True if no other page was requested after this one.

        Returns:
            The rows that were not handed out yet. A row counts as handed out when it is taken from this iterator.

        Raises:
            PagingError: If the server repeats itself, or answers another page or other sizes.
            PageShiftedError: If rows have moved, and the place cannot be found again.
        """
        wanted = self.next_request()
        assert wanted is not None, "nothing more was asked for"
        index, size = wanted
        self._check_answer(index, size, page)
        if self._probing and self._resync is None:
            return self._check_probe(page)
        if _is_capped(page, index, self.page_size):
            return self._use_smaller_pages(len(page.items), (index - 1) * self.page_size + self._skip)
        if self._short_page_size is not None and page.items:
            return self._use_smaller_pages(self._short_page_size, (index - 2) * self.page_size + self._short_page_size)
        ids = self._ids(page.items)
        if self._resync is not None:
            return self._accept_while_resyncing(self._resync, page, ids)
        if self._skip:
            return self._resume(page, ids)
        if self._rows and page.total_records != self._total:
            if fresh:
                return self._accept_while_resyncing(self._start_resync(index), page, ids)
            self._start_resync(max(1, index - 1))  # and with a page of its time
            return iter(())
        first = (index - 1) * self.page_size
        if self._recent.disjoint(ids) or (ids == self._suspect_page and not self._may_have_shifted):
            self._check_repeats(index, ids)
            return self._emit(page, ids, index, first)
        if self._may_have_shifted:  # rows put in before have brought old ones here
            return self._emit(page, ids, index, first, self._recent.last_known(ids) + 1)
        self._start_resync(max(1, index - 1))  # a shift, or does the server list rows twice?
        self._suspect_page = ids
        return iter(())

    # Without a shift

    def _emit(self, page: Page[T], ids: list[str], index: int, first: int, skip: int = 0) -> Iterator[T]:
        """Return the rows of a run of pages that ends at page `index`, after the first `skip`."""
        items, ids = (page.items[skip:], ids[skip:]) if skip else (page.items, ids)
        self._recent.add(ids)
        self._rows += len(items)
        self._first, self._given = first + skip, len(items)
        self._next, self._skip, self._suspect_page = index + 1, 0, None
        self._total, self._pages = page.total_records, _last_page(page, self.page_size)
        self._ended = self._is_last(index, page)
        self._short_page_size = len(page.items) if self._pages is None and len(page.items) < self.page_size else None
        if items:
            self._tries = 0
        elif skip:
            self._count_try()  # a whole page of old rows
        self._unread = iter(items)
        return self._unread

    def _check_probe(self, page: Page[T]) -> Iterator[T]:
        """Accept the row before the first page of a resumed walk: cheaper than its whole page."""
        self._probing = False
        if self._ids(page.items) == [self._recent.newest]:
            self._total = page.total_records  # what changed lies behind it, or made up for itself
        else:
            self._start_resync(max(1, self._next - 1))
        return iter(())

    def _resume(self, page: Page[T], ids: list[str]) -> Iterator[T]:
        """Accept the first page of a walk that is resumed within a page."""
        skip, tail = self._skip, self._start.tail
        before = tuple(ids[:skip])
        if len(before) == skip and before[-len(tail) :] == tail[-len(before) :]:
            return self._emit(page, ids, self._next, (self._next - 1) * self.page_size, skip)
        return self._accept_while_resyncing(self._start_resync(self._next), page, ids)

    def _is_last(self, index: int, page: Page[T]) -> bool:
        last = _last_page(page, self.page_size)
        # Without totals the end is an empty page: a short one may only have been cut.
        return not page.items or (last is not None and index >= last)

    # Finding the place again

    def _start_resync(self, page: int) -> Resync[T]:
        self._count_try()
        self.generation += 1
        self._skip, self._suspect_page = 0, None
        self._resync = Resync(page)
        return self._resync

    def _count_try(self) -> None:
        self._tries += 1
        if self._tries > _TRIES:
            raise self._shifted_error("the list changes faster than it can be read")

    def _accept_while_resyncing(self, resync: Resync[T], page: Page[T], ids: list[str]) -> Iterator[T]:
        """Accept a page that was read to find the place."""
        if resync.pages and page.total_records != resync.total:
            resync = self._start_resync(resync.page)  # moved again: start over with this page
        last = _last_page(page, self.page_size)
        if not ids and last is not None and 1 <= last < resync.page:
            resync.page = last  # far after the end
            return iter(())
        resync.take(page, ids)
        names = resync.ids()
        at = self._recent.last_known(names)
        high, newest_page, _ = resync.pages[-1]
        at_end = self._is_last(high, newest_page)
        if at < 0:
            return self._widen(resync, at_end=at_end)
        if at == len(names) - 1 and names[at] != self._recent.newest and not at_end:
            resync.page = high + 1  # all of these are old: what was handed out last has moved on
            resync.pages = resync.pages[-1:]
            return iter(())
        return self._resynced(resync, at + 1)

    def _widen(self, resync: Resync[T], *, at_end: bool) -> Iterator[T]:
        """Look on both sides: no page that was read holds a row that was handed out."""
        low, high = resync.pages[0][0], resync.pages[-1][0]
        if low == 1 and at_end:
            if self._recent.complete:
                return self._resynced(resync, 0)  # all that was handed out is gone, so all that is there is new
            raise self._shifted_error("none of the rows handed out last is there any more")
        if len(resync.pages) >= _PAGES_SOUGHT:
            raise self._shifted_error(f"none of the rows handed out last is on {_PAGES_SOUGHT} pages around it")
        grown = self._total is not None and resync.total is not None and resync.total > self._total
        turn_back = len(resync.pages) % 2 != grown
        resync.page = low - 1 if low > 1 and (turn_back or at_end) else high + 1
        return iter(())

    def _resynced(self, resync: Resync[T], skip: int) -> Iterator[T]:
        """Continue after the first `skip` rows of the pages that were read."""
        if len(resync.pages) > 1 and len(set(resync.ids())) < len(resync.ids()):
            self._start_resync(resync.pages[-1][0])  # moved between these pages, though the total is the same
            return iter(())
        low, (high, last, _) = resync.pages[0][0], resync.pages[-1]
        items = tuple(item for _, page, _ in resync.pages for item in page.items)
        names = resync.ids()
        suspect, self._resync = self._suspect_page, None
        self._may_have_shifted = self._may_have_shifted or names != self._recent.newest_chunk
        whole = Page(high, last.total_pages, last.total_records, items)
        found = self._emit(whole, names, high, (low - 1) * self.page_size, skip)
        self._suspect_page = suspect  # the next page, if it comes the same again
        return found

    def _shifted_error(self, why: str) -> PageShiftedError:
        return PageShiftedError(
            f"rows came or went while the list was read, and the place could not be found again: {why}. "
            "Resume from .checkpoint when it is quieter, or start over",
            checkpoint=self.checkpoint,
        )

    # A server that keeps to other sizes

    def _use_smaller_pages(self, size: int, position: int) -> Iterator[T]:
        """Continue at a row with smaller pages: where a server caps the rows it returns but not those it skips, the rest is lost."""
        if size == 0:
            raise PagingError("the server answers an empty page before the end")
        self.page_size = size
        self.generation += 1
        self._seen.clear()
        self._short_page_size, self._next, self._skip = None, position // size + 1, position % size
        self._first, self._given = position, 0
        if self._rows:
            self._start_resync(self._next)
        return iter(())

    # A server that contradicts itself

    def _check_answer(self, index: int, size: int, page: Page[T]) -> None:
        if page.index is not None and page.index != index:
            raise PagingError(f"asked for page {index}, the server answered page {page.index}")
        if len(page.items) > size:
            raise PagingError(
                f"asked for {size} rows a page, the server answered {len(page.items)}: "
                "it ignores paging, as it does where a filter or sort names what it does not know"
            )

    def _check_repeats(self, index: int, ids: list[str]) -> None:
        if not ids:
            return
        content = hash(tuple(ids))
        before = self._seen.setdefault(content, index)
        if before != index:
            raise PagingError(f"page {index} holds the same rows as page {before}: the server repeats itself")
        if len(self._seen) > _PAGES_REMEMBERED:
            del self._seen[next(iter(self._seen))]
