"""Pages as evidence: what a page's totals say of the pages after it, and runs of pages that hold the same total."""

from __future__ import annotations

from typing import Generic, TypeVar

from campaigns_async.models import Page

T = TypeVar("T")


def is_capped(page: Page[T], index: int, size: int) -> bool:
    """Return True if the page is shorter than requested although rows follow it."""
    if len(page.items) >= size:
        return False
    if page.total_records is not None and (index - 1) * size + len(page.items) < page.total_records:
        return True
    return page.total_pages is not None and bool(page.items) and index < page.total_pages


def find_last_page(page: Page[T], size: int, end: int = 0) -> int | None:
    """Return the number of the last page; None if the server reports no totals, or totals that contradict the rows.

    `size` is the number of rows per page, `end` that of rows up to the end of the page.
    """
    total = page.total_records
    if total is None:
        return page.total_pages
    last = -(-total // size)
    return None if end > total or page.total_pages not in {None, last} else last


class Resync(Generic[T]):
    """A run of neighbouring pages, all read with the same total."""

    def __init__(self, next_page: int) -> None:
        self.next_page = next_page  # the number of the page to read next
        self.total: int | None = None  # the total that the pages report
        self.pages: list[tuple[int, Page[T], list[str]]] = []  # the pages in order: number, page, ids of its rows

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
