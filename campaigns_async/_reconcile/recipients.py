"""Compare the recipients of a campaign on the server with those that were sent.

Numbers are looked up in an index instead of being compared in pairs, so every step is linear in the number of contacts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from enum import IntEnum

from attrs import field, frozen

from campaigns_async._phone_numbers import is_complete, may_be_mobile, suffix_of, to_international
from campaigns_async.models import Contact, NewContact

_UNPARSED = "?"
_DIGITS_PER_NUMBER = 8


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
    """

    contact_count: int
    numbers: frozenset[str] = field(repr=_show_count)
    details: frozenset[tuple[str, int, str]] = field(repr=_show_count)
    suffixes: frozenset[str] = field(repr=_show_count)
    suffix_lengths: tuple[int, ...]
    unparsed_count: int
    has_groups: bool

    @property
    def can_exclude(self) -> bool:
        """True if a stranger's number proves that a campaign is not this one."""
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
    )


@frozen
class _Comparison:
    """The result of looking up a candidate's contacts in the index.

    Attributes:
        seen: The recipients' numbers that are among the contacts.
        strangers: The number of different phone numbers that resemble no recipient's number.
        is_uncertain: True if any number is neither certainly a recipient's nor a stranger's, or has other details.
    """

    seen: frozenset[str] = field(repr=_show_count)
    strangers: int
    is_uncertain: bool


def is_excluded_by(index: RecipientIndex, contacts: Iterable[Contact]) -> bool:
    """Return True if these contacts of a candidate, which need not be all, prove that it goes to other people."""
    return not index.has_groups and _has_strangers(index, _compare_contacts(index, contacts))


def compare_recipients(
    index: RecipientIndex,
    contacts: Iterable[Contact],
    *,
    complete: bool,
    recipient_count: int | None,
    ignore_invalid: bool | None,
) -> Match:
    """Compare a candidate's contacts with those that were sent.

    Args:
        index: The recipients that were sent.
        contacts: The candidate's contacts, as far as they were read.
        complete: True if `contacts` are all of the candidate's contacts.
        recipient_count: The server's own count. It may lag, so it can weaken a certain match, but it never excludes a
            candidate.
        ignore_invalid: The create's `ignore_invalid_phone_numbers`.
    """
    comparison = _compare_contacts(index, contacts)
    missing = index.numbers - comparison.seen
    mobiles_missing = any(_is_parsed(number) and may_be_mobile(number) for number in missing)
    if _has_strangers(index, comparison):
        # It is not documented what a server does with a contact's group. If it sends to the whole group, the campaign
        # has further recipients besides ours.
        may_be_group = index.has_groups and not (complete and mobiles_missing)
        return Match.POSSIBLE if may_be_group else Match.NONE
    if not complete or comparison.is_uncertain or comparison.strangers:
        return Match.POSSIBLE
    if recipient_count is not None and recipient_count > index.contact_count:
        return Match.POSSIBLE  # other recipients may not be listed yet
    if not comparison.seen and recipient_count != 0:
        return Match.POSSIBLE  # the contacts may not be listed yet
    # Missing contacts may be invalid, may have opted out, or may not be listed yet. Only invalid numbers are certain to
    # stay missing, and a server drops them only if the create did not forbid it.
    missing_explained = not missing or (ignore_invalid is not False and not mobiles_missing)
    return Match.CERTAIN if missing_explained else Match.POSSIBLE


def find_complete_numbers(contacts: Iterable[Contact]) -> set[str]:
    """Return the numbers that can be parsed and have no digits cut off, in international digits.

    If such a number ends like no recipient's number, it is a stranger's. One stranger excludes a campaign, unless a
    recipient's number cannot be parsed or a contact names a group.
    """
    keys = {_number_key(contact.phone_number) for contact in contacts}
    return {key for key in keys if _is_parsed(key) and is_complete(key)}


def _has_strangers(index: RecipientIndex, comparison: _Comparison) -> bool:
    # The server may have parsed our texts that this module cannot parse: some of the strangers may be from them.
    return comparison.strangers > index.unparsed_count


def _compare_contacts(index: RecipientIndex, contacts: Iterable[Contact]) -> _Comparison:
    seen: set[str] = set()
    strangers: set[str] = set()
    is_uncertain = False
    for contact in contacts:
        key = _number_key(contact.phone_number)
        if key in index.numbers:
            seen.add(key)
            is_uncertain = is_uncertain or any(
                (key, place, text) not in index.details for place, text in _details_of(contact)
            )
        elif not _is_parsed(key) or not is_complete(key) or index.may_contain(key):
            is_uncertain = True
        else:
            strangers.add(key)
    return _Comparison(frozenset(seen), len(strangers), is_uncertain)


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
