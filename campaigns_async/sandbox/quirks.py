"""Answers whose exact form nobody knows: one switch for each."""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Literal

from attrs import field, frozen, validators

if TYPE_CHECKING:
    from collections.abc import Callable

DateStyle = Literal["milliseconds", "bare", "seven_digits", "offset"]
PhoneStyle = Literal["plus", "digits", "national"]


@frozen(kw_only=True)
class Quirks:
    """How this provider's answers look, where its documentation leaves it open.

    Attributes:
        bare_id: Answer a create with the id as bare ``text/plain``, not as a JSON string.
        list_in_array: Wrap the list of campaigns in an array of one element.
        dates: How start times are written: ``2024-01-10T09:00:00.000Z`` (milliseconds),
            without a zone (bare), with seven digits, or shifted to ``+01:00`` (offset).
            None: as they are stored.
        phones: The notation in which numbers of created contacts are stored: ``+447…``
            (plus), ``447…`` (digits) or ``07…`` (national). None: as they came.
        message_text: Applied to each message before it is stored, such as ``str.rstrip``.
        default_page_size: Rows on a page when none is asked for, from 1.
        max_page_size: Caps the rows taken, but not those skipped: rows between pages vanish.
            None: no cap.
        zone: The server's own time zone, to which filter dates with ``Z`` or an offset are
            brought before they are compared.
        strict_filters: Answer 400 to filters and sorts that the provider's server silently drops.
    """

    bare_id: bool = False
    list_in_array: bool = False
    dates: DateStyle | None = field(
        default=None,
        validator=validators.in_((None, "milliseconds", "bare", "seven_digits", "offset")),
    )
    phones: PhoneStyle | None = field(default=None, validator=validators.in_((None, "plus", "digits", "national")))
    message_text: Callable[[str], str] | None = None
    default_page_size: int = field(default=10, validator=validators.ge(1))
    max_page_size: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    zone: tzinfo = UTC
    strict_filters: bool = False
