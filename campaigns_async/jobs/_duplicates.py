"""Phone numbers that stand twice, in a campaign or in a whole file."""

from __future__ import annotations

import re
from array import array
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Final

from campaigns_async._reconcile.phone_numbers import to_international

_BRITISH_MOBILES: Final = re.compile("(?:447[0-9]{9}\n)+|(?:07[0-9]{9}\n)+|(?:[+]447[0-9]{9}\n)+")
_MOST_DIGITS: Final = 15
_CUT: Final = {"4": ("", 0), "0": ("44", 1), "+": ("", 1)}
"""What goes in front of a British mobile number, and how much of it is cut, by its first character."""


def canonical_numbers(numbers: Sequence[str]) -> Sequence[str]:
    """Return the numbers in one notation: their international digits if they can be read, else their text."""
    # Nearly always all are British mobiles in one notation: one pass of a regular expression shows it.
    if _BRITISH_MOBILES.fullmatch("\n".join([*numbers, ""])):
        prefix, cut = _CUT[numbers[0][0]]
        return [prefix + number[cut:] for number in numbers] if cut else numbers
    return [to_international(number) or number.strip() for number in numbers]


def find_duplicates(numbers: Sequence[str]) -> dict[int, int]:
    """Map the index of each number that stands before it too to the first index of that number."""
    canonical = canonical_numbers(numbers)
    if len(set(canonical)) == len(canonical):
        return {}
    first: dict[str, int] = {}
    later: dict[int, int] = {}
    for index, number in enumerate(canonical):
        earlier = first.setdefault(number, index)
        if earlier != index:
            later[index] = earlier
    return later


def describe_duplicate(where: str) -> str:
    """Return what is wrong with a number that stands at `where` too."""
    return (
        f"is the number of {where} too, who would be texted twice: take one out, "
        'or have the later ones dropped (duplicates="drop") or kept (duplicates="keep")'
    )


class NumberCollector:
    """Collects the numbers of a whole file, in eight bytes each, to tell which of them stand there twice."""

    def __init__(self) -> None:
        self._digits = array("Q")
        self._texts: set[str] = set()
        self._repeated: set[str] = set()

    def add(self, numbers: Sequence[str]) -> None:
        """Take numbers in the one notation."""
        if _are_digits(numbers):
            self._digits.extend(map(int, numbers))
            return
        for number in numbers:
            if _are_digits((number,)):
                self._digits.append(int(number))
            elif number in self._texts:
                self._repeated.add(number)
            elif number:  # a missing number is another fault
                self._texts.add(number)

    def repeated(self) -> Collection[str]:
        """Return the numbers that were added twice or more."""
        digits = sorted(self._digits)
        return self._repeated | {str(each) for each, following in pairwise(digits) if each == following}


def _are_digits(numbers: Sequence[str]) -> bool:
    """Return True if all are at most 15 digits and none begins with 0, so that they fit an int and come back."""
    text = "".join(numbers)
    return text.isascii() and text.isdecimal() and min(numbers) >= "1" and max(map(len, numbers)) <= _MOST_DIGITS
