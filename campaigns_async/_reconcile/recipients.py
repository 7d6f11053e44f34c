"""Compare the recipients of a campaign on the server with those that were sent.

Numbers are looked up in an index instead of being compared in pairs, so every step is linear in the number of contacts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from enum import IntEnum

from attrs import field, frozen

from campaigns_async._phone_numbers import is_complete, may_be_mobile, suffix_of, to_international
from campaigns_async.models import Contact, NewContact

_UNPARSED = "?"
_DIGITS_PER_NUMBER = 8
_ZEROS = "0000"
_DRAMA_PREFIX = "447700900"
"""The prefix of the numbers that Ofcom reserves for examples. They end with zeros without hiding anything."""


class Match(IntEnum):
    """The degree to which a campaign on the server matches the one that was sent.

    A campaign matches only as well as its worst part, so `min` combines the matches of the parts.

    Attributes:
        NONE: The campaign cannot be the one that was sent.
        POSSIBLE: The campaign may be the one that was sent, but there is no proof.
        CERTAIN: The campaign is the one that was sent, as far as a client can see.
    """

    NONE = 0
    POSSIBLE = 1
    CERTAIN = 2


def _show_count(items: frozenset[object]) -> str:
    return f"<{len(items)}>"


@frozen
class RecipientIndex:
    """The recipients of a campaign that was sent, indexed for lookups.

    Attributes:
        contact_count: The number of contacts, duplicates included.
        numbers: International digits. A text that cannot be parsed has a question mark in front.
        details: Number, field and text of each name (0) and custom field (1, 2).
        suffixes: The last digits of each number that can be parsed.
        suffix_lengths: The lengths of the suffixes.
        unparsed_count: The maximum number of phone numbers that a server may find in texts that this module cannot parse.
        has_groups: True if any contact names a group.
        mobiles: The numbers that no server leaves out as invalid.
    """

    contact_count: int
    numbers: frozenset[str] = field(repr=_show_count)
    details: frozenset[tuple[str, int, str]] = field(repr=_show_count)
    suffixes: frozenset[str] = field(repr=_show_count)
    suffix_lengths: tuple[int, ...]
    unparsed_count: int
    has_groups: bool
    mobiles: frozenset[str] = field(repr=_show_count)

    @property
    def can_exclude(self) -> bool:
        """True if a campaign to strangers alone cannot be this one."""
        return bool(self.suffixes) and not (self.unparsed_count or self.has_groups)

    def may_contain(self, number: str) -> bool:
        """Return True if `number` ends like a recipient's number, so that both may be the same in two notations."""
        return any(number[-length:] in self.suffixes for length in self.suffix_lengths)


def index_recipients(contacts: Iterable[NewContact]) -> RecipientIndex:
    """Index the contacts of a campaign."""
    rows = tuple(contacts)
    pairs = [(_number_key(contact.phone_number), contact) for contact in rows]
    numbers = frozenset(key for key, _ in pairs)
    suffixes = frozenset(suffix_of(number) for number in numbers if _is_parsed(number))
    return RecipientIndex(
        contact_count=len(rows),
        numbers=numbers,
        details=frozenset((key, place, text) for key, contact in pairs for place, text in _details_of(contact)),
        suffixes=suffixes,
        suffix_lengths=tuple({len(suffix) for suffix in suffixes}),
        unparsed_count=sum(_count_possible_numbers(number) for number in numbers if not _is_parsed(number)),
        has_groups=any(contact.contact_group_id is not None for contact in rows),
        mobiles=frozenset(number for number in numbers if _is_parsed(number) and may_be_mobile(number)),
    )


@frozen
class Audience:
    """The recipients of a candidate, compared with those that were sent.

    Attributes:
        match: NONE if the candidate goes to nobody of ours: its recipients are listed in full, all with complete numbers.
        is_clearly_other: True if the candidate goes to more strangers than a server adds, or to less than half of ours.
            With another text too, it is not ours.
    """

    match: Match
    is_clearly_other: bool = False


_UNREAD = Audience(Match.POSSIBLE)
_MOST_ADDED = 10
"""The number of recipients, such as monitors, that a server may add to a campaign. In a large one: 5 % of its size."""


@frozen
class _Comparison:
    """The result of looking up a candidate's contacts in the index.

    Attributes:
        seen: The recipients' numbers that are among the contacts.
        similar: The number of contacts that end like a recipient's number.
        strangers: The number of different phone numbers that resemble no recipient's number.
        hidden: The number of contacts without a complete phone number.
        has_other_details: True if a recipient has another name or custom field than was sent.
    """

    seen: frozenset[str] = field(repr=_show_count)
    similar: int
    strangers: int
    hidden: int
    has_other_details: bool


