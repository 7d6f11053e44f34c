"""Durable sends: a plan and a journal, so that after a crash no campaign is lost or sent twice.

    summary = await send(client, "plan.ndjson", journal="run.sqlite")

The journal records each row of the plan as *sending* before its request is sent, and its outcome afterwards. The next run
continues where this one stopped. It searches the server for rows whose outcome is unknown, and sends a row again only if
it is not there.
"""

from campaigns_async.effects import State
from campaigns_async.jobs._plan_rules import Finding
from campaigns_async.jobs.contacts_csv import contacts_plan
from campaigns_async.jobs.job import Job, send
from campaigns_async.jobs.job_errors import (
    BadLine,
    BadLineError,
    JobError,
    JournalError,
    JournalInUseError,
    JournalWriteError,
    PlanChangedError,
    PlanError,
    PreflightError,
)
from campaigns_async.jobs.journal import JournalRow, Mark, PossibleMatch
from campaigns_async.jobs.plans import AnyPlan, Line, Plan, ndjson_plan, rows_plan
from campaigns_async.jobs.progress import Phase, Progress, Summary
from campaigns_async.jobs.sqlite_reader import JournalReader, open_journal

__all__ = [
    "AnyPlan",
    "BadLine",
    "BadLineError",
    "Finding",
    "Job",
    "JobError",
    "JournalError",
    "JournalInUseError",
    "JournalReader",
    "JournalRow",
    "JournalWriteError",
    "Line",
    "Mark",
    "Phase",
    "Plan",
    "PlanChangedError",
    "PlanError",
    "PossibleMatch",
    "PreflightError",
    "Progress",
    "State",
    "Summary",
    "contacts_plan",
    "ndjson_plan",
    "open_journal",
    "rows_plan",
    "send",
]
