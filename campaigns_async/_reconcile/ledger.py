"""Remember the campaign ids that a client has read or was given, and its creates that are in flight or unknown.

Ids are kept as 64-bit digests in arrays: eight bytes each, so that a job of millions stays small.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable, Iterable
from datetime import datetime
from typing import TypeAlias

from campaigns_async.models import NewCampaign

Content: TypeAlias = NewCampaign | Callable[[], NewCampaign]
"""A campaign, or a function that returns it: called only if the campaign is compared with another one."""
Text: TypeAlias = tuple[datetime, str, str]


class Ids:
    """Campaign ids in the order in which they became known: the newest `limit` of them, at least.

    The index is built at the first lookup: a client that never searches pays eight bytes an id.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._capacity = 2 * limit
        self._digests = array("q")
        self._forgotten = 0
        self._first: dict[int, int] = {}
        self._indexed = 0

    def add(self, campaign_id: str) -> None:
        """Add an id that became known now."""
        self._digests.append(hash(campaign_id))
        if len(self._digests) > self._capacity:
            self._forget()

    def update(self, campaign_ids: Iterable[str]) -> None:
        """Add ids that became known now."""
        self._digests.fromlist(list(map(hash, campaign_ids)))  # takes a third less time than extend()
        if len(self._digests) > self._capacity:
            self._forget()

    def snapshot(self) -> int:
        """Return the present moment, for `contains`."""
        return self._forgotten + len(self._digests)

    def contains(self, campaign_id: str, before: int | None = None) -> bool:
        """Return True if an id is known; with `before`, if it was known at that snapshot."""
        for place in range(self._indexed, len(self._digests)):
            self._first.setdefault(self._digests[place], self._forgotten + place)
        self._indexed = len(self._digests)
        first = self._first.get(hash(campaign_id))
        return first is not None and (before is None or first < before)

    def _forget(self) -> None:
        dropped = len(self._digests) - self._limit
        self._forgotten += dropped
        del self._digests[:dropped]
        self._first.clear()
        self._indexed = 0


class Ledger:
    """The campaigns and creates that all calls of a client know of."""

    def __init__(self, remember: int) -> None:
        self.seen: Ids = Ids(remember)
        """Ids that were read from the server, for whatever reason."""
        self._claimed = Ids(remember)
        self._unknown: dict[int, set[Hashable]] = {}
        """The owners of creates that were left unknown, by the digest of the content."""
        self._begun = 0
        self._in_flight: dict[int, Content] = {}

    def claim(self, campaign_id: str) -> None:
        """Record that a create was given this id, or was found to have made it: no other create made this campaign."""
        self._claimed.add(campaign_id)

    def is_claimed(self, campaign_id: str) -> bool:
        """Return True if a create of this client made this campaign."""
        return self._claimed.contains(campaign_id)

    def begin(self, new: Content) -> int:
        """Record that a create is in flight; return its number, for `end`."""
        self._begun = number = self._begun + 1
        self._in_flight[number] = new
        return number

    def end(self, number: int) -> None:
        """Record that the create with this number is no longer in flight."""
        del self._in_flight[number]

    def leave_unknown(self, new: Content, owner: Hashable = None) -> None:
        """Record that a create of this content ended, and that it may have made a campaign whose id is not known.

        Args:
            new: The content.
            owner: What the create is sent for, by which `resume_unknown` knows it; None if it is not looked for.
        """
        self._unknown.setdefault(_digest(new), set()).add(object() if owner is None else owner)

    def resume_unknown(self, new: NewCampaign, owner: Hashable) -> None:
        """Record that a create that was left unknown is looked for again, so that it is no duplicate of itself."""
        digest = _digest(new)
        if owners := self._unknown.get(digest):
            owners.discard(owner)  # not there if an earlier process left it unknown
            if not owners:
                del self._unknown[digest]

    def has_duplicate_unknown(self, new: NewCampaign) -> bool:
        """Return True if another create of the same content was left unknown: a campaign that is found may be its."""
        return bool(self._unknown) and _digest(new) in self._unknown

    def has_duplicate_in_flight(self, new: NewCampaign) -> bool:
        """Return True if a create of the same text is in flight: its id is not known yet."""
        text = _text_of(new)
        return any(_text_of(other) == text for other in self._in_flight.values())


def _digest(content: Content) -> int:
    """Return a digest of text, start and recipients, so that neither texts nor numbers are kept."""
    new = content if isinstance(content, NewCampaign) else content()
    return hash((_text_of(new), frozenset(contact.phone_number for contact in new.contacts)))


def _text_of(content: Content) -> Text:
    new = content if isinstance(content, NewCampaign) else content()
    start = new.start_date_time  # cut to milliseconds, as it is sent and as a journal holds it
    return start.replace(microsecond=start.microsecond // 1000 * 1000), new.sender, new.message