def compare_recipients(
    index: RecipientIndex,
    contacts: Sequence[Contact] | None,
    *,
    complete: bool,
    recipient_count: int | None,
    ignore_invalid: bool | None,
) -> Audience:
    """Compare a candidate's contacts with those that were sent.

    Args:
        index: The recipients that were sent.
        contacts: The candidate's contacts, as far as they were read; None if they were not.
        complete: True if `contacts` are all of the candidate's contacts.
        recipient_count: The server's own count.
        ignore_invalid: The create's `ignore_invalid_phone_numbers`.
    """
    if contacts is None or not complete:
        return _UNREAD
    found = _compare_contacts(index, contacts)
    missing = index.numbers - found.seen
    mobiles_missing = not index.mobiles <= found.seen
    if is_listed_in_full(contacts, recipient_count):
        # The server may have parsed texts of ours that this module cannot parse: some strangers may be from them. It may
        # also send to the whole group that a contact names: then the campaign has recipients besides ours.
        strangers = found.strangers - index.unparsed_count
        ours = len(found.seen) + found.similar
        if not ours and strangers > 0 and (mobiles_missing or not index.has_groups):
            return Audience(Match.NONE)
        if not index.has_groups and (
            strangers > max(_MOST_ADDED, index.contact_count // 20)
            or 2 * ours < len(index.numbers if ignore_invalid is False else index.mobiles)
        ):
            return Audience(Match.POSSIBLE, is_clearly_other=True)
    if found.strangers or found.similar or found.hidden or found.has_other_details:
        return _UNREAD
    if recipient_count is not None and recipient_count > index.contact_count:
        return _UNREAD  # other recipients may not be listed yet
    if not found.seen and recipient_count != 0:
        return _UNREAD  # the contacts may not be listed yet
    # Missing contacts may be invalid, may have opted out, or may not be listed yet. Only invalid numbers are certain to
    # stay missing, and a server drops them only if the create did not forbid it.
    missing_explained = not missing or (ignore_invalid is not False and not mobiles_missing)
    return Audience(Match.CERTAIN if missing_explained else Match.POSSIBLE)


def is_listed_in_full(contacts: Sequence[Contact], recipient_count: int | None) -> bool:
    """Return True if all recipients of a campaign are among these contacts, each with its complete phone number."""
    if not contacts or len(contacts) != recipient_count:
        return False
    keys = [_number_key(contact.phone_number) for contact in contacts]
    # A few numbers have such a run of zeros. A server that hides digits has it in all of them.
    zeros = sum(_ZEROS in key.removeprefix(_DRAMA_PREFIX) for key in keys)
    return 20 * zeros < len(keys) and all(_is_parsed(key) and is_complete(key) for key in keys)


def normalize_numbers(contacts: Iterable[Contact | NewContact]) -> frozenset[str]:
    """Return the phone numbers in international digits. A text that cannot be parsed has a question mark in front."""
    return frozenset(_number_key(contact.phone_number) for contact in contacts)


def find_mobiles(contacts: Iterable[Contact | NewContact]) -> frozenset[str]:
    """Return the numbers that a server may accept, in international digits."""
    return frozenset(key for key in normalize_numbers(contacts) if _is_parsed(key) and may_be_mobile(key))


def _compare_contacts(index: RecipientIndex, contacts: Iterable[Contact]) -> _Comparison:
    seen: set[str] = set()
    strangers: set[str] = set()
    similar = hidden = 0
    has_other_details = False
    for contact in contacts:
        key = _number_key(contact.phone_number)
        if key in index.numbers:
            seen.add(key)
            has_other_details = has_other_details or any(
                (key, place, text) not in index.details for place, text in _details_of(contact)
            )
        elif not _is_parsed(key) or not is_complete(key):
            hidden += 1
        elif index.may_contain(key):
            similar += 1
        else:
            strangers.add(key)
    return _Comparison(frozenset(seen), similar, len(strangers), hidden, has_other_details)


def _number_key(phone_number: str | None) -> str:
    text = phone_number or ""
    return to_international(text) or _UNPARSED + _fold(text)


def _count_possible_numbers(text: str) -> int:
    """Return how many phone numbers a text may contain: two in `07700900123; 07700900124`."""
    return max(1, sum(map(str.isdecimal, text)) // _DIGITS_PER_NUMBER)


def _is_parsed(key: str) -> bool:
    return not key.startswith(_UNPARSED)


def _details_of(contact: Contact | NewContact) -> list[tuple[int, str]]:
    """Return the name and custom fields that are not blank: a server may drop a text, but does not invent one."""
    texts = (contact.name, contact.custom1, contact.custom2)
    return [(place, folded) for place, text in enumerate(texts) if text and (folded := _fold(text))]


def _fold(text: str) -> str:
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(plain.casefold().split())
