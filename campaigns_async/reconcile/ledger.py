"""What a client knows of campaigns: ids it has seen or been given, and creates that are under way.

Ids are kept as 64-bit digests in arrays: eight bytes each, so that a job of millions stays small.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeAlias

from campaigns_async.models import NewCampaign

Content: TypeAlias = NewCampaign | Callable[[], NewCampaign]
"""A campaign, or a function that returns it: called only if the campaign is compared with another one."""
Text: TypeAlias = tuple[datetime, str, str]


class Ids:
    """Ids in the order in which they became known; the newest `limit` of them, at least.

    The index is made when it is first asked: who never reconciles pays eight bytes an id.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._most = 2 * limit
        self._digests = array("q")
        self._forgotten = 0
        self._first: dict[int, int] = {}
        self._indexed = 0

    def add(self, campaign_ids: Iterable[str]) -> None:
        """These became known now."""
        self._digests.fromlist(list(map(hash, campaign_ids)))  # a third less than to extend it
        if len(self._digests) > self._most:
            self._forget()

    def add_one(self, campaign_id: str) -> None:
        """As `add`, for less."""
        self._digests.append(hash(campaign_id))
        if len(self._digests) > self._most:
            self._forget()

    def _forget(self) -> None:
        half = len(self._digests) - self._limit
        self._forgotten += half
        del self._digests[:half]
        self._first.clear()
        self._indexed = 0

    def mark(self) -> int:
        """This moment."""
        return self._forgotten + len(self._digests)

    def knew(self, campaign_id: str, before: int | None = None) -> bool:
        """Whether an id is known; or was, at an earlier moment."""
        for place in range(self._indexed, len(self._digests)):
            self._first.setdefault(self._digests[place], self._forgotten + place)
        self._indexed = len(self._digests)
        first = self._first.get(hash(campaign_id))
        return first is not None and (before is None or first < before)


class Ledger:
    """Shared by all calls of a client."""

    def __init__(self, remember: int) -> None:
        self.seen: Ids = Ids(remember)
        """Read from the server, for whatever reason."""
        self._claimed = Ids(remember)
        self._left_in_doubt: set[int] = set()
        self._begun = 0
        self._under_way: dict[int, Content] = {}

    def claim(self, campaign_id: str) -> None:
        """A create was given this id, or found it to be its own: nobody else's create can be this one."""
        self._claimed.add_one(campaign_id)

    def is_claimed(self, campaign_id: str) -> bool:
        """Whether a create of this client is this one."""
        return self._claimed.knew(campaign_id)

    def begin(self, new: Content) -> int:
        """A create is being sent; gives its number, for `end`."""
        self._begun = number = self._begun + 1
        self._under_way[number] = new
        return number

    def end(self, number: int) -> None:
        """The create of this number is no longer being sent."""
        del self._under_way[number]

    def leave_in_doubt(self, new: Content) -> None:
        """A create of this content has ended, and which campaign it made, if any, is not known."""
        self._left_in_doubt.add(_digest(new))

    def has_twin_in_doubt(self, new: NewCampaign) -> bool:
        """Whether another create of the same content to the same people was left in doubt: what is found may be its."""
        return bool(self._left_in_doubt) and _digest(new) in self._left_in_doubt

    def has_twin_under_way(self, new: NewCampaign) -> bool:
        """Whether the same text is being sent at the same time by another create, whose id is not known yet."""
        text = _text(new)
        return any(_text(other) == text for other in self._under_way.values())


def _digest(content: Content) -> int:
    """Of the text, its time and its people: texts and numbers are not kept."""
    new = content if isinstance(content, NewCampaign) else content()
    return hash((_text(new), frozenset(contact.phone_number for contact in new.contacts)))


def _text(content: Content) -> Text:
    new = content if isinstance(content, NewCampaign) else content()
    return new.start_date_time, new.sender, new.message
