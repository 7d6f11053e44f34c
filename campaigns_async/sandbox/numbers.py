"""Phone numbers, as Google's library reads them."""

from __future__ import annotations

import functools
import re
from typing import Final

try:
    import phonenumbers
    from phonenumbers import NumberParseException, PhoneNumberType
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        'the sandbox needs phonenumbers: install it with: pip install "campaigns-async[sandbox]"',
        name=_error.name,
    ) from None

_REGION: Final = "GB"
_BLANKS_AND_BRACKETS: Final = str.maketrans("", "", " -().")
_BRITISH_MOBILE: Final = re.compile(r"(?:(?:\+|00)?44)?0?(7[0-9]{9})")
_LONGEST: Final = 250
"""phonenumbers refuses longer text."""


def phone_digits(text: object) -> str | None:
    """The international digits of a mobile number, such as 447700900123; None when it is none.

    Read are ``07…``, ``447…``, ``+447…``, ``0044…``, and other countries' numbers with ``+`` or ``00``.
    What can be a mobile number by its length counts: Ofcom's numbers for fiction are among them.
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    # Twenty times faster, and what phonenumbers says of all of these: a test holds the two together.
    british = _BRITISH_MOBILE.fullmatch(text.translate(_BLANKS_AND_BRACKETS))
    return _digits(text) if british is None else f"44{british[1]}"


@functools.lru_cache(maxsize=65_536)
def _digits(text: str) -> str | None:
    try:
        number = phonenumbers.parse(text, _REGION)
    except NumberParseException:
        return None
    if not phonenumbers.is_possible_number_for_type(number, PhoneNumberType.MOBILE):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]
