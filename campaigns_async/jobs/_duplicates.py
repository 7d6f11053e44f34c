"""Find duplicate phone numbers, in a campaign or in a whole file."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Final

from campaigns_async._phone_numbers import canonicalize

_MAX_DIGITS: Final = 15


def find_duplicates(numbers: Sequence[str]) -> dict[int, int]:
    """Map the index of each duplicate to the index at which its number occurs first."""
    canonical = canonicalize(numbers)
    if len(set(canonical)) == len(canonical):
        return {}
    first: dict[str, int] = {}
    duplicates: dict[int, int] = {}
    for index, number in enumerate(canonical):
        earlier = first.setdefault(number, index)
        if earlier != index:
            duplicates[index] = earlier
    return duplicates


def describe_duplicate(first: str) -> str:
    """Return the fault of a duplicate number that occurs first at the place `first`."""
    return (
        f"is also the number of {first}, which would be texted twice: remove one, "
        'or drop (duplicates="drop") or keep (duplicates="keep") the later ones'
    )


class NumberCollector:
    """A collection of the canonical numbers of a whole file, at 8 bytes each, that finds the duplicates."""

    def __init__(self) -> None:
        self._digits = array("Q")
        self._texts: set[str] = set()
        self._duplicate_texts: set[str] = set()

    def add(self, numbers: Sequence[str]) -> None:
        """Add canonical numbers."""
        if _fit_uint64(numbers):
            self._digits.extend(map(int, numbers))
            return
        for number in numbers:
            if _fit_uint64((number,)):
                self._digits.append(int(number))
            elif number in self._texts:
                self._duplicate_texts.add(number)
            elif number:  # an empty number is reported as another fault
                self._texts.add(number)

    def duplicates(self) -> Collection[str]:
        """Return the numbers that were added more than once."""
        digits = sorted(self._digits)
        return self._duplicate_texts | {str(each) for each, following in pairwise(digits) if each == following}


def _fit_uint64(numbers: Sequence[str]) -> bool:
    """Return True if all numbers are at most 15 digits without a leading zero, which `int` and `str` round-trip."""
    text = "".join(numbers)
    return text.isascii() and text.isdecimal() and min(numbers) >= "1" and max(map(len, numbers)) <= _MAX_DIGITS
