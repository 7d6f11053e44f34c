"""Convert phone numbers to one notation, the digits of E.164: `447700900123`.

A number without a country code is parsed as British, as the provider does. Two notations of one phone number yield the
same digits, or digits with the same ending, or one of them cannot be parsed. So different digits alone do not prove
that two numbers differ.

British numbers are parsed here. phonenumbers, if it is installed, finds the trunk zeros of other countries; default
regions other than GB need it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

GB: Final = "GB"

_BARE = re.compile(r"\+?[0-9]+", re.ASCII)
_SHAPE = re.compile(r"\(?\+?[0-9()./-]*", re.ASCII)
_MASKED = re.compile(r"[./-]{2}|\(\)")  # `07700---123`: hidden digits, no separators
_BETWEEN = re.compile(r"[()./-]")
# What a spreadsheet makes of a number: `447700900123.0` (phonenumbers reads 4477009001230), `4,47701E+11`, a date, `#REF!`.
_DESTROYED = re.compile(
    r"[+-]?[0-9]+[.,][0-9]{1,2}|[+-]?[0-9][.,][0-9]*|[+-]?[0-9]+([.,][0-9]*)?e[+-]?[0-9]+"
    r"|[0-9]{1,2}([./-])[0-9]{1,2}\2([0-9]{2}){1,2}|[0-9]{4}([./-])[0-9]{1,2}\4[0-9]{1,2}|#.*",
    re.ASCII | re.IGNORECASE,
)
# What spreadsheets and address books add: `="07…"`, `'+44…`, `Mob: 07…`, `tel:+44…`, `07…;`. Other words may mean `not`.
_WRAPPED = re.compile(
    r"[='\"`]*(?:(?:mobile?|mob|cell|telephone|tel|phone|ph|handy|gsm|sms|whatsapp|[mtp])(?:number|num|no|nr)?[.:#]{0,2}){0,3}"
    r"([(+0-9][0-9()+./-]*)['\"`;,]*",
    re.ASCII | re.IGNORECASE,
)
_BRACKETS = str.maketrans("[]{}", "()()")

_SHORTEST = 8
_LONGEST = 15
_NATIONAL_LENGTH = 10  # of a British number, without its zero
_BRITISH = "44"
_MOBILE = "7[0-9]{9}"  # a British one, in its national part
_BRITISH_MOBILE = re.compile(f"44{_MOBILE}")
_DOUBLED_CODE = re.compile(f"440?44{_MOBILE}")
_BRITISH_MOBILES = re.compile(rf"(?:(?:\+44|0044|44|0){_MOBILE}\n)+")
_MOBILES_IN_ONE_NOTATION = re.compile(rf"(?:44{_MOBILE}\n)+|(?:0{_MOBILE}\n)+|(?:\+44{_MOBILE}\n)+|(?:{_MOBILE}\n)+")
# By the first character of a British mobile number: the prefix to add, and the number of characters to remove.
_REPLACED_PREFIXES = {"4": ("", 0), "0": ("44", 1), "+": ("", 1), "7": ("44", 0)}
_BRITISH_LENGTHS = (11, 12)
_SUFFIX_LENGTH = 7
_TWO_DIGITS = "2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"  # the country codes that have two
_MAY_HAVE_TRUNK = re.compile(  # such as +49 0171…, +375 8…, +54 11 15…
    rf"(?:{_TWO_DIGITS}|(?!{_TWO_DIGITS})[2-9][0-9]{{2}})0[0-9]*|37[05]8[0-9]*|54[0-9]{{12}}", re.ASCII
)
# Digits that some write and others leave out: +7 8912…, +52 1 55…, +54 9 11…
_OPTIONAL = re.compile(r"(?:(7)8|(52)1|(54)9)([0-9]{10})", re.ASCII)


def to_international(text: str) -> str | None:
    """Return the digits of a phone number with its country code, or None if it cannot be parsed as one number.

    Accepts `+44 (0)7700 900123`, `0044…`, `44…`, `440…`, the British national `07…`, also without its zero, any
    separators, digits of any script, and what spreadsheets and address books put around a number. Rejects other letters,
    masks, decimal numbers, dates, `+0…`, and more than 15 digits.
    """
    bare = text if _BARE.fullmatch(text) else _strip(text)
    if bare is None:
        return None
    digits = bare.removeprefix("+")
    is_abroad = bare != digits
    if digits.startswith("00"):
        digits, is_abroad = digits[2:], True
    elif digits.startswith("0") and not is_abroad:
        digits = _BRITISH + digits[1:]
    if digits.startswith(_BRITISH + "0"):
        digits = _BRITISH + digits[3:]
    if digits[:1] in ("", "0") or digits == _BRITISH or len(digits) > _LONGEST:
        return None
    if digits.startswith(_BRITISH):
        return None if _DOUBLED_CODE.fullmatch(digits) else digits
    if len(digits) == _NATIONAL_LENGTH and digits[0] in "127":
        # No country has ten digits from 1 or 7, but London and Cape Verde share numbers from 2.
        if digits[0] == "2":
            return digits if is_abroad else None
        return None if is_abroad else _BRITISH + digits
    if _MAY_HAVE_TRUNK.fullmatch(digits):
        digits = _parse("+" + digits) or digits
    return "".join(filter(None, optional.groups())) if (optional := _OPTIONAL.fullmatch(digits)) else digits


def _parse(text: str, region: str | None = None) -> str | None:
    """Return the digits of a valid number; None if it is not valid, or phonenumbers is not installed."""
    with suppress(ModuleNotFoundError):
        import phonenumbers  # noqa: PLC0415  # an extra, and slow to import

        with suppress(phonenumbers.NumberParseException):
            number = phonenumbers.parse(text, region)
            if phonenumbers.is_valid_number(number):
                return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]
    return None


def is_region(region: str) -> bool:
    """Return True if numbers of a default region can be parsed. All but GB need phonenumbers."""
    if region == GB:
        return True
    with suppress(ModuleNotFoundError):
        from phonenumbers import SUPPORTED_REGIONS  # noqa: PLC0415  # as above

        return region in SUPPORTED_REGIONS
    return False


def localize(text: str, region: str) -> str:
    """Return a number as it must be sent if its default region is not GB; empty if it cannot be parsed as one number."""
    bare = _strip(text) or ""
    if bare.startswith(("+", "00")):
        return text
    readings = {_parse(bare, region), None if bare.startswith("0") else _parse(f"+{bare}")} - {None}
    return f"+{readings.pop()}" if len(readings) == 1 else ""


def read_numbers(numbers: Sequence[str]) -> Sequence[str]:
    """Return each number's international digits, or an empty text if it cannot be parsed."""
    # Nearly all lists are British mobiles in one notation, which a single regular expression recognizes.
    if _MOBILES_IN_ONE_NOTATION.fullmatch(_to_lines(numbers)):
        prefix, removed = _REPLACED_PREFIXES[numbers[0][0]]
        return [prefix + number[removed:] for number in numbers] if prefix or removed else numbers
    return [to_international(number) or "" for number in numbers]


