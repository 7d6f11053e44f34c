"""Lists that do not show what is there: late, cached, capped, or in no order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import msgspec
from attrs import define, evolve, field, frozen

from campaigns_async._http.request import Request
from campaigns_async.sandbox._operations import Answer
from campaigns_async.values import Operation

_KEPT_FOR: Final = 120.0
"""Seconds for which a cache answers with a page that it has seen, whatever the request says."""


@frozen
class ListFault:
    """What is wrong with the lists of a world.

    Attributes:
        kind: One of `kinds.LISTS`; None for right lists.
        lag: Seconds for which lists lack a new campaign, or its contacts.
        cap: The highest total that is told; the most rows of a page.
    """

    kind: str | None = None
    lag: float = 0.0
    cap: int = 1


RIGHT_LISTS: Final = ListFault()


@define(eq=False)
class Lists:
    """The answers to requests for lists.

    Attributes:
        fault: What is wrong with them.
        now: Returns the time of the loop.
        counts: Counts how often each kind changed an answer.
    """

    fault: ListFault
    now: Callable[[], float]
    counts: Counter[str]
    _kept: dict[tuple[str, str], tuple[float, Answer]] = field(factory=dict)
    _made_at: dict[str, float] = field(factory=dict)

    @property
    def lag(self) -> float:
        """Seconds for which lists lack a new campaign."""
        return self.fault.lag if self.fault.kind == "lagging lists" else 0.0

    def note_made(self, campaign_id: str) -> None:
        """Note that a campaign was made now."""
        self._made_at[campaign_id] = self.now()
        if self.lag:
            self.counts["lagging lists"] += 1

    def rewrite(self, request: Request) -> str:
        """Return the query that the server understands."""
        if self.fault.kind == "refused order" and "sorts=" in request.query:
            self.counts["refused order"] += 1
            return request.query.replace("sorts=", "sorts=no")
        return request.query

    def answer(self, request: Request, execute: Callable[[], Answer]) -> Answer:
        """Answer a request for a list."""
        if request.operation not in (Operation.LIST, Operation.CONTACTS):
            return execute()
        if self.fault.kind == "stale lists":
            return self._answer_from_cache(request, execute)
        answer = execute()
        if answer.status != 200 or self.fault.kind not in ("capped totals", "capped pages", "lagging contacts"):
            return answer
        pages = msgspec.json.decode(answer.body)
        page = pages[0] if isinstance(pages, list) else pages
        before = dict(page)
        if self.fault.kind == "capped totals":
            self._cap(page)
        elif request.operation is Operation.CONTACTS:
            self._drop_late(request, page)
        if page != before or (self.fault.kind == "capped pages" and len(page["items"]) < _count_wanted(page)):
            self.counts[self.fault.kind] += 1
        return evolve(answer, body=msgspec.json.encode(pages))

    def _answer_from_cache(self, request: Request, execute: Callable[[], Answer]) -> Answer:
        key, now = (request.path, request.query), self.now()
        at, answer = self._kept.get(key, (-math.inf, None))
        if answer is None or at < now - _KEPT_FOR:
            answer = execute()
            if answer.status == 200:
                self._kept[key] = now, answer
        else:
            self.counts["stale lists"] += 1
        return answer

    def _cap(self, page: dict[str, Any]) -> None:
        if page["totalRecords"] > self.fault.cap:
            size = _read_size(page)
            page["totalRecords"] = self.fault.cap
            page["totalPages"] = math.ceil(self.fault.cap / size)

    def _drop_late(self, request: Request, page: dict[str, Any]) -> None:
        """Leave out all but the first contact of a campaign that is new."""
        campaign_id = request.path.split("/")[-2]
        if self._made_at.get(campaign_id, -math.inf) > self.now() - self.fault.lag:
            first = page["items"][:1] if page["pageIndex"] == 1 else []
            page.update(items=first, totalRecords=min(page["totalRecords"], 1), totalPages=1)


def _read_size(page: dict[str, Any]) -> int:
    """Return the size of the pages, or a smaller one that gives as many."""
    return math.ceil(page["totalRecords"] / max(page["totalPages"], 1))


def _count_wanted(page: dict[str, Any]) -> int:
    """Return the number of rows that belong on a page."""
    size = _read_size(page)
    return max(0, min(size, page["totalRecords"] - size * (page["pageIndex"] - 1)))
