"""How many SMS parts a text takes (3GPP TS 23.038 and 23.040). Pure.

A text that the GSM 7-bit alphabet can say takes 160 units in one part, or 153 in each of several; any other is
sent as UCS-2, with 70 or 67. A gateway that shortens, transliterates or uses national shift tables may count less.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from attrs import frozen

_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = "\f^{}\\[~]|€"  # each behind an escape: two units
_GSM_7: Final = re.compile(f"[{re.escape(_BASIC + _EXTENSION)}]*")
_EXTENDED: Final = re.compile(f"[{re.escape(_EXTENSION)}]")


class Encoding(StrEnum):
    """How a text travels."""

    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


_ROOM: Final = {Encoding.GSM_7: (160, 153), Encoding.UCS_2: (70, 67)}
"""Units of a text that is alone, and of each part of a longer one."""


@frozen
class Segments:
    """What a text takes."""

    encoding: Encoding
    characters: int
    """Unicode's."""
    units: int
    """Septets of GSM-7, an extension character counting two; UTF-16 units of UCS-2, an emoji counting two or more."""
    parts: int
    """From 1: an empty text is sent as well."""


def segments(text: str) -> Segments:
    """The encoding, the units and the parts of a text. No escape pair and no surrogate pair straddles two parts."""
    if _GSM_7.fullmatch(text):
        encoding, double = Encoding.GSM_7, _EXTENDED
        units = len(text) + len(_EXTENDED.findall(text))
    else:
        encoding, double = Encoding.UCS_2, _ASTRAL
        units = len(text) + len(_ASTRAL.findall(text))
    alone, room = _ROOM[encoding]
    if units <= alone:
        parts = 1
    elif units == len(text):  # nothing that could straddle
        parts = -(-units // room)
    else:
        parts = _filled((2 if double.match(character) else 1 for character in text), room)
    return Segments(encoding, len(text), units, parts)


_ASTRAL: Final = re.compile("[\U00010000-\U0010ffff]")


def _filled(widths: Iterable[int], room: int) -> int:
    """How many parts are filled in turn, what does not fit beginning the next."""
    parts, left = 1, room
    for width in widths:
        if width > left:
            parts += 1
            left = room
        left -= width
    return parts
