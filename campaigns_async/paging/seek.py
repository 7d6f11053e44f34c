"""Neighbouring pages, read one after the other to find a place again."""

from __future__ import annotations

from typing import Generic, TypeVar

from campaigns_async.values import Page

T = TypeVar("T")


def is_capped(page: Page[T], index: int, size: int) -> bool:
    """Whether a page is shorter than asked for, though there are rows behind it."""
    if len(page.items) >= size:
        return False
    if page.total_records is not None and (index - 1) * size + len(page.items) < page.total_records:
        return True
    return page.total_pages is not None and bool(page.items) and index < page.total_pages


def last_page(page: Page[T], size: int) -> int | None:
    """The number of the last page, as far as the server tells."""
    if page.total_records is not None:
        return -(-page.total_records // size)
    return page.total_pages


class Seek(Generic[T]):
    """A run of neighbouring pages, all read with the same total."""

    def __init__(self, page: int) -> None:
        self.page = page
        """The one to read next."""
        self.total: int | None = None
        self.pages: list[tuple[int, Page[T], list[str]]] = []

    def take(self, page: Page[T], ids: list[str]) -> None:
        """One more, at either end."""
        self.total = page.total_records
        read = (self.page, page, ids)
        if self.pages and self.page < self.pages[0][0]:
            self.pages.insert(0, read)
        else:
            self.pages.append(read)

    def names(self) -> list[str]:
        """The ids of all its rows."""
        return [name for _, _, ids in self.pages for name in ids]
