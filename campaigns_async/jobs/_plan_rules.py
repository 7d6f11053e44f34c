"""The rules of a plan: which contacts are refused, dropped or left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from attrs import define, field, frozen

from campaigns_async._checks import check_choice, check_instance
from campaigns_async._phone_numbers import GB, is_destroyed, is_region
from campaigns_async.errors import ConfigurationError
from campaigns_async.jobs.job_errors import BadLine

Duplicates: TypeAlias = Literal["refuse", "keep", "drop"]
InvalidNumbers: TypeAlias = Literal["refuse", "report"]
_SHOWN = 20
_DESTROYED = (
    "was changed by a spreadsheet, and digits may be lost: format the column as text and enter the number again"
)
_UNREADABLE = (
    "cannot be read as one phone number: write it as +447700900123, or go on without it "
    '(invalid_numbers="report", --invalid-numbers report)'
)


class UnreadableNumber(BadLine):
    """A contact whose number cannot be read."""


class LeftOut(BadLine):
    """A contact that is left out because its number cannot be read."""


@define
class Finding:
    """A kind of fault that does not stop a run, and the places where it occurs.

    Attributes:
        count: The number of occurrences.
        places: The first 20 occurrences, such as `line 3: contacts[2].phoneNumber`.
    """

    count: int = 0
    places: list[str] = field(factory=list[str])

    def add(self, number: int, name: str) -> None:
        """Add an occurrence: a line number and a field."""
        if self.count < _SHOWN:
            self.places.append(f"line {number}: {name}")
        self.count += 1


@frozen
class PlanRules:
    """The options that decide how a line becomes a request body."""

    duplicates: Duplicates = "refuse"
    allow_braces: bool = False
    default_region: str = GB
    invalid_numbers: InvalidNumbers = "refuse"

    def __attrs_post_init__(self) -> None:
        check_choice("duplicates", self.duplicates, ("refuse", "keep", "drop"))
        check_instance("allow_braces", self.allow_braces, bool)
        check_choice("invalid_numbers", self.invalid_numbers, ("refuse", "report"))
        if not is_region(check_instance("default_region", self.default_region, str)):
            raise ConfigurationError(
                'default_region must be a country code of ISO 3166 in two capital letters: "GB", or another such as "FR" if '
                'phonenumbers is installed, as with pip install "campaigns-async[cli]"',
                parameter="default_region",
            )

    @property
    def digest_person(self) -> bytes:
        """BLAKE2's `person`, at most 16 bytes, so that equal lines have different digests under different rules."""
        return (
            f"{self.duplicates} {self.allow_braces}{'' if self.default_region == GB else self.default_region}".encode()
        )

    @property
    def leaves_out(self) -> bool:
        """True if contacts with an unreadable number are left out. Then each run reads each line, to report them."""
        return self.invalid_numbers == "report"

    def to_fault(self, number: int, name: str, text: str) -> BadLine:
        """Return the fault of a number that cannot be read."""
        kind = LeftOut if self.leaves_out else UnreadableNumber
        return kind(number, name, _DESTROYED if is_destroyed(text) else _UNREADABLE)


def find_duplicates(canonical: Sequence[str]) -> dict[int, int]:
    """Map the index of each duplicate to the index at which its number occurs first. Empty texts are skipped."""
    if len(set(canonical)) == len(canonical):
        return {}
    first: dict[str, int] = {}
    earlier = {index: first.setdefault(number, index) for index, number in enumerate(canonical) if number}
    return {index: place for index, place in earlier.items() if place != index}


def describe_duplicate(first: str) -> str:
    """Return the reason to refuse a duplicate number, which first occurs at the place `first`."""
    return (
        f"is also the number of {first}, which would be texted twice: remove one, "
        'or drop (duplicates="drop", --duplicates drop) or keep (duplicates="keep", --duplicates keep) the later ones'
    )
