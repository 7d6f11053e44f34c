"""Build paginators: filters and sorts are checked before a request is sent, and rows are checked against the filter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias, TypeVar

from attrs import frozen

from campaigns_async._engine.caller import Caller
from campaigns_async._listing.prefetch import Source
from campaigns_async.checks import check_int
from campaigns_async.errors import FilterIgnoredError, InvalidArgumentError
from campaigns_async.models import Campaign, Contact
from campaigns_async.paging import Paginator, digest, validate_checkpoint
from campaigns_async.query._conditions import Expression, Raw, Sort
from campaigns_async.query._parse import compile_filter, compile_sorts
from campaigns_async.values import Checkpoint, Delivery, Page
from campaigns_async.wire.messages import Request, Response

M = TypeVar("M", Campaign, Contact)

Filters: TypeAlias = Expression | Raw | str | None
Sorts: TypeAlias = Sort | Raw | str | Iterable[Sort | str] | None


class PageRequest(Protocol):
    """Build the request for one page."""

    def __call__(self, *, page: int, page_size: int, filters: str | None, sorts: str | None) -> Request:
        """Return the request."""
        ...


@frozen
class PaginatorFactory:
    """The paginators of one client."""

    caller: Caller
    page_size: int

    def paginator(
        self,
        name: str,
        path: str,
        model: type[M],
        request: PageRequest,
        read: Callable[[Response], Page[M]],
        filters: Filters = None,
        sorts: Sorts = None,
        page_size: int | None = None,
        prefetch: int = 0,
        resume_from: Checkpoint | None = None,
        check_filters: bool = False,
    ) -> Paginator[M]:
        """Return a paginator over the rows of a model.

        `name` says what is listed, so that a checkpoint of another listing is refused; `path` where, for errors.
        `request` builds the request for a page, and `read` reads the response. The arguments from `filters` on are
        those of `campaigns.list`, in its order.

        Raises:
            QueryError: If the server would not understand the filters or sorts.
            InvalidArgumentError: If another argument cannot be right.
        """
        where, order = compile_filter(filters, model), compile_sorts(sorts, model)
        if page_size is not None:
            check_int("page_size", page_size, ge=1, le=1_000_000, error=InvalidArgumentError)
        check_int("prefetch", prefetch, ge=0, le=1000, error=InvalidArgumentError)
        start = validate_checkpoint(resume_from, digest(name, where.text, order), page_size, self.page_size)
        contradicts = where.contradicts if check_filters else None

        async def fetch(page: int, size: int) -> Page[M]:
            found = await self.caller.run(request(page=page, page_size=size, filters=where.text, sorts=order), read)
            if contradicts is not None:
                _check_rows(found, contradicts, path)
            return found

        return Paginator(Source(fetch, _ids, path), start, prefetch=prefetch)


def _ids(rows: Sequence[Campaign | Contact]) -> list[str]:
    return [row.id for row in rows]


def _check_rows(page: Page[M], contradicts: Callable[[M], bool], path: str) -> None:
    for number, row in enumerate(page.items, 1):
        if contradicts(row):
            raise FilterIgnoredError(
                f"row {number} of page {page.index} plainly contradicts the filter: the server has ignored it, and "
                "answers with rows that were not asked for. Trust none of them",
                hint="check_filters=False lets such rows through",
            ).attach(method="GET", path=path, attempts=1, elapsed=0.0, delivery=Delivery.DONE)
