"""Magic recipients: numbers of Ofcom's range for fiction that decide what happens.

| number | N | what happens |
|---|---|---|
| 07700 9000NX | 0 | delivered |
| | 1 | undeliverable |
| | 2 | rejected |
| | 3 | an invalid number: refused, or left out |
| | 4 | failed, no credit |
| | 5 | the create answers 429 with ``Retry-After: 1``, and nothing was done |
| | 6 | the create answers 500, and nothing was done |
| | 7 | the create answers a bare 503, and nothing was done |
| | 8 | the campaign is created, and the create never answered |
| | 9 | the campaign is created, and the connection reset |

X is any digit, so that tests side by side need not share numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .faults import Fault
from .numbers import phone_digits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PREFIX: Final = "4477009000"
_LENGTH: Final = 12
_INVALID: Final = "3"

SENT: Final = 0
DELIVERED: Final = 1
_MESSAGE_STATUSES: Final[Mapping[str, int]] = {"1": 5, "2": 7, "4": 1000}
_FAULTS: Final[Mapping[str, Fault]] = {
    "5": Fault(operation="create", status=429, headers={"Retry-After": "1"}),
    "6": Fault(operation="create", status=500),
    "7": Fault(operation="create", status=503),
    "8": Fault(operation="create", hang=True),
    "9": Fault(operation="create", act=True, drop="reset"),
}


def _choice(digits: str | None) -> str:
    if digits is None or len(digits) != _LENGTH or not digits.startswith(_PREFIX):
        return ""
    return digits[len(_PREFIX)]


def magic_digits(text: object) -> str | None:
    """The international digits of a mobile number; None when it is none, by its form or by magic."""
    digits = phone_digits(text)
    return None if _choice(digits) == _INVALID else digits


def message_status(digits: str | None) -> int:
    """The status that a message to this number ends with."""
    return _MESSAGE_STATUSES.get(_choice(digits), DELIVERED)


def magic_fault(recipients: Iterable[str]) -> Fault | None:
    """What meets a create to these international digits: the first number that decides it."""
    return next((fault for digits in recipients if (fault := _FAULTS.get(_choice(digits)))), None)
