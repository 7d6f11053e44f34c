"""Decide which page to request next, and which of its rows are new. No I/O, no tasks.

Numbered pages shift when rows are inserted or deleted while a listing is read. The window advances page by page while
the server's total stays the same and no page overlaps the rows before it. At the first sign of a shift it resyncs: it
reads neighbouring pages, all with the same total, until one contains a row that was handed out, and continues after
the last such row.

A shift is detected only by a changed total or by an overlap in a page that arrives. It stays undetected if an insert
and a delete fall between the same two reads, or if only a cancelled request has seen the change.

In an order that can change, rows also move. A row that moves to a later page pulls others to pages that were read, and
shows only where it is met again. So all ids are remembered, and after a shift the list is read again, until a reading
meets none: rows that were not handed out are handed out then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import length_hint
from typing import Final, Generic, TypeVar

from attrs import evolve, frozen

from campaigns_async._listing.remembered import RememberedIds
from campaigns_async._listing.resync import Resync, find_last_page, is_capped
from campaigns_async.errors import PageShiftedError, PagingError
from campaigns_async.models import Page
from campaigns_async.values import Checkpoint

T = TypeVar("T")

_REMEMBERED_IDS = 512  # the minimum; three pages if those have more rows
_REMEMBERED_TEXTS = 16_384  # the same in an order that can change; earlier ids are kept as digests
_REMEMBERED_PAGES = 1024
_CHECKPOINT_IDS = 48
_MAX_TRIES = 20  # successive resyncs without a new row
_MAX_RESYNC_PAGES = 64


@frozen
class Order:
    """The order of a listing, as far as it matters when rows are inserted, deleted or moved.

    Attributes:
        can_change: True if a row may move to another place. Without that, a row in front of the place is new.
    """

    is_by_id: bool = False  # True if rows are sorted by id first
    can_change: bool = False
    remember: int = 1_000_000  # the maximum number of ids that are remembered if rows may move


FIXED: Final = Order()


class Window(Generic[T]):
    """The state of one iteration over a listing, from a checkpoint on.

    Args:
        start: The checkpoint.
        ids: Returns the ids of rows.
        order: The order of the rows.
    """

    def __init__(self, start: Checkpoint, ids: Callable[[Sequence[T]], list[str]], order: Order = FIXED) -> None:
        self.page_size: int = start.page_size  # rows to request per page. Shrinks if the server returns fewer
        self.generation: int = 0  # a number that changes when prefetched pages become useless
        self._start = start
        self._ids = ids
        self._order = order
        self._next = start.page
        self._skip = start.offset
        self._total = start.total
        self._page_count: int | None = None  # None if the server reports no totals
        self._recent = self._remember(start.tail, complete=start.rows <= len(start.tail))
        self._handed_out = self._recent  # all rows, if `_recent` has those of another reading
        self._readings = 1
        self._must_reread = False  # True if rows in front may not have been handed out
        self._has_moved = False  # True if a row was met at two places
        self._before: Checkpoint | None = None  # the place before the list is read again
        self._rows = start.rows  # number of rows emitted; the last of them may be unread
        self._first = (start.page - 1) * start.page_size + start.offset  # position of the rows emitted last, from 0
        self._emitted = 0  # number of the rows emitted last
        self._unread: Iterator[T] = iter(())
        # True until a request has shown that the row handed out last is still in its place.
        self._is_probing = start.rows > 0 and start.offset == 0
        self._ended = False
        # The length of the last page, if it is shorter than requested and may not be the end of the listing.
        self._short_page_size: int | None = None
        self._gap: int | None = None  # an empty page before the end that the totals name
        self._resync: Resync[T] | None = None
        self._tries = 0
        self._may_have_shifted = start.rows > 0  # True if rows may have moved since the remembered rows were handed out
        self._suspect_page: list[str] | None = None  # ids of a page that overlapped the rows before it
        self._seen: dict[int, int] = {}  # numbers of the latest pages by digest, to detect a server that repeats pages

    @property
    def has_ended(self) -> bool:
        """True if all rows were returned."""
        return self._ended and not self._must_reread

    @property
    def checkpoint(self) -> Checkpoint:
        """The position after the last row that was handed out."""
        unread = length_hint(self._unread)
        if self._before is not None and (unread or not self.has_ended):
            rows = self._rows - unread
            return evolve(self._before, rows=rows, has_moved=self._has_moved or rows != self._before.rows)
        position = self._find_position(unread)
        return Checkpoint(
            listing=self._start.listing,
            page_size=self.page_size,
            page=position // self.page_size + 1,
            offset=position % self.page_size,
            rows=self._rows - unread,
            total=self._total,
            tail=self._recent.take_last(_CHECKPOINT_IDS, before=unread),
            has_moved=self._has_moved and not self.has_ended,
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
        if self._ended and self._must_reread:
            self._read_again()
        return None if self._ended else (self._next, self.page_size)

    def prefetchable(self, pages: int) -> range:
        """Return up to `pages` page numbers, from the next one on, that will be requested; none during a resync."""
        if self._ended or self._is_probing or self._resync is not None or self._page_count is None:
            return range(0)
        last = self._page_count + (self._total is not None and self._total % self.page_size == 0)
        return range(self._next, min(self._next + pages, last + 1))

    def observe(self, page: Page[T]) -> None:
        """Compare a prefetched page's total with the last one; a difference means that the listing has shifted."""
        if self._resync is None and self._recent.newest is not None and page.total_records != self._total:
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
        if self._gap is not None and self._resync is None:
            return self._check_gap(page, index)
        if is_capped(page, index, self.page_size) and (page.items or self._resync is None):
            if self._rows and not page.items:
                self._gap, self._next = index, index + 1
                return iter(())
            return self._use_smaller_pages(len(page.items), (index - 1) * self.page_size + self._skip)
        if self._short_page_size is not None and page.items:
            return self._use_smaller_pages(self._short_page_size, (index - 2) * self.page_size + self._short_page_size)
        ids = self._ids(page.items)
        if self._resync is not None:
            return self._accept_while_resyncing(self._resync, page, ids)
        return self._resume(page, ids) if self._skip else self._accept_next(page, ids, index, fresh=fresh)

    # Without a shift

    def _accept_next(self, page: Page[T], ids: list[str], index: int, *, fresh: bool) -> Iterator[T]:
        """Accept the page after the rows that were emitted last."""
        if self._recent.newest is not None and page.total_records != self._total:
            if fresh:
                return self._accept_while_resyncing(self._start_resync(index), page, ids)
            self._start_resync(max(1, index - 1))  # this page may be older than the shift: request it again
            return iter(())
        first, unique = (index - 1) * self.page_size, set(ids)
        if self._recent.is_disjoint(unique):
            self._check_repeats(index, ids)
            return self._emit(page, ids, index, None if len(unique) == len(ids) else self._recent.find_new(ids))
        if ids == self._suspect_page and not self._may_have_shifted:  # the server lists rows twice, or a row has moved
            self._check_repeats(index, ids)
            return self._emit(page, ids, index, self._find_new(ids, first, met_twice=True))
        if self._may_have_shifted:  # rows inserted before this page have pushed old rows into it
            return self._emit(page, ids, index, self._find_new(ids, first))
        self._start_resync(max(1, index - 1))  # either a shift, or the server lists rows twice
        self._suspect_page = ids
        return iter(())

    def _emit(
        self, page: Page[T], ids: list[str], index: int, at: Sequence[int] | None = None, *, low: int | None = None
    ) -> Iterator[T]:
        """Return the rows of the pages from `low` to `index` that are new, and advance to the next page.

        Args:
            page: The rows of these pages, and the totals of the last one.
            ids: The ids of the rows.
            index: The number of the last page.
            at: The indexes of the rows that this reading has not met; None for all.
            low: The number of the first page; None for `index`.
        """
        size, items = self.page_size, page.items
        end = ((low or index) - 1) * size + len(items)
        count = end - (index - 1) * size  # rows of the last page
        if at is not None:
            items, ids = tuple([items[place] for place in at]), [ids[place] for place in at]
        self._recent.add(ids)
        if ids:
            self._tries = 0
        elif at is not None:
            self._count_try()  # all rows of the page are old
        if self._handed_out is not self._recent:
            new = self._handed_out.find_new(ids)
            items = tuple([items[place] for place in new])
            self._handed_out.add([ids[place] for place in new])
        self._rows += len(items)
        self._first, self._emitted = end - len(items), len(items)
        self._next, self._skip, self._suspect_page = index + 1, 0, None
        self._total, self._page_count = page.total_records, find_last_page(page, size, end if count else 0)
        # A total does not end a list after a full page: it may be capped. Without totals that hold only an empty page
        # is the end: a short one may be capped.
        is_last = self._page_count is not None and index >= self._page_count
        self._ended = count == 0 or count > size or (is_last and count < size)
        self._short_page_size = count if self._page_count is None and 0 < count < size else None
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
            return self._emit(page, ids, self._next, range(skip, len(ids)))
        return self._accept_while_resyncing(self._start_resync(self._next), page, ids)

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
        last = find_last_page(page, self.page_size)
        if not ids and last is not None and 1 <= last < resync.next_page:
            resync.next_page = last  # the listing has become shorter
            return iter(())
        resync.add(page, ids)
        run_ids = resync.ids
        at = self._recent.find_last(run_ids)
        high, newest_page, _ = resync.pages[-1]
        last = find_last_page(newest_page, self.page_size)
        at_end = not newest_page.items or (last is not None and high >= last)
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
                # All rows that were handed out have been deleted, so these rows are new.
                return self._finish_resync(resync, 0)
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
        rows = self._emit(
            merged, ids, high, self._find_new(ids, (low - 1) * self.page_size, overlaps=suspect is not None), low=low
        )
        self._suspect_page = suspect  # a page that the next request returns unchanged is accepted
        return rows

    # Orders that can change

    def _remember(self, ids: Sequence[str], *, complete: bool) -> RememberedIds:
        if self._order.can_change:
            return RememberedIds(ids, _REMEMBERED_TEXTS, self._order.remember, complete=complete)
        return RememberedIds(ids, max(_REMEMBERED_IDS, 3 * self._start.page_size), complete=complete)

    def _find_new(self, ids: list[str], first: int, *, overlaps: bool = False, met_twice: bool = False) -> list[int]:
        """Return the indexes of the rows that this reading has not met, where it has met others of them.

        Args:
            ids: The ids of the rows.
            first: The position of the first of them.
            overlaps: True if rows were met again though the total was the same.
            met_twice: True if they were met again in the same place.
        """
        skip = self._recent.find_last(ids) + 1
        if not self._order.can_change:  # a row in front is new, and left out
            return self._recent.find_new(ids, 0 if met_twice else skip)
        new = self._recent.find_new(ids)
        is_last = ids[skip - 1 : skip] == [self._recent.newest]
        if self._handed_out.complete:
            is_in_place = is_last and skip == self._first + self._emitted - first
            # A second reading need not be read again because of rows that came or went: some accounts never rest.
            self._must_reread |= overlaps or met_twice or (self._readings == 1 and not is_in_place)
            self._has_moved = self._has_moved or met_twice
            return new
        known = next((at for at in range(skip) if ids[at] in self._recent), skip)
        if overlaps or met_twice or not is_last or any(known < at < skip for at in new):
            self._has_moved = True
            raise self._shift_error("a row has moved, and not all ids since the start are remembered")
        return [at for at in new if at >= skip]

    def _read_again(self) -> None:
        """Start to read the list once more, for rows in front of the place that were not handed out."""
        self._readings += 1
        if self._readings > _MAX_TRIES:
            raise self._shift_error("the list changes faster than it can be read")
        self._before = self.checkpoint
        self._recent = self._remember((), complete=True)
        self._next, self._first, self._emitted = 1, 0, 0
        self._ended = self._must_reread = self._may_have_shifted = False
        self._short_page_size = self._gap = None
        self._seen.clear()
        self.generation += 1

    def _shift_error(self, why: str) -> PageShiftedError:
        return PageShiftedError(
            f"rows were inserted or deleted while the list was read, and the position was not found again: {why}. "
            'Resume from .checkpoint when fewer rows change, or start over; sorts="id" is the safest order',
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
        if self._recent.newest is not None:
            self._start_resync(self._next)
        return iter(())

    def _check_gap(self, page: Page[T], index: int) -> Iterator[T]:
        """Accept the page after an empty one: another empty one is the end, whatever the totals say."""
        if page.items:
            raise PagingError("the server returned an empty page before the end")
        return self._emit(page, [], index)

    # Servers that ignore paging

    def _check_response(self, index: int, size: int, page: Page[T]) -> None:
        if page.index is not None and page.index != index:
            raise PagingError(f"requested page {index}, the server returned page {page.index}")
        if len(page.items) > size and not (
            self._order.is_by_id and index == 1 and len(page.items) == page.total_records
        ):  # a server that refuses an order answers with the whole list
            raise PagingError(
                f"requested {size} rows, the server returned {len(page.items)}: "
                "it ignores paging, as servers do if a filter or sort names an unknown field"
            )

    def _check_repeats(self, index: int, ids: list[str]) -> None:
        if not ids or (len(ids) == 1 and self._order.can_change):  # one row may have moved
            return
        before = self._seen.setdefault(hash(tuple(ids)), index)
        if before != index:
            raise PagingError(f"page {index} has the same rows as page {before}: the server ignores the page number")
        if len(self._seen) > _REMEMBERED_PAGES:
            del self._seen[next(iter(self._seen))]
