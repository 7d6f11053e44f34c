"""Durable sends: a plan, a journal, and nothing lost or sent twice, whatever dies.

    summary = await send(client, "plan.ndjson", journal="run.sqlite")

Each row of the plan is in the journal as *sending* before its request can leave, and its outcome after. Run again, it
goes on where it stopped; what may have been sent is looked for on the server, and sent again only if it is not there.
"""

from campaigns_async.effects import State
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
)
from campaigns_async.jobs.journal import JournalRow, PossibleMatch
from campaigns_async.jobs.plan_lines import Line, Plan
from campaigns_async.jobs.plans import AnyPlan, contacts_plan, ndjson_plan, rows_plan
from campaigns_async.jobs.progress import Phase, Progress, Summary
from campaigns_async.jobs.sqlite_reader import JournalReader, open_journal

__all__ = [
    "AnyPlan",
    "BadLine",
    "BadLineError",
    "Job",
    "JobError",
    "JournalError",
    "JournalInUseError",
    "JournalReader",
    "JournalRow",
    "JournalWriteError",
    "Line",
    "Phase",
    "Plan",
    "PlanChangedError",
    "PlanError",
    "PossibleMatch",
    "Progress",
    "State",
    "Summary",
    "contacts_plan",
    "ndjson_plan",
    "open_journal",
    "rows_plan",
    "send",
]
