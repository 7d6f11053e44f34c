"""How like what was sent a thing on the server is."""

from __future__ import annotations

from enum import IntEnum


class Likeness(IntEnum):
    """The likeness of a whole is the least of its parts', so `min` joins them."""

    OTHER = 0
    """It cannot be what was sent."""
    MAYBE = 1
    """It may be, and cannot be proved."""
    OURS = 2
    """It is, as far as can be told from outside."""
