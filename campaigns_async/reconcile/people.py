"""Whether the people of a campaign on the server are those that were sent.

Numbers are looked up, never compared pair by pair: each step is linear in the number of contacts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from attrs import field, frozen

from campaigns_async.models import Contact, NewContact
from campaigns_async.reconcile.likeness import Likeness
from campaigns_async.reconcile.numbers import ending, international, is_possible, is_whole

_UNREADABLE = "?"
_DIGITS_OF_ONE = 8


def _number_of(items: frozenset[object]) -> str:
    return f"<{len(items)}>"


@frozen
class Sent:
    """The people of a campaign that was sent, for looking up."""

    rows: int
    """With duplicates."""
    numbers: frozenset[str] = field(repr=_number_of)
    """In one notation; a text that cannot be brought to it, behind a question mark."""
    said: frozenset[tuple[str, int, str]] = field(repr=_number_of)
    """Number, field, text: what was said of each in the name (0) and the custom fields."""
    endings: frozenset[str] = field(repr=_number_of)
    lengths: tuple[int, ...]
    """Of the endings."""
    unread: int
    """How many numbers a server could read in what cannot be brought to one notation."""
    grouped: bool
    """Whether any contact names a group."""

    @classmethod
    def of(cls, contacts: Iterable[NewContact]) -> Sent:
        """Index what was sent."""
        rows = tuple(contacts)
        keyed = [(_key(contact.phone_number), contact) for contact in rows]
        numbers = frozenset(key for key, _ in keyed)
        endings = frozenset(ending(number) for number in numbers if _is_readable(number))
        return cls(
            rows=len(rows),
            numbers=numbers,
            said=frozenset((key, place, text) for key, contact in keyed for place, text in _details(contact)),
            endings=endings,
            lengths=tuple({len(end) for end in endings}),
            unread=sum(_held(number) for number in numbers if not _is_readable(number)),
            grouped=any(contact.contact_group_id is not None for contact in rows),
        )


@frozen
class _Reading:
    """What the contacts of a candidate say."""

    seen: frozenset[str] = field(repr=_number_of)
    strangers: int
    """Different numbers that are like none of ours."""
    doubtful: bool
    """Whether any is neither surely ours nor a stranger, or is ours under other names."""


def excluded_by(sent: Sent, contacts: Iterable[Contact]) -> bool:
    """Whether some of a candidate's contacts, in any number, prove already that it is to other people."""
    return not sent.grouped and _has_strangers(sent, _read(sent, contacts))


def compare_people(
    sent: Sent,
    contacts: Iterable[Contact],
    *,
    complete: bool,
    recipient_count: int | None,
    ignore_invalid: bool | None,
) -> Likeness:
    """Compare a candidate's contacts with those that were sent.

    Args:
        sent: Ours.
        contacts: Theirs, as far as read.
        complete: Whether those are all.
        recipient_count: The server's own count. A hint: it is believed where it speaks against a proof, as a
            list may lag behind it, and never excludes anything.
        ignore_invalid: What the server was told to do about invalid numbers.
    """
    read = _read(sent, contacts)
    left_out = sent.numbers - read.seen
    possible_left_out = any(_is_readable(number) and is_possible(number) for number in left_out)
    if _has_strangers(sent, read):
        # Nobody says what a server does with a contact's group. Should it send to all of it, then ours are
        # there too; so where a group was named, ours and more is doubt.
        expanded = sent.grouped and not (complete and possible_left_out)
        return Likeness.MAYBE if expanded else Likeness.OTHER
    if not complete or read.doubtful or read.strangers:
        return Likeness.MAYBE
    if recipient_count is not None and recipient_count > sent.rows:
        return Likeness.MAYBE  # the rest of someone else's campaign may not be listed yet
    if not read.seen:
        # Nobody to text, whether none was sent or none was valid; or contacts that show up late.
        provable = recipient_count == 0 and not possible_left_out and (not left_out or ignore_invalid is not False)
        return Likeness.OURS if provable else Likeness.MAYBE
    if not left_out:
        return Likeness.OURS
    # Those left out may have been invalid, or have opted out, or be listed later: only the first is a proof.
    # A server that was told to refuse invalid numbers has no reason to leave any out.
    provable = ignore_invalid is not False and not possible_left_out
    return Likeness.OURS if provable else Likeness.MAYBE


def whole_numbers(contacts: Iterable[Contact]) -> set[str]:
    """The numbers that can be read and have nothing cut from them, in one notation.

    Such a number that ends like none of ours is a stranger's; and one is enough to exclude a campaign,
    where we sent nothing that cannot be read and named no group.
    """
    keys = {_key(contact.phone_number) for contact in contacts}
    return {key for key in keys if _is_readable(key) and is_whole(key)}


def _has_strangers(sent: Sent, read: _Reading) -> bool:
    # What we sent and cannot read ourselves, the server may have read: that may be some of theirs.
    return read.strangers > sent.unread


def _read(sent: Sent, contacts: Iterable[Contact]) -> _Reading:
    seen: set[str] = set()
    strangers: set[str] = set()
    doubtful = False
    for contact in contacts:
        key = _key(contact.phone_number)
        if key in sent.numbers:
            seen.add(key)
            doubtful = doubtful or any((key, place, text) not in sent.said for place, text in _details(contact))
        elif not _is_readable(key) or not is_whole(key) or _ends_alike(sent, key):
            doubtful = True
        else:
            strangers.add(key)
    return _Reading(frozenset(seen), len(strangers), doubtful)


def _ends_alike(sent: Sent, number: str) -> bool:
    return any(number[-length:] in sent.endings for length in sent.lengths)


def _key(phone_number: str | None) -> str:
    text = phone_number or ""
    return international(text) or _UNREADABLE + _folded(text)


def _held(text: str) -> int:
    """How many numbers a text may hold: `07700900123; 07700900124` is two."""
    return max(1, sum(map(str.isdecimal, text)) // _DIGITS_OF_ONE)


def _is_readable(key: str) -> bool:
    return not key.startswith(_UNREADABLE)


def _details(contact: Contact | NewContact) -> list[tuple[int, str]]:
    """What is said of a person, blanks left out: a server may drop what it was told, not make it up."""
    texts = (contact.name, contact.custom1, contact.custom2)
    return [(place, folded) for place, text in enumerate(texts) if text and (folded := _folded(text))]


def _folded(text: str) -> str:
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(plain.casefold().split())
