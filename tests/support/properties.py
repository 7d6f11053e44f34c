"""The number of examples of a property."""

from __future__ import annotations

from hypothesis import settings


def more_examples(times: int) -> settings:
    """Return settings for several times the examples of the profile: for properties that are cheap to try."""
    return settings(max_examples=times * settings.default.max_examples)
