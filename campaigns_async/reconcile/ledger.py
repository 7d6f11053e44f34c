"""What a client knows of campaigns: ids it has seen or been given, and creates that are under way.

Ids are kept as 64-bit digests in arrays: eight bytes each, so that a job of millions stays small.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import datetime
from typing import TypeAlias

from campaigns_async.models import NewCampaign

_REMEMBERED = 2_000_000
"""Ids; half of them are forgotten when there are so many."""

Content: TypeAlias = tuple[datetime, str, str]


class Ids:
    """Ids in the order in which they became known."""

    def __init__(self) -> None:
        self._digests = array("q")
        self._forgotten = 0

    def add(self, campaign_ids: Iterable[str]) -> None:
        """These became known now."""
        self._digests.extend(map(hash, campaign_ids))
        if len(self._digests) > _REMEMBERED:
            self._forgotten += _REMEMBERED // 2
            del self._digests[: _REMEMBERED // 2]

    def mark(self) -> int:
        """This moment."""
        return self._forgotten + len(self._digests)

    def knew(self, campaign_id: str, before: int | None = None) -> bool:
        """Whether an id is known; or was, at an earlier moment."""
        end = len(self._digests) if before is None else max(0, before - self._forgotten)
        try:
            self._digests.index(hash(campaign_id), 0, end)
        except ValueError:
            return False
        return True


class Ledger:
    """Shared by all calls of a client."""

    def __init__(self) -> None:
        self.seen = Ids()
        """Read from the server, for whatever reason."""
        self._claimed = Ids()
        self._under_way: Counter[Content] = Counter()

    def claim(self, campaign_id: str) -> None:
        """A create was given this id, or found it to be its own: nobody else's create can be this one."""
        self._claimed.add((campaign_id,))

    def is_claimed(self, campaign_id: str) -> bool:
        """Whether a create of this client is this one."""
        return self._claimed.knew(campaign_id)

    @contextmanager
    def under_way(self, new: NewCampaign) -> Generator[None]:
        """A create of this content is being sent."""
        content = _content(new)
        self._under_way[content] += 1
        try:
            yield
        finally:
            self._under_way[content] -= 1
            if not self._under_way[content]:
                del self._under_way[content]

    def has_twin_under_way(self, new: NewCampaign) -> bool:
        """Whether the same text is being sent at the same time by another create, whose id is not known yet."""
        return self._under_way[_content(new)] > 0


def _content(new: NewCampaign) -> Content:
    return new.start_date_time, new.sender, new.message
