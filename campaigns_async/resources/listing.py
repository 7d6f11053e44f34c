"""Makes paginators: what is asked for is checked before anything is sent, and what comes is held against it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias, TypeVar

from attrs import frozen

from campaigns_async import checks
from campaigns_async._engine.caller import Caller
from campaigns_async.errors import ConfigurationError, FilterIgnoredError, InvalidArgumentError
from campaigns_async.models import Campaign, Contact
from campaigns_async.paging.checkpoint import checked, digest
from campaigns_async.paging.pages import Source
from campaigns_async.paging.paginator import Paginator
from campaigns_async.query.expression import Expression, Raw, Sort
from campaigns_async.query.prepare import prepared, prepared_sorts
from campaigns_async.values import Checkpoint, Delivery, Page
from campaigns_async.wire.messages import Request, Response

M = TypeVar("M", Campaign, Contact)

Filters: TypeAlias = Expression | Raw | str | None
Sorts: TypeAlias = Sort | Raw | str | Iterable[Sort | str] | None


class PageRequest(Protocol):
    """Makes the request for one page."""

    def __call__(self, *, page: int, page_size: int, filters: str | None, sorts: str | None) -> Request:
        """The request."""
        ...


@frozen
class Lister:
    """Makes the paginators of a resource."""

    caller: Caller
    page_size: int

    def paginator(
        self,
        name: str,
        model: type[M],
        request: PageRequest,
        read: Callable[[Response], Page[M]],
        *,
        filters: Filters = None,
        sorts: Sorts = None,
        page_size: int | None = None,
        prefetch: int = 0,
        resume_from: Checkpoint | None = None,
        check_filters: bool = False,
    ) -> Paginator[M]:
        """A paginator over what `name` names.

        Raises:
            QueryError: The server would not understand the filters or sorts.
            InvalidArgumentError: Another argument cannot be right.
        """
        where, order = prepared(filters, model), prepared_sorts(sorts, model)
        if page_size is not None:
            page_size = _whole("page_size", page_size, 1, 1_000_000)
        start = checked(resume_from, digest(name, where.text, order), page_size, self.page_size)
        contradicts = where.contradicts if check_filters else None

        async def fetch(page: int, size: int) -> Page[M]:
            asked = request(page=page, page_size=size, filters=where.text, sorts=order)
            found = await self.caller.run(asked, read)
            if contradicts is not None:
                _hold_against(found, contradicts, asked.path)
            return found

        path = request(page=1, page_size=1, filters=None, sorts=None).path
        return Paginator(Source(fetch, _ids, path), start, prefetch=_whole("prefetch", prefetch, 0, 1000))


def _ids(rows: Sequence[Campaign | Contact]) -> list[str]:
    return [row.id for row in rows]


def _hold_against(page: Page[M], contradicts: Callable[[M], bool], path: str) -> None:
    for number, row in enumerate(page.items, 1):
        if contradicts(row):
            raise FilterIgnoredError(
                f"row {number} of page {page.index} plainly contradicts the filter: the server has ignored it, and "
                "answers with rows that were not asked for. Trust none of them; check_filters=False lets them through"
            ).attach(method="GET", path=path, attempts=1, elapsed=0.0, delivery=Delivery.DONE)


def _whole(name: str, value: object, least: int, most: int) -> int:
    try:
        return checks.whole(name, value, least=least, most=most)
    except ConfigurationError as error:
        message = error.message
    raise InvalidArgumentError(message)
