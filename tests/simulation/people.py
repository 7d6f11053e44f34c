"""Phone numbers of a simulation: those of our recipients, and those of strangers.

Each differs from all others in its last seven digits, and none has a run of zeros, which a server writes to hide digits.
"""

from __future__ import annotations

INVALID = "0771"
"""A number that the server refuses."""
_FIRST = 1111
_STRANGERS = 5111


def write_number(campaign: int, index: int) -> str:
    """Return the number of a recipient of one of our campaigns."""
    return f"077{_FIRST + campaign:04}{_FIRST + index:04}"


def write_stranger(campaign: int, index: int) -> str:
    """Return the number of a person who gets only campaigns of others."""
    return f"079{_FIRST + campaign:04}{_STRANGERS + index:04}"
