"""The time of day in a simulation, by the seconds of its loop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(2030, 1, 1, tzinfo=UTC)


def time_of_day(seconds: float) -> datetime:
    """Return the time of day at a time of the loop."""
    return _EPOCH + timedelta(seconds=seconds)


def write_start(moment: datetime) -> str:
    """Return a start time as the server stores it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
