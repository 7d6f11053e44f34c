"""The campaign ids that a client has read or received, and its creates that are in flight or unknown.

Ids are stored as 64-bit digests in arrays: eight bytes each, so that a job with millions of rows stays small.
"""

from __future__ import annotations

import unicodedata
from array import array
from collections.abc import Hashable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import compress, islice
from typing import NamedTuple, TypeAlias

from campaigns_async._http.request import Content
from campaigns_async._ids import normalize_id
from campaigns_async._reconcile.recipients import find_mobiles
from campaigns_async.models import Campaign, CampaignUpdate, Contact, NewCampaign

_Text: TypeAlias = tuple[datetime, str, str, int, str]
_MOST_GIVEN = 10_000
_BATCH = 1_000  # a dict loses its first items slowly, one by one
_SAME_TIME = 1.0  # seconds: a server may cut or round milliseconds


SentFields: TypeAlias = tuple[datetime, str, str, int | None, str | None, int | None, bool]
"""The fields of a campaign that was sent, to compare with the campaign that is read back: start, sender, message,
opt-out link, tracking link, the number of contacts (None for an update), and True if the server leaves out contacts
with an invalid number. A plain tuple: each create makes one."""


def normalize(text: str) -> str:
    """Return a text as servers that store it unaltered may show it: with other line ends, or composed otherwise."""
    return unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")


def find_differences(fields: SentFields, campaign: Campaign) -> set[str]:
    """Return the fields in which a campaign differs from what was sent, by the API's names."""
    start, sender, message, opt_out_link_id, track_link_url, contacts, drops_invalid = fields
    theirs, count = campaign.start_date_time, campaign.recipient_count
    are_equal = {
        "startDateTime": theirs is not None and abs((to_utc(theirs) - to_utc(start)).total_seconds()) <= _SAME_TIME,
        "sender": campaign.sender == sender,
        "message": normalize(campaign.message or "") == normalize(message),
        "optOutLinkId": (campaign.opt_out_link_id or 0) == (opt_out_link_id or 0),  # a server may show 0 or "" for none
        "trackLinkUrl": (campaign.track_link_url or "") == (track_link_url or ""),
        "recipientCount": contacts in (None, count) or (drops_invalid and count is not None and count < contacts),
    }
    return {name for name, is_equal in are_equal.items() if not is_equal}


def find_possible_makers(given: Sequence[SentFields | None], campaign: Campaign | None) -> list[bool]:
    """Return for each of the creates that were given one id if it may have made the campaign.

    Creates that differ only in `drops_invalid` are equal: a lower count does not show which of them made it.
    """
    equal = {each[:-1] for each in given if each and campaign is not None and not find_differences(each, campaign)}
    return [each is None or each[:-1] in equal for each in given]


def fields_of(sent: NewCampaign | CampaignUpdate, *, drops_invalid: bool = False) -> SentFields:
    """Return the fields of a create or an update."""
    return (
        sent.start_date_time,
        sent.sender,
        sent.message,
        sent.opt_out_link_id,
        sent.track_link_url,
        len(sent.contacts) if isinstance(sent, NewCampaign) else None,
        drops_invalid,
    )


class RowOwner(NamedTuple):
    """A row of a journal, as the owner of a create.

    Attributes:
        journal: The journal's identity, which a journal that is moved keeps.
        row_id: The row's id.
    """

    journal: bytes
    row_id: int


