"""Phone numbers of a plan: which stand twice, and which no mobile phone can have."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Final

from campaigns_async._reconcile.phone_numbers import to_international

_ONE_NOTATION: Final = re.compile(
    "(?:447[0-9]{9}\n)+|(?:07[0-9]{9}\n)+|(?:[+]447[0-9]{9}\n)+|(?:[+]44 7[0-9]{3} [0-9]{6}\n)+"
)
_LONGEST: Final = 250
"""phonenumbers refuses longer text."""


def doubles(numbers: Sequence[str]) -> dict[int, int]:
    """Each place whose number stands before it too, with the first place of that number."""
    if len(set(numbers)) == len(numbers) and _ONE_NOTATION.fullmatch("\n".join([*numbers, ""])):
        return {}  # what is written alike and differs is different
    first: dict[str, int] = {}
    later: dict[int, int] = {}
    for index, number in enumerate(numbers):
        earlier = first.setdefault(one_notation(number), index)
        if earlier != index:
            later[index] = earlier
    return later


def one_notation(number: str) -> str:
    """By what a number is compared: its international digits where they can be told, else its text."""
    return to_international(number) or number.strip()


class Seen:
    """The numbers of a whole file with the places where they stood first, in some 6 bytes each.

    Digits are kept in sorted buckets of their last 16 bits, so that a million people need a few megabytes, not a
    hundred; what is no number is kept as it is.
    """

    def __init__(self) -> None:
        self._buckets: dict[int, tuple[array[int], array[int]]] = {}
        self._texts: dict[str, int] = {}

    def first(self, number: str, place: int) -> int:
        """The place where a number stood first: the one given, from 0 to 2**32 - 1, if it is new."""
        digits = to_international(number)
        if digits is None:
            return self._texts.setdefault(number.strip(), place)
        high, low = divmod(int(digits), 65_536)
        bucket = self._buckets.get(high)
        if bucket is None:
            self._buckets[high] = array("H", (low,)), array("I", (place,))
            return place
        lows, places = bucket
        at = bisect_left(lows, low)
        if at < len(lows) and lows[at] == low:
            return places[at]
        lows.insert(at, low)
        places.insert(at, place)
        return place


_BRITISH_MOBILE: Final = re.compile(r"(?:\+44|0044|44|0)7[0-9]{9}")


def number_test() -> Callable[[str], bool]:
    """A test whether a number can be a mobile phone's, as Google's library reads it from Britain.

    Raises:
        ModuleNotFoundError: phonenumbers is not installed; says how to install it.
    """
    try:
        import phonenumbers  # noqa: PLC0415  # an extra, and slow to import
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'telling invalid numbers needs phonenumbers: install it with: pip install "campaigns-async[cli]"',
            name=error.name,
        ) from None
    mobile = phonenumbers.PhoneNumberType.MOBILE

    def is_possible(number: str) -> bool:
        if _BRITISH_MOBILE.fullmatch(number):  # by far the most; the library takes 20 times as long
            return True
        if len(number) > _LONGEST:
            return False
        try:
            parsed = phonenumbers.parse(number, "GB")
        except phonenumbers.NumberParseException:
            return False
        return phonenumbers.is_possible_number_for_type(parsed, mobile)

    return is_possible
