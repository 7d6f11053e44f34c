"""Where in a CSV the contacts stand that the server refused; a journal knows them by their place in a campaign only."""

from __future__ import annotations

import re
from typing import Final

from attrs import evolve

from campaigns_async.jobs.contacts import ContactsPlan
from campaigns_async.jobs.errors import BadLine, BadLineError, JobError
from campaigns_async.jobs.lines import Line, Plan
from campaigns_async.jobs.store import Entry
from campaigns_async.jobs.summary import Summary

_REFUSED: Final = re.compile(r"contacts ([0-9, ]+)(\.\.\.)? \(from 0\) were refused")


def with_places(summary: Summary, plan: Plan) -> Summary:
    """The summary, with lines of the CSV in place of contacts. Reads the file once more, if need be."""
    if not isinstance(plan, ContactsPlan):
        return summary
    wanted = {entry.key for entry in summary.failures if _REFUSED.search(entry.reason or "")}
    if not wanted:
        return summary
    try:
        found = {
            line.key: line
            for line in plan.lines(lambda index: str(index + 1) in wanted)
            if not isinstance(line, BadLine) and line.key in wanted
        }
        failures = tuple(_placed(entry, found.get(entry.key)) for entry in summary.failures)
    except (JobError, BadLineError, IndexError):  # the file is not what it was: better no line than a wrong one
        return summary
    return evolve(summary, failures=failures)


def _placed(entry: Entry, line: Line | None) -> Entry:
    refused = _REFUSED.search(entry.reason or "")
    if refused is None or line is None or line.content != entry.content:
        return entry
    numbers = [str(line.place(int(contact))[0]) for contact in refused[1].split(",") if contact.strip()]
    many = len(numbers) > 1 or refused[2]
    told = f"{'lines' if many else 'line'} {', '.join(numbers)}{', ...' if refused[2] else ''} of the CSV"
    return evolve(entry, reason=_REFUSED.sub(f"{told} {'were' if many else 'was'} refused", entry.reason or ""))