class KnownIds:
    """Campaign ids in the order in which they became known. At least the newest `limit` ids are kept.

    The index is built at the first lookup, so a client that never searches needs only eight bytes for each id.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._capacity = 2 * limit
        self._digests = array("q")
        self._forgotten = 0
        self._first: dict[int, int] = {}
        self._indexed = 0

    def add(self, campaign_id: Hashable) -> None:
        """Add a normalized id, or another hashable value, that became known now."""
        self._digests.append(hash(campaign_id))
        if len(self._digests) > self._capacity:
            self._forget()

    def update(self, campaign_ids: Iterable[str]) -> None:
        """Add ids that became known now."""
        self._digests.fromlist([_hash(each) for each in campaign_ids])  # takes a third less time than extend()
        if len(self._digests) > self._capacity:
            self._forget()

    def snapshot(self) -> int:
        """Return the current position in the order of ids, for `contains`."""
        return self._forgotten + len(self._digests)

    def contains(self, campaign_id: Hashable, before: int | None = None) -> bool:
        """Return True if an id is known, or with `before`, if it was known at that snapshot."""
        for index in range(self._indexed, len(self._digests)):
            self._first.setdefault(self._digests[index], self._forgotten + index)
        self._indexed = len(self._digests)
        first = self._first.get(_hash(campaign_id))
        return first is not None and (before is None or first < before)

    def _forget(self) -> None:
        dropped = len(self._digests) - self._limit
        self._forgotten += dropped
        del self._digests[:dropped]
        self._first.clear()
        self._indexed = 0


class Ledger:
    """The campaigns and creates of a client, shared by all of its calls.

    The fields of the last 10,000 creates are kept by the ids that they were given, so that an id that is given twice is
    noticed. They include the texts, but no contacts. At most 1,000 more are kept, since they are dropped in batches.

    Attributes:
        seen: Ids that were read from the server, in any call.
        given: The fields of the creates that were given an id, by the normalized id; None for one whose fields are not known.
    """

    def __init__(self, remember: int) -> None:
        self.seen: KnownIds = KnownIds(remember)
        self._claimed = KnownIds(remember)
        self._claimed_by_journals = KnownIds(remember)  # ids, each with the journal of the row that claimed it
        self.given: dict[str, tuple[SentFields | None, ...]] = {}
        self._unknown: dict[int, set[Hashable]] = {}  # owners of creates that were left unknown, by digest of content
        self._last_number = 0
        self._in_flight: dict[int, Content] = {}

    def claim(
        self, campaign_id: str, fields: SentFields | None = None, owner: Hashable = None, *, is_found: bool = False
    ) -> None:
        """Record that a create of this client made this campaign, so that no other create is matched with it.

        Args:
            campaign_id: The campaign's id.
            fields: The fields of the create; None if they are not known.
            owner: The owner of the create, as for `leave_unknown`.
            is_found: True if a search found the campaign, whatever creates its id was given to.
        """
        campaign_id = normalize_id(campaign_id)
        if is_found:
            self.given.pop(campaign_id, None)
        self._claimed.add(campaign_id)
        if owner is not None and isinstance(owner, RowOwner):
            self._claimed_by_journals.add((campaign_id, owner.journal))
        self._give(campaign_id, fields)

    def give(self, campaign_id: str, fields: SentFields | None) -> None:
        """Record that the server gave this id to a create, which need not have made the campaign."""
        self._give(normalize_id(campaign_id), fields)

    def _give(self, campaign_id: str, fields: SentFields | None) -> None:
        given = self.given
        if campaign_id not in given:
            given[campaign_id] = (fields,)
            if len(given) >= _MOST_GIVEN + _BATCH:
                for earliest in list(islice(given, _BATCH)):
                    del given[earliest]
        elif all(each is not fields for each in given[campaign_id]):
            given[campaign_id] += (fields,)

    def take_back(self, campaign_id: str, fields: SentFields | None) -> None:
        """Forget that the server gave this id to this create: what it gave was no id."""
        campaign_id = normalize_id(campaign_id)
        left = tuple(each for each in self.given.get(campaign_id, ()) if each is not fields)
        if left:
            self.given[campaign_id] = left
        else:
            self.given.pop(campaign_id, None)

    def was_given(self, campaign_id: str) -> bool:
        """Return True if the server gave this id to a create."""
        return normalize_id(campaign_id) in self.given

    def find_makers(self, campaign_id: str, campaign: Campaign | None) -> list[SentFields | None]:
        """Return the creates that were given this id and may have made this campaign, by their fields."""
        given = self.given.get(normalize_id(campaign_id), ())
        return list(compress(given, find_possible_makers(given, campaign)))

    def newest(self, limit: int) -> list[str]:
        """Return the ids that the server gave to the latest creates."""
        return list(islice(reversed(self.given), limit))

    def is_claimed(self, campaign: Campaign, mine: SentFields) -> bool:
        """Return True if another create of this client than `mine` made this campaign.

        A create that was given the id, but whose fields are not the campaign's, got the response of another create.
        """
        if self.is_disputed(campaign):
            return False
        if self.was_given(campaign.id) and not self.find_makers(campaign.id, campaign):
            return bool(find_differences(mine, campaign))
        return self._claimed.contains(campaign.id)

    def is_claimed_outside(self, campaign: Campaign, journal: bytes) -> bool:
        """Return True if a create of this client made this campaign, other than a row of the journal.

        A row's own claim does not count: it may be the only trace of a create that the journal could not record.
        """
        campaign_id = normalize_id(campaign.id)
        if self.is_disputed(campaign) or self._claimed_by_journals.contains((campaign_id, journal)):
            return False
        return self._claimed.contains(campaign_id)

    def is_disputed(self, campaign: Campaign) -> bool:
        """Return True if several creates were given this id, and the campaign's fields do not say which one made it."""
        given = self.given.get(normalize_id(campaign.id), ())
        return len(given) > 1 and len(self.find_makers(campaign.id, campaign)) != 1

    def begin(self, new: Content) -> int:
        """Record that a create is in flight, and return its number for `end`."""
        self._last_number = number = self._last_number + 1
        self._in_flight[number] = new
        return number

    def end(self, number: int) -> None:
        """Record that the create with this number is no longer in flight."""
        del self._in_flight[number]

    def leave_unknown(self, new: Content, owner: Hashable = None) -> None:
        """Record that a create ended, and may have made a campaign whose id is unknown.

        Args:
            new: The campaign.
            owner: The owner that `resume_unknown` will name; None if no search for the create follows.
        """
        self._unknown.setdefault(digest_content(new), set()).add(object() if owner is None else owner)

    def resume_unknown(self, new: NewCampaign, owner: Hashable) -> None:
        """Record that a search for an unknown create has started, so that it does not count as its own duplicate."""
        digest = digest_content(new)
        if owners := self._unknown.get(digest):
            owners.discard(owner)  # missing if an earlier process left the create unknown
            if not owners:
                del self._unknown[digest]

    def has_duplicate_unknown(self, new: NewCampaign) -> bool:
        """Return True if another create of the same content is unknown, which may have made the campaign instead."""
        return bool(self._unknown) and digest_content(new) in self._unknown

    def has_duplicate_in_flight(self, new: NewCampaign) -> bool:
        """Return True if another create of the same content is in flight, so its id is not known yet."""
        return self._count_in_flight(_text_of(new), digest_content(new)) > 0

    def find_pending(self, campaign: Campaign, contacts: Iterable[Contact]) -> tuple[int, int]:
        """Return the digest of a campaign's content, and the number of creates of it that are in flight or unknown."""
        if campaign.start_date_time is None or not (self._unknown or self._in_flight):
            return 0, 0
        link, opt_out = campaign.track_link_url or "", campaign.opt_out_link_id or 0
        text = _cut(campaign.start_date_time), campaign.sender or "", campaign.message or "", opt_out, link
        digest = hash((text, find_mobiles(contacts)))
        return digest, len(self._unknown.get(digest, ())) + self._count_in_flight(text, digest)

    def has_text_in_flight(self, new: NewCampaign) -> bool:
        """Return True if another create of the same text is in flight, so its id is not known yet."""
        text = _text_of(new)
        return any(_text_of(other) == text for other in self._in_flight.values())

    def _count_in_flight(self, text: _Text, digest: int) -> int:
        return sum(_text_of(other) == text and digest_content(other) == digest for other in self._in_flight.values())


def _hash(campaign_id: Hashable) -> int:
    return hash(normalize_id(campaign_id) if isinstance(campaign_id, str) else campaign_id)


def digest_content(content: Content) -> int:
    """Return a digest of text, start and recipients, so that no texts and numbers are stored."""
    new = content if isinstance(content, NewCampaign) else content()
    return hash((_text_of(new), find_mobiles(new.contacts)))


def _text_of(content: Content) -> _Text:
    new = content if isinstance(content, NewCampaign) else content()
    return _cut(new.start_date_time), new.sender, new.message, new.opt_out_link_id or 0, new.track_link_url or ""


def _cut(start: datetime) -> datetime:
    """Return a start in UTC without its fraction of a second, which a server may cut."""
    return to_utc(start).replace(microsecond=0)


def to_utc(start: datetime) -> datetime:
    """Return a time in UTC; a server's time without a zone is in UTC."""
    return start.replace(tzinfo=UTC) if start.tzinfo is None else start.astimezone(UTC)
