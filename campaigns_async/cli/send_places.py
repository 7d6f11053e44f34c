"""Where in a CSV the contacts stand that the server refused; a journal knows them by their place in a campaign only."""

from __future__ import annotations

import re
from typing import Final

from attrs import evolve

from campaigns_async.jobs.contacts_csv import ContactsPlan
from campaigns_async.jobs.job_errors import BadLine, BadLineError, JobError
from campaigns_async.jobs.journal import Entry
from campaigns_async.jobs.plan_lines import Line, Plan, digest
from campaigns_async.jobs.progress import Summary

_REFUSED: Final = re.compile(r"contacts ([0-9, ]+)(\.\.\.)? \(from 0\) were refused")


def with_places(summary: Summary, plan: Plan) -> Summary:
    """The summary, with lines of the CSV in place of contacts. Reads the file once more, if need be."""
    if not isinstance(plan, ContactsPlan):
        return summary
    wanted = {entry.key for entry in summary.failures if _REFUSED.search(entry.reason or "")}
    if not wanted:
        return summary
    try:
        lines = ((str(place), line) for place, line in enumerate(plan.lines(), 1))
        found = {key: line for key, line in lines if key in wanted and not isinstance(line, BadLine)}
        failures = tuple(_placed(entry, found.get(entry.key)) for entry in summary.failures)
    except (JobError, BadLineError, IndexError):  # the file is not what it was: better no line than a wrong one
        return summary
    return evolve(summary, failures=failures)


def _placed(entry: Entry, line: Line | None) -> Entry:
    refused = _REFUSED.search(entry.reason or "")
    if refused is None or line is None or digest(line.read().body) != entry.content:
        return entry
    numbers = [str(line.place(int(contact))[0]) for contact in refused[1].split(",") if contact.strip()]
    many = len(numbers) > 1 or refused[2]
    told = f"{'lines' if many else 'line'} {', '.join(numbers)}{', ...' if refused[2] else ''} of the CSV"
    return evolve(entry, reason=_REFUSED.sub(f"{told} {'were' if many else 'was'} refused", entry.reason or ""))
