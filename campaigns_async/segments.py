"""The number of SMS segments of a text (3GPP TS 23.038 and 23.040). No I/O, no state.

A text in the GSM 7-bit alphabet fits in one segment up to 160 units; a longer one has 153 units in each segment. Any
other text is sent as UCS-2, where the limits are 70 and 67 units. A gateway that shortens or transliterates texts, or
uses national shift tables, may need fewer segments.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from attrs import frozen

_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = "\f^{}\\[~]|€"  # two units each: an escape and a character
_GSM_7: Final = re.compile(f"[{re.escape(_BASIC + _EXTENSION)}]*")


class Encoding(StrEnum):
    """The encoding of a text in transit."""

    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


_DOUBLE: Final = {
    Encoding.GSM_7: re.compile(f"[{re.escape(_EXTENSION)}]"),
    Encoding.UCS_2: re.compile("[\U00010000-\U0010ffff]"),
}
"""The characters that take two units."""
_CAPACITY: Final = {Encoding.GSM_7: (160, 153), Encoding.UCS_2: (70, 67)}
"""Units of a text with one segment, and of each segment of a longer text."""


@frozen
class Segments:
    """The size of a text.

    Attributes:
        encoding: The encoding.
        characters: Unicode code points.
        units: Septets of GSM-7, where an extension character counts two, or UTF-16 units of UCS-2.
        parts: The number of segments, from 1: an empty text is sent as one segment.
    """

    encoding: Encoding
    characters: int
    units: int
    parts: int


def segments(text: str) -> Segments:
    """Return the encoding, the units and the segments of a text.

    No escape pair and no surrogate pair is split between two segments.
    """
    encoding = Encoding.GSM_7 if _GSM_7.fullmatch(text) else Encoding.UCS_2
    double = _DOUBLE[encoding]
    units = len(text) + len(double.findall(text))
    single, room = _CAPACITY[encoding]
    if units <= single:
        parts = 1
    elif units == len(text):  # no pair that could be split
        parts = -(-units // room)
    else:
        parts, left = 1, room
        for character in text:
            width = 2 if double.match(character) else 1
            if width > left:
                parts += 1
                left = room
            left -= width
    return Segments(encoding, len(text), units, parts)