def is_destroyed(text: str) -> bool:
    """Return True if a spreadsheet made the text of a phone number, whose digits may be lost."""
    return _DESTROYED.fullmatch(_to_plain(text).strip("'\"=`")) is not None


def are_british_mobiles(numbers: Iterable[str]) -> bool:
    """Return True if all numbers are British mobiles without separators: `+447…`, `00447…`, `447…` or `07…`."""
    return _BRITISH_MOBILES.fullmatch(_to_lines([*numbers])) is not None


def _to_lines(numbers: Sequence[str]) -> str:
    """Return the numbers, one a line; nothing if one of them has a line break, which would make it two."""
    text = "\n".join([*numbers, ""])
    return text if text.count("\n") == len(numbers) else ""


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


def _strip(text: str) -> str | None:
    """Return the digits, with the plus sign if there is one, or None if the text has more in it than one number."""
    plain = _to_plain(text)
    if not _SHAPE.fullmatch(plain) and (wrapped := _WRAPPED.fullmatch(plain)):
        plain = wrapped[1]
    if not _SHAPE.fullmatch(plain) or _MASKED.search(plain) or _DESTROYED.fullmatch(plain):
        return None
    return _BETWEEN.sub("", _strip_trunk_zero(plain))


def _to_plain(text: str) -> str:
    plain = text if text.isascii() else "".join(map(_to_ascii, text))
    return "".join(plain.split()).translate(_BRACKETS)


def _to_ascii(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category in ("Cc", "Cf") or character.isspace():  # e.g. direction marks from an address book
        return ""
    if category == "Pd" or character == "\N{MINUS SIGN}":
        return "-"
    if category in ("Pi", "Pf", "Sk"):  # curly quotes
        return "'"
    if category in ("Ps", "Pe", "Po", "Sm"):  # not every category: a superscript digit is not part of the number
        return unicodedata.normalize("NFKC", character)
    return character


def _strip_trunk_zero(plain: str) -> str:
    """Drop the zero of `+44(0)7700…`, which is only dialled within the country. Keep the zero of `(0)7700…`."""
    before, _, after = plain.partition("(0)")
    abroad = before.startswith(("+", "(+", "00")) or before.lstrip("(")[:1] not in ("", "0")
    return before + after if abroad else plain
