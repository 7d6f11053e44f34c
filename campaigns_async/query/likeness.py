"""Texts that differ, or are alike, under the rules of every database.

Which texts are equal depends on a database's collation: case, accents, blanks and punctuation may count or
not, letters may equal others or several (å and aa, ß and ss, v and w), and what a code page lacks becomes a `?`.
What is said here is certain under all of them; the rest is doubt.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Final

Judge = Callable[[str], bool]
Pieces = Sequence[str]
"""A text reduced to what counts everywhere, cut where anything or nothing may stand."""

_NOISE: Final = re.compile(r"[^0-9a-z]+")
_ALIKE: Final = str.maketrans("wy", "vi")  # equal without accents in Swedish and in Lithuanian
_DOUBT: Final = "*"
_FOREIGN: Final = re.compile("[\u0410-\u044f\u4e00-\u9fff\uac00-\ud7a3]")
"""Cyrillic, Chinese and Korean letters, which no collation takes for Latin ones."""
_SELECTORS: Final = range(0xFE00, 0xFE10)
_UPPER: Final = str.maketrans({letter: letter.upper() for letter in "abcdefghjklmnopqrstuvwxyz"})  # Turkish i is not I
_DIGRAPHS: Final = (
    "aa ae cc ch cs dd dh dj dz ff gg gj gy ie ij lj ll ly ng nj nn ny oe ph rh rr rz sh ss sz th tt ty uo xh zh zs zz"
)
_ONE_LETTER: Final = frozenset(_DIGRAPHS.split())
"""Pairs that are one letter in some language, so that half of one is not found in a text."""


def differs(operator: str, value: str) -> Judge:
    """Whether a text surely does not stand in the relation to the value: `==`, `@=`, `_=` or `_-=`."""
    wanted = _pieces(value)
    possible = _POSSIBLE[operator]
    foreign = _FOREIGN.search(value) is not None

    def judge(have: str) -> bool:
        if have == value:
            return False
        if foreign and have.isascii() and "?" not in have:
            return True
        return not possible(wanted, _pieces(have))

    return judge


def is_alike(operator: str, value: str, *, any_case: bool) -> Judge:
    """Whether a text surely stands in the relation to the value: `==`, `@=`, `_=` or `_-=`."""
    standing = _STANDING[operator]
    other_case = value.translate(_UPPER) if any_case and value.isascii() else None

    def judge(have: str) -> bool:
        if standing(value, have):
            return True
        return other_case is not None and have.isascii() and standing(other_case, have.translate(_UPPER))

    return judge


def _pieces(text: str) -> Pieces:
    if text.isascii():
        return (_NOISE.sub("", text.lower()).translate(_ALIKE),)
    kept: list[str] = []
    for character in text:
        if character.isascii():
            kept.append(_NOISE.sub("", character.lower()).translate(_ALIKE))
        elif unicodedata.category(character)[0] == "M":
            if kept and ord(character) not in _SELECTORS:
                kept[-1] = _DOUBT  # with its accent it may be any letter
        elif not _FOREIGN.match(character) and _may_be_letters(character):
            kept.append(_DOUBT)
    return tuple("".join(kept).split(_DOUBT))


def _may_be_letters(character: str) -> bool:
    return unicodedata.category(character)[0] in "LN" or any(map(str.isalnum, unicodedata.normalize("NFKD", character)))


def _may_equal(wanted: Pieces, have: Pieces) -> bool:
    if len(wanted) == 1:
        return _fits(have, wanted[0])
    if len(have) == 1:
        return _fits(wanted, have[0])
    return _may_start(wanted, have) and _may_end(wanted, have)


def _may_contain(wanted: Pieces, have: Pieces) -> bool:
    return len(have) > 1 or _fits(("", *wanted, ""), have[0])


def _may_start(wanted: Pieces, have: Pieces) -> bool:
    if len(have) == 1:
        return _fits((*wanted, ""), have[0])
    return have[0].startswith(wanted[0]) or wanted[0].startswith(have[0])


def _may_end(wanted: Pieces, have: Pieces) -> bool:
    if len(have) == 1:
        return _fits(("", *wanted), have[0])
    return have[-1].endswith(wanted[-1]) or wanted[-1].endswith(have[-1])


def _fits(pieces: Pieces, text: str) -> bool:
    """Whether the text is the pieces with anything or nothing between them."""
    first, *others = pieces
    if not others:
        return first == text
    *middle, last = others
    end = len(text) - len(last)
    if end < len(first) or not text.startswith(first) or not text.endswith(last):
        return False
    at = len(first)
    for piece in middle:
        at = text.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


def _equals(value: str, have: str) -> bool:
    return value == have


def _contains(value: str, have: str) -> bool:
    at = have.find(value) if value else -1
    while at >= 0:
        if _parted(have, at) and _parted(have, at + len(value)):
            return True
        at = have.find(value, at + 1)
    return False


def _starts(value: str, have: str) -> bool:
    return value != "" and have.startswith(value) and _parted(have, len(value))


def _ends(value: str, have: str) -> bool:
    return value != "" and have.endswith(value) and _parted(have, len(have) - len(value))


def _parted(text: str, at: int) -> bool:
    """Whether no collation makes one letter of what stands on both sides of the place."""
    pair = text[at - 1 : at + 1] if at else ""
    return len(pair) < 2 or (pair.isascii() and pair.lower() not in _ONE_LETTER)


_POSSIBLE: Final = {"==": _may_equal, "@=": _may_contain, "_=": _may_start, "_-=": _may_end}
_STANDING: Final = {"==": _equals, "@=": _contains, "_=": _starts, "_-=": _ends}
