"""One notation for phone numbers: the digits of E.164, `447700900123`.

A number without a country is taken for a British one, as the provider is. Two that are one person's come out
equal, or end alike, or one of them cannot be read; nobody may conclude more from their being unequal.
"""

from __future__ import annotations

import re
import unicodedata

_BARE = re.compile(r"\+?[0-9]+", re.ASCII)
_SHAPE = re.compile(r"\(?\+?[0-9()./-]*", re.ASCII)
_MASKED = re.compile(r"[./-]{2}|\(\)")  # `07700---123`: no separators, but digits withheld
_BETWEEN = re.compile(r"[()./-]")
_BRACKETS = str.maketrans("[]{}", "()()")

_SHORTEST = 8
_LONGEST = 15
_BRITISH = "44"
_BRITISH_MOBILE = re.compile(r"447[0-9]{9}", re.ASCII)
_BRITISH_LENGTHS = (11, 12)
_ENDING = 7


def international(text: str) -> str | None:
    """The digits of a phone number with its country code; None when they cannot be told.

    Reads `+44 (0)7700 900123`, `0044…`, `44…`, `440…`, the British national `07…`, any separators, and digits of
    any script. Letters and masks cannot be read; nor can `+0…`, and more than 15 digits.
    """
    bare = text if _BARE.fullmatch(text) else _bare(text)
    if bare is None:
        return None
    digits = bare.removeprefix("+")
    if digits.startswith("00"):
        digits = digits[2:]
    elif digits.startswith("0") and not bare.startswith("+"):
        digits = _BRITISH + digits[1:]
    if digits.startswith(_BRITISH + "0"):
        digits = _BRITISH + digits[3:]
    if digits[:1] in ("", "0") or digits == _BRITISH or len(digits) > _LONGEST:
        return None
    return digits


def is_possible(number: str) -> bool:
    """Whether a server may well take a number (in the one notation) for a mobile phone's."""
    if number.startswith(_BRITISH):
        return _BRITISH_MOBILE.fullmatch(number) is not None
    return len(number) >= _SHORTEST


def is_whole(number: str) -> bool:
    """Whether a number (in the one notation) has the length of one that nothing was cut from or withheld."""
    if number.startswith(_BRITISH):
        return len(number) in _BRITISH_LENGTHS
    return len(number) >= _SHORTEST


def ending(number: str) -> str:
    """What any notation of a number (in the one notation) ends in: up to seven digits, without the country.

    Another country's national number was taken for a British one; its last digits are right all the same.
    """
    national = number.removeprefix(_BRITISH) or number
    return national[-_ENDING:]


def _bare(text: str) -> str | None:
    """Digits, behind a plus where one was; None where there is more than separators between them."""
    plain = text if text.isascii() else "".join(map(_plain_character, text))
    plain = "".join(plain.split()).translate(_BRACKETS)
    if not _SHAPE.fullmatch(plain) or _MASKED.search(plain):
        return None
    return _BETWEEN.sub("", _without_trunk_zero(plain))


def _plain_character(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category in ("Cc", "Cf") or character.isspace():  # an address book's direction marks, for one
        return ""
    if category == "Pd" or character == "\N{MINUS SIGN}":
        return "-"
    if category in ("Ps", "Pe", "Po", "Sm"):  # not of all: a footnote's little digit is none of the number's
        return unicodedata.normalize("NFKC", character)
    return character


def _without_trunk_zero(plain: str) -> str:
    """`+44(0)7700…` without the zero that is dialled at home only; `(0)7700…` is at home."""
    before, _, after = plain.partition("(0)")
    abroad = before.startswith(("+", "(+", "00")) or before.lstrip("(")[:1] not in ("", "0")
    return before + after if abroad else plain
