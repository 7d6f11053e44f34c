"""Compare the recipients of a campaign on the server with those that were sent.

Numbers are looked up in an index, never compared pair by pair: each step is linear in the number of contacts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from enum import IntEnum

from attrs import field, frozen

from campaigns_async._reconcile.phone_numbers import is_complete, may_be_mobile, suffix_of, to_international
from campaigns_async.models import Contact, NewContact

_UNPARSED = "?"
_DIGITS_PER_NUMBER = 8


class Match(IntEnum):
    """The degree to which a campaign on the server matches the one that was sent.

    A whole matches only as well as the least of its parts, so `min` combines them.
    """

    NONE = 0
    """It cannot be what was sent."""
    POSSIBLE = 1
    """It may be what was sent, without proof."""
    CERTAIN = 2
    """It is what was sent, as far as a client can see."""


def _show_count(items: frozenset[object]) -> str:
    return f"<{len(items)}>"


@frozen
class RecipientIndex:
    """The recipients of a campaign that was sent, indexed for lookups."""

    rows: int
    """The number of contacts, duplicates included."""
    numbers: frozenset[str] = field(repr=_show_count)
    """International digits; a text that cannot be parsed stands after a question mark."""
    details: frozenset[tuple[str, int, str]] = field(repr=_show_count)
    """Number, field and text of each name (0) and custom field (1, 2)."""
    suffixes: frozenset[str] = field(repr=_show_count)
    suffix_lengths: tuple[int, ...]
    unparsed: int
    """How many numbers a server could find in the texts that cannot be parsed here."""
    names_groups: bool
    """True if any contact names a group."""

    @classmethod
    def of(cls, contacts: Iterable[NewContact]) -> RecipientIndex:
        """Index the contacts that were sent."""
        rows = tuple(contacts)
        keyed = [(_number_key(contact.phone_number), contact) for contact in rows]
        numbers = frozenset(key for key, _ in keyed)
        suffixes = frozenset(suffix_of(number) for number in numbers if _is_parsed(number))
        return cls(
            rows=len(rows),
            numbers=numbers,
            details=frozenset((key, place, text) for key, contact in keyed for place, text in _details_of(contact)),
            suffixes=suffixes,
            suffix_lengths=tuple({len(suffix) for suffix in suffixes}),
            unparsed=sum(_count_possible_numbers(number) for number in numbers if not _is_parsed(number)),
            names_groups=any(contact.contact_group_id is not None for contact in rows),
        )

    def ends_like_one(self, number: str) -> bool:
        """Return True if `number` has the last digits of one of these."""
        return any(number[-length:] in self.suffixes for length in self.suffix_lengths)


@frozen
class _Comparison:
    """What a candidate's contacts say of the numbers that were sent."""

    seen: frozenset[str] = field(repr=_show_count)
    strangers: int
    """The number of different numbers that resemble none of ours."""
    uncertain: bool
    """True if any number is neither certainly ours nor a stranger's, or is ours with other details."""


def is_excluded_by(index: RecipientIndex, contacts: Iterable[Contact]) -> bool:
    """Return True if these of a candidate's contacts, however few, prove that it goes to other people."""
    return not index.names_groups and _has_strangers(index, _compare_contacts(index, contacts))


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
        complete: True if those are all of them.
        recipient_count: The server's own count. A hint: a list may lag behind it, so it may weaken a certain match.
            It never excludes a candidate.
        ignore_invalid: What the server was asked to do about invalid numbers.
    """
    compared = _compare_contacts(index, contacts)
    missing = index.numbers - compared.seen
    mobiles_missing = any(_is_parsed(number) and may_be_mobile(number) for number in missing)
    if _has_strangers(index, compared):
        # No documentation says what a server does with a contact's group. If it sends to the whole group, our
        # contacts are among the candidate's: where a group was named, more people than ours are possible.
        may_be_group = index.names_groups and not (complete and mobiles_missing)
        return Match.POSSIBLE if may_be_group else Match.NONE
    if not complete or compared.uncertain or compared.strangers:
        return Match.POSSIBLE
    if recipient_count is not None and recipient_count > index.rows:
        return Match.POSSIBLE  # the rest of someone else's campaign may not be listed yet
    # Missing contacts may have been invalid, or have opted out, or be listed later. Only the first is a proof, and
    # a server that was asked to refuse invalid numbers leaves none out.
    missing_explained = not missing or (ignore_invalid is not False and not mobiles_missing)
    if not compared.seen and recipient_count != 0:
        return Match.POSSIBLE  # the contacts may be listed later
    return Match.CERTAIN if missing_explained else Match.POSSIBLE


def complete_numbers(contacts: Iterable[Contact]) -> set[str]:
    """Return the numbers that can be parsed and have no digits cut off, in international digits.

    If such a number ends like none of ours, it is a stranger's. One stranger excludes a campaign, unless we sent a
    number that cannot be parsed or named a group.
    """
    keys = {_number_key(contact.phone_number) for contact in contacts}
    return {key for key in keys if _is_parsed(key) and is_complete(key)}


def _has_strangers(index: RecipientIndex, compared: _Comparison) -> bool:
    # The server may have parsed what we sent and cannot parse ourselves: those may be some of the strangers.
    return compared.strangers > index.unparsed


def _compare_contacts(index: RecipientIndex, contacts: Iterable[Contact]) -> _Comparison:
    seen: set[str] = set()
    strangers: set[str] = set()
    uncertain = False
    for contact in contacts:
        key = _number_key(contact.phone_number)
        if key in index.numbers:
            seen.add(key)
            uncertain = uncertain or any(
                (key, place, text) not in index.details for place, text in _details_of(contact)
            )
        elif not _is_parsed(key) or not is_complete(key) or index.ends_like_one(key):
            uncertain = True
        else:
            strangers.add(key)
    return _Comparison(frozenset(seen), len(strangers), uncertain)


def _number_key(phone_number: str | None) -> str:
    text = phone_number or ""
    return to_international(text) or _UNPARSED + _fold(text)


def _count_possible_numbers(text: str) -> int:
    """Return how many phone numbers a text may hold: two in `07700900123; 07700900124`."""
    return max(1, sum(map(str.isdecimal, text)) // _DIGITS_PER_NUMBER)


def _is_parsed(key: str) -> bool:
    return not key.startswith(_UNPARSED)


def _details_of(contact: Contact | NewContact) -> list[tuple[int, str]]:
    """Return name and custom fields without blank ones: a server may drop a text, but does not invent one."""
    texts = (contact.name, contact.custom1, contact.custom2)
    return [(place, folded) for place, text in enumerate(texts) if text and (folded := _fold(text))]


def _fold(text: str) -> str:
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(plain.casefold().split())
