"""Which page comes next, and whether a page fits what came before. Pure: no I/O, no tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from attrs import evolve

from campaigns_async.errors import PagingError
from campaigns_async.paging.checkpoint import Checkpoint
from campaigns_async.values import Page

T = TypeVar("T")

_PAGES_REMEMBERED = 1024


class Window(Generic[T]):
    """The state of one walk, from a checkpoint on."""

    def __init__(self, start: Checkpoint, key: Callable[[T], str]) -> None:
        self.checkpoint = start
        self.page_size = start.page_size
        self._key = key
        self._next = start.page
        self._last: int | None = None
        """The last page there is, as far as was told."""
        self._ended = False
        self._seen: dict[int, int] = {}
        """Digests of the newest pages, so that a server that goes round in circles is noticed."""

    def next_page(self) -> int | None:
        """The page to read now; None at the end."""
        return None if self._ended else self._next

    def ahead(self, pages: int) -> Iterable[int]:
        """Pages that are known to be there, behind the one that was accepted last."""
        if self._ended or self._last is None:
            return ()
        return range(self._next, min(self._next + pages, self._last + 1))

    def accept(self, page: Page[T]) -> tuple[T, ...]:
        """Take the page that was asked for.

        Returns:
            Its rows that were not handed out yet.

        Raises:
            PagingError: The server repeats itself, answers another page, or goes on for ever.
        """
        index = self._next
        if page.index is not None and page.index != index:
            raise PagingError(f"asked for page {index}, the server answered page {page.index}")
        if len(page.items) > self.page_size:
            raise PagingError(f"asked for {self.page_size} rows a page, the server answered {len(page.items)}")
        self._check_new(index, page)
        skipped = self.checkpoint.offset if self.checkpoint.page == index else 0
        self._next = index + 1
        self._last = page.total_pages
        self._ended = self._is_last(index, page)
        return page.items[skipped:]

    def handed_out(self, rows: int, *, whole: bool) -> None:
        """Move the checkpoint behind so many rows of the page that was accepted last."""
        here = self.checkpoint
        page = self._next - 1
        if whole:
            self.checkpoint = evolve(here, page=page + 1, offset=0, rows=here.rows + rows)
        else:
            offset = (here.offset if here.page == page else 0) + rows
            self.checkpoint = evolve(here, page=page, offset=offset, rows=here.rows + rows)

    def _is_last(self, index: int, page: Page[T]) -> bool:
        if not page.items:
            return True
        if page.total_pages is not None:
            return index >= page.total_pages
        if page.total_records is not None:
            return index * self.page_size >= page.total_records
        return len(page.items) < self.page_size

    def _check_new(self, index: int, page: Page[T]) -> None:
        if not page.items:
            return
        content = hash(tuple(map(self._key, page.items)))
        before = self._seen.get(content)
        if before is not None and before != index:
            raise PagingError(f"page {index} holds the same rows as page {before}: the server repeats itself")
        self._seen[content] = index
        if len(self._seen) > _PAGES_REMEMBERED:
            del self._seen[next(iter(self._seen))]
