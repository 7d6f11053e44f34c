"""Convert phone numbers to one notation, the digits of E.164: `447700900123`.

A number without a country code is parsed as British, as the provider does. Two notations of one phone number yield the
same digits, or digits with the same ending, or one of them cannot be parsed. So different digits alone do not prove
that two numbers differ.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

_BARE = re.compile(r"\+?[0-9]+", re.ASCII)
_SHAPE = re.compile(r"\(?\+?[0-9()./-]*", re.ASCII)
_MASKED = re.compile(r"[./-]{2}|\(\)")  # `07700---123`: hidden digits, no separators
_BETWEEN = re.compile(r"[()./-]")
_BRACKETS = str.maketrans("[]{}", "()()")

_SHORTEST = 8
_LONGEST = 15
_BRITISH = "44"
_MOBILE = "7[0-9]{9}"  # a British one, in its national part
_BRITISH_MOBILE = re.compile(f"44{_MOBILE}")
_BRITISH_MOBILES = re.compile(rf"(?:(?:\+44|0044|44|0){_MOBILE}\n)+")
_MOBILES_IN_ONE_NOTATION = re.compile(rf"(?:44{_MOBILE}\n)+|(?:0{_MOBILE}\n)+|(?:\+44{_MOBILE}\n)+")
# By the first character of a British mobile number: the prefix to add, and the number of characters to remove.
_REPLACED_PREFIXES = {"4": ("", 0), "0": ("44", 1), "+": ("", 1)}
_BRITISH_LENGTHS = (11, 12)
_SUFFIX_LENGTH = 7


def to_international(text: str) -> str | None:
    """Return the digits of a phone number with its country code, or None if it cannot be parsed.

    Accepts `+44 (0)7700 900123`, `0044…`, `44…`, `440…`, the British national `07…`, any separators, and digits of
    any script. Rejects letters, masks, `+0…`, and more than 15 digits.
    """
    bare = text if _BARE.fullmatch(text) else _strip_separators(text)
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


def canonicalize(numbers: Sequence[str]) -> Sequence[str]:
    """Return each number's international digits, or its text if it cannot be parsed."""
    # Nearly all lists are British mobiles in one notation, which a single regular expression recognizes.
    if _MOBILES_IN_ONE_NOTATION.fullmatch("\n".join([*numbers, ""])):
        prefix, removed = _REPLACED_PREFIXES[numbers[0][0]]
        return [prefix + number[removed:] for number in numbers] if removed else numbers
    return [to_international(number) or number.strip() for number in numbers]


def are_british_mobiles(numbers: Iterable[str]) -> bool:
    """Return True if all numbers are British mobiles without separators: `+447…`, `00447…`, `447…` or `07…`."""
    return _BRITISH_MOBILES.fullmatch("\n".join([*numbers, ""])) is not None


def may_be_mobile(number: str) -> bool:
    """Return True if a server may accept `number`, in international digits, as a mobile number."""
    if number.startswith(_BRITISH):
        return _BRITISH_MOBILE.fullmatch(number) is not None
    return len(number) >= _SHORTEST


def is_complete(number: str) -> bool:
    """Return True if `number`, in international digits, is long enough to have no digits cut off or hidden."""
    if number.startswith(_BRITISH):
        return len(number) in _BRITISH_LENGTHS
    return len(number) >= _SHORTEST


def suffix_of(number: str) -> str:
    """Return the digits, seven at most, with which every notation of `number`, in international digits, ends.

    A national number of another country is parsed as British. Its last digits are right nevertheless.
    """
    national = number.removeprefix(_BRITISH) or number
    return national[-_SUFFIX_LENGTH:]


def _strip_separators(text: str) -> str | None:
    """Return the digits, with the plus sign if there is one, or None if the text has other characters than separators."""
    plain = text if text.isascii() else "".join(map(_to_ascii, text))
    plain = "".join(plain.split()).translate(_BRACKETS)
    if not _SHAPE.fullmatch(plain) or _MASKED.search(plain):
        return None
    return _BETWEEN.sub("", _strip_trunk_zero(plain))


def _to_ascii(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category in ("Cc", "Cf") or character.isspace():  # e.g. direction marks from an address book
        return ""
    if category == "Pd" or character == "\N{MINUS SIGN}":
        return "-"
    if category in ("Ps", "Pe", "Po", "Sm"):  # not every category: a superscript digit is not part of the number
        return unicodedata.normalize("NFKC", character)
    return character


def _strip_trunk_zero(plain: str) -> str:
    """Drop the zero of `+44(0)7700…`, which is only dialled within the country. Keep the zero of `(0)7700…`."""
    before, _, after = plain.partition("(0)")
    abroad = before.startswith(("+", "(+", "00")) or before.lstrip("(")[:1] not in ("", "0")
    return before + after if abroad else plain
