"""Decide which page to request next, and which of its rows are new. No I/O, no tasks.

Numbered pages shift when rows are inserted or deleted while a listing is read. The window advances page by page while
the server's total stays the same and no page overlaps the rows before it. At the first sign of a shift it resyncs: it
reads neighbouring pages, all with the same total, until one contains a row that was handed out, and continues after
the last such row.

A shift is detected only by a changed total or by an overlap in a page that arrives. It stays undetected if an insert
and a delete fall between the same two reads, or if only a cancelled request has seen the change.
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

_REMEMBERED_IDS = 512  # the minimum; three pages if those have more rows
_REMEMBERED_PAGES = 1024
_CHECKPOINT_IDS = 48
_MAX_TRIES = 20  # successive resyncs without a new row
_MAX_RESYNC_PAGES = 64


class RecentIds:
    """The ids of the rows that were handed out last, in chunks as they were added.

    Attributes:
        complete: True if no id was dropped.
    """

    def __init__(self, ids: Sequence[str], least: int, *, complete: bool) -> None:
        self.complete: bool = complete
        self._least = least
        self._chunks: deque[list[str]] = deque()
        self._known: set[str] = set()
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

    def add(self, ids: list[str]) -> None:
        """Add the ids of later rows, and drop the oldest chunks as long as `least` ids remain."""
        if not ids:
            return
        self._chunks.append(ids)
        self._known.update(ids)
        self._count += len(ids)
        while self._count - len(self._chunks[0]) >= self._least:
            oldest = self._chunks.popleft()
            self._known.difference_update(oldest)
            self._count -= len(oldest)
            self.complete = False

    def is_disjoint(self, ids: list[str]) -> bool:
        """Return True if none of the ids is remembered."""
        return self._known.isdisjoint(ids)

    def find_last(self, ids: Sequence[str]) -> int:
        """Return the highest index of a remembered id in `ids`, or -1."""
        return next((at for at in range(len(ids) - 1, -1, -1) if ids[at] in self._known), -1)

    def take_last(self, count: int, before: int = 0) -> tuple[str, ...]:
        """Return the last `count` ids, without the very last `before` ones."""
        ids: list[str] = []
        for chunk in reversed(self._chunks):
            ids[:0] = chunk
            if len(ids) >= count + before:
                break
        end = len(ids) - before
        return tuple(ids[max(0, end - count) : max(0, end)])


def _is_capped(page: Page[T], index: int, size: int) -> bool:
    """Return True if the page is shorter than requested although rows follow it."""
    if len(page.items) >= size:
        return False
    if page.total_records is not None and (index - 1) * size + len(page.items) < page.total_records:
        return True
    return page.total_pages is not None and bool(page.items) and index < page.total_pages


def _last_page(page: Page[T], size: int) -> int | None:
    """Return the number of the last page, or None if the server reports no totals."""
    if page.total_records is not None:
        return -(-page.total_records // size)
    return page.total_pages


class Resync(Generic[T]):
    """A run of neighbouring pages, all read with the same total.

    Attributes:
        next_page: The number of the page to read next.
        total: The total that the pages report.
        pages: The pages in order: number, page, ids of its rows.
    """

    def __init__(self, next_page: int) -> None:
        self.next_page = next_page
        self.total: int | None = None
        self.pages: list[tuple[int, Page[T], list[str]]] = []

    @property
    def ids(self) -> list[str]:
        """The ids of all rows of the run."""
        return [row_id for _, _, ids in self.pages for row_id in ids]

    def add(self, page: Page[T], ids: list[str]) -> None:
        """Add the page at `next_page` to either end of the run."""
        self.total = page.total_records
        entry = (self.next_page, page, ids)
        if self.pages and self.next_page < self.pages[0][0]:
            self.pages.insert(0, entry)
        else:
            self.pages.append(entry)


class Window(Generic[T]):
    """The state of one iteration over a listing, from a checkpoint on.

    Attributes:
        page_size: Rows to request per page. Shrinks if the server returns fewer.
        generation: A number that changes when prefetched pages become useless.
    """

    def __init__(self, start: Checkpoint, ids: Callable[[Sequence[T]], list[str]]) -> None:
        self.page_size: int = start.page_size
        self.generation: int = 0
        self._start = start
        self._ids = ids
        self._next = start.page
        self._skip = start.offset
        self._total = start.total
        self._page_count: int | None = None  # None if the server reports no totals
        self._recent = RecentIds(
            start.tail, max(_REMEMBERED_IDS, 3 * start.page_size), complete=start.rows <= len(start.tail)
        )
        self._rows = start.rows  # number of rows emitted; the last of them may be unread
        self._first = (start.page - 1) * start.page_size + start.offset  # position of the rows emitted last, from 0
        self._emitted = 0  # number of the rows emitted last
        self._unread: Iterator[T] = iter(())
        # True until a request has shown that the row handed out last is still in its place.
        self._is_probing = start.rows > 0 and start.offset == 0
        self._ended = False
        # The length of the last page, if it is shorter than requested and may not be the end of the listing.
        self._short_page_size: int | None = None
        self._resync: Resync[T] | None = None
        self._tries = 0
        self._may_have_shifted = start.rows > 0  # True if rows may have moved since the remembered rows were handed out
        self._suspect_page: list[str] | None = None  # ids of a page that overlapped the rows before it
        self._seen: dict[int, int] = {}  # numbers of the latest pages by digest, to detect a server that repeats pages

    @property
    def checkpoint(self) -> Checkpoint:
        """The position after the last row that was handed out."""
        unread = length_hint(self._unread)
        position = self._find_position(unread)
        return Checkpoint(
            listing=self._start.listing,
            page_size=self.page_size,
            page=position // self.page_size + 1,
            offset=position % self.page_size,
            rows=self._rows - unread,
            total=self._total,
            tail=self._recent.take_last(_CHECKPOINT_IDS, before=unread),
        )

    def _find_position(self, unread: int) -> int:
        if unread or not self._emitted:
            return self._first + self._emitted - unread  # within the rows emitted last
        return (self._next - 1) * self.page_size  # at the start of the next page

    def next_request(self) -> tuple[int, int] | None:
        """Return the page number and page size to request now, or None at the end."""
        if self._resync is not None:
            return self._resync.next_page, self.page_size
        if self._is_probing:
            return self._first, 1
        return None if self._ended else (self._next, self.page_size)

    def prefetchable(self, pages: int) -> range:
        """Return up to `pages` page numbers, from the next one on, that are known to exist; none during a resync."""
        if self._ended or self._is_probing or self._resync is not None or self._page_count is None:
            return range(0)
        return range(self._next, min(self._next + pages, self._page_count + 1))

    def observe(self, page: Page[T]) -> None:
        """Compare a prefetched page's total with the last one; a difference means that the listing has shifted."""
        if self._resync is None and self._rows and page.total_records != self._total:
            self._start_resync(max(1, self._next - 1))

    def accept(self, page: Page[T], *, fresh: bool = True) -> Iterator[T]:
        """Accept the response to the latest `next_request`.

        Args:
            page: The page.
            fresh: True if no other page was requested after this one.

        Returns:
            The rows that are new. A row counts as handed out when it is taken from this iterator.

        Raises:
            PagingError: If the server repeats a page, or returns another page or more rows than requested.
            PageShiftedError: If rows have moved and the position cannot be found again.
        """
        request = self.next_request()
        assert request is not None, "no page was requested"
        index, size = request
        self._check_response(index, size, page)
        if self._is_probing and self._resync is None:
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
            self._start_resync(max(1, index - 1))  # this page may be older than the shift: request it again
            return iter(())
        first = (index - 1) * self.page_size
        if self._recent.is_disjoint(ids) or (ids == self._suspect_page and not self._may_have_shifted):
            self._check_repeats(index, ids)
            return self._emit(page, ids, index, first)
        if self._may_have_shifted:  # rows inserted before this page have pushed old rows into it
            return self._emit(page, ids, index, first, self._recent.find_last(ids) + 1)
        self._start_resync(max(1, index - 1))  # either a shift, or the server lists rows twice
        self._suspect_page = ids
        return iter(())

    # Without a shift

    def _emit(self, page: Page[T], ids: list[str], index: int, first: int, skip: int = 0) -> Iterator[T]:
        """Return the rows after the first `skip`, and advance to the page after `index`."""
        items, ids = (page.items[skip:], ids[skip:]) if skip else (page.items, ids)
        self._recent.add(ids)
        self._rows += len(items)
        self._first, self._emitted = first + skip, len(items)
        self._next, self._skip, self._suspect_page = index + 1, 0, None
        self._total, self._page_count = page.total_records, _last_page(page, self.page_size)
        self._ended = self._is_last(index, page)
        self._short_page_size = (
            len(page.items) if self._page_count is None and len(page.items) < self.page_size else None
        )
        if items:
            self._tries = 0
        elif skip:
            self._count_try()  # all rows of the page are old
        self._unread = iter(items)
        return self._unread

    def _check_probe(self, page: Page[T]) -> Iterator[T]:
        """Accept the row before the first page of a resumed iteration, requested alone because a page costs more."""
        self._is_probing = False
        if self._ids(page.items) == [self._recent.newest]:
            self._total = page.total_records  # the changes are after this row, or cancel out
        else:
            self._start_resync(max(1, self._next - 1))
        return iter(())

    def _resume(self, page: Page[T], ids: list[str]) -> Iterator[T]:
        """Accept the first page of an iteration that is resumed within a page."""
        skip, tail = self._skip, self._start.tail
        before = tuple(ids[:skip])
        if len(before) == skip and before[-len(tail) :] == tail[-len(before) :]:
            return self._emit(page, ids, self._next, (self._next - 1) * self.page_size, skip)
        return self._accept_while_resyncing(self._start_resync(self._next), page, ids)

    def _is_last(self, index: int, page: Page[T]) -> bool:
        last = _last_page(page, self.page_size)
        # Without totals only an empty page is the end: the server may have capped a short one.
        return not page.items or (last is not None and index >= last)

    # Resyncing after a shift

    def _start_resync(self, page: int) -> Resync[T]:
        self._count_try()
        self.generation += 1
        self._skip, self._suspect_page = 0, None
        self._resync = Resync(page)
        return self._resync

    def _count_try(self) -> None:
        self._tries += 1
        if self._tries > _MAX_TRIES:
            raise self._shift_error("the list changes faster than it can be read")

    def _accept_while_resyncing(self, resync: Resync[T], page: Page[T], ids: list[str]) -> Iterator[T]:
        """Accept a page that was read to find the position."""
        if resync.pages and page.total_records != resync.total:
            resync = self._start_resync(resync.next_page)  # shifted again: start over with this page
        last = _last_page(page, self.page_size)
        if not ids and last is not None and 1 <= last < resync.next_page:
            resync.next_page = last  # the listing has become shorter
            return iter(())
        resync.add(page, ids)
        run_ids = resync.ids
        at = self._recent.find_last(run_ids)
        high, newest_page, _ = resync.pages[-1]
        at_end = self._is_last(high, newest_page)
        if at < 0:
            return self._widen(resync, at_end=at_end)
        if at == len(run_ids) - 1 and run_ids[at] != self._recent.newest and not at_end:
            resync.next_page = high + 1  # all rows are old, and the row handed out last has moved to a later page
            resync.pages = resync.pages[-1:]
            return iter(())
        return self._finish_resync(resync, at + 1)

    def _widen(self, resync: Resync[T], *, at_end: bool) -> Iterator[T]:
        """Extend the run to a page before or after it, because none of its pages contains a row that was handed out."""
        low, high = resync.pages[0][0], resync.pages[-1][0]
        if low == 1 and at_end:
            if self._recent.complete:
                return self._finish_resync(
                    resync, 0
                )  # all rows that were handed out have been deleted, so these rows are new
            raise self._shift_error("none of the rows handed out last is in the list any more")
        if len(resync.pages) >= _MAX_RESYNC_PAGES:
            raise self._shift_error(f"none of the rows handed out last is on {_MAX_RESYNC_PAGES} pages around it")
        has_grown = self._total is not None and resync.total is not None and resync.total > self._total
        turn_back = len(resync.pages) % 2 != has_grown
        resync.next_page = low - 1 if low > 1 and (turn_back or at_end) else high + 1
        return iter(())

    def _finish_resync(self, resync: Resync[T], skip: int) -> Iterator[T]:
        """Continue after the first `skip` rows of the run."""
        ids = resync.ids
        if len(resync.pages) > 1 and len(set(ids)) < len(ids):
            self._start_resync(resync.pages[-1][0])  # shifted between these pages, though the total is the same
            return iter(())
        low, (high, last, _) = resync.pages[0][0], resync.pages[-1]
        items = tuple(item for _, page, _ in resync.pages for item in page.items)
        suspect, self._resync = self._suspect_page, None
        self._may_have_shifted = self._may_have_shifted or ids != self._recent.newest_chunk
        merged = Page(high, last.total_pages, last.total_records, items)
        rows = self._emit(merged, ids, high, (low - 1) * self.page_size, skip)
        self._suspect_page = suspect  # a page that the next request returns unchanged is accepted
        return rows

    def _shift_error(self, why: str) -> PageShiftedError:
        return PageShiftedError(
            f"rows were inserted or deleted while the list was read, and the position was not found again: {why}. "
            "Resume from .checkpoint when fewer rows change, or start over",
            checkpoint=self.checkpoint,
        )

    # Servers that cap the page size

    def _use_smaller_pages(self, size: int, position: int) -> Iterator[T]:
        """Continue at the row `position` with pages of the size that the server returns.

        A server may cap the rows it returns, but not the rows it skips. Without smaller pages, rows between pages would be
        lost.
        """
        if size == 0:
            raise PagingError("the server returned an empty page before the end")
        self.page_size = size
        self.generation += 1
        self._seen.clear()
        self._short_page_size, self._next, self._skip = None, position // size + 1, position % size
        self._first, self._emitted = position, 0
        if self._rows:
            self._start_resync(self._next)
        return iter(())

    # Servers that ignore paging

    def _check_response(self, index: int, size: int, page: Page[T]) -> None:
        if page.index is not None and page.index != index:
            raise PagingError(f"requested page {index}, the server returned page {page.index}")
        if len(page.items) > size:
            raise PagingError(
                f"requested {size} rows, the server returned {len(page.items)}: "
                "it ignores paging, as servers do if a filter or sort names an unknown field"
            )

    def _check_repeats(self, index: int, ids: list[str]) -> None:
        if not ids:
            return
        before = self._seen.setdefault(hash(tuple(ids)), index)
        if before != index:
            raise PagingError(f"page {index} has the same rows as page {before}: the server ignores the page number")
        if len(self._seen) > _REMEMBERED_PAGES:
            del self._seen[next(iter(self._seen))]
