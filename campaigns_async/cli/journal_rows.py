"""Rows of a journal as JSON and as words, without texts, names and numbers of a campaign."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from campaigns_async.cli.console import printable
from campaigns_async.effects import State
from campaigns_async.jobs.journal import Entry

_SHOWN: Final = 10
MEANING: Final = {
    State.PLANNED: "not sent",
    State.SENDING: "possibly sent: on its way, or cut off",
    State.CREATED: "on the server",
    State.FAILED: "refused, not on the server",
    State.UNKNOWN: "possibly sent: the outcome is unknown",
}


def row_to_dict(entry: Entry) -> dict[str, Any]:
    """Return a row as JSON values, with times in UTC as ISO 8601."""
    return {
        "key": entry.key,
        "state": entry.state.name.lower(),
        "campaign_id": entry.campaign_id,
        "attempts": entry.attempts,
        "attempted_at": format_time(entry.attempted_at),
        "ended_at": format_time(entry.ended_at),
        "reason": reason_of(entry),
        "surely_done": entry.surely_done,
        "leads": [
            {
                "campaign_id": lead.campaign_id,
                "recipient_count": lead.recipient_count,
                "status": lead.status,
                "start": lead.start,
            }
            for lead in entry.leads
        ],
    }


def format_time(seconds: float | None) -> str | None:
    """Return a time in UTC, to the second."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def reason_of(entry: Entry) -> str | None:
    """Return why a row failed or is unknown, with the contacts that the server refused."""
    if not entry.refused_contacts:
        return entry.reason
    return f"{entry.reason}: contacts {first_of(entry.refused_contacts)} (from 0) were refused"


def first_of(numbers: Sequence[int]) -> str:
    """Return the first ten numbers in words."""
    return ", ".join(map(str, numbers[:_SHOWN])) + (", ..." if len(numbers) > _SHOWN else "")


def details_of(entry: Entry) -> str:
    """Return what there is to say of a row beside its key and its state."""
    parts = [reason_of(entry) or ""]
    if entry.surely_done:
        parts.append("the server said that it was created, and not under which id")
    if entry.leads:
        parts.append(f"may be {', '.join(lead.campaign_id for lead in entry.leads)}")
    return printable("; ".join(part for part in parts if part))
