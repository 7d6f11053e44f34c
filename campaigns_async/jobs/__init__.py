"""Durable sends: a plan, a journal, and nothing lost or sent twice, whatever dies.

    summary = await send(client, "plan.ndjson", journal="run.sqlite")

Each row of the plan is in the journal as *sending* before its request can leave, and its outcome after. Run again, it
goes on where it stopped; what may have been sent is looked for on the server, and sent again only if it is not there.
"""

from campaigns_async.effects import State
from campaigns_async.jobs.errors import (
    BadLine,
    BadLineError,
    JobError,
    JournalError,
    JournalInUseError,
    JournalWriteError,
    PlanChangedError,
    PlanError,
)
from campaigns_async.jobs.job import Job
from campaigns_async.jobs.plan import AnyPlan, Line, Plan, contacts_plan, listed_plan, ndjson_plan
from campaigns_async.jobs.sending import send
from campaigns_async.jobs.sqlite import SqliteStore
from campaigns_async.jobs.store import Begin, Entry, Known, Lead, Move, Planning, Store
from campaigns_async.jobs.summary import Phase, Progress, Summary
from campaigns_async.threads import ThreadWriter, Writer

__all__ = [
    "AnyPlan",
    "BadLine",
    "BadLineError",
    "Begin",
    "Entry",
    "Job",
    "JobError",
    "JournalError",
    "JournalInUseError",
    "JournalWriteError",
    "Known",
    "Lead",
    "Line",
    "Move",
    "Phase",
    "Plan",
    "PlanChangedError",
    "PlanError",
    "Planning",
    "Progress",
    "SqliteStore",
    "State",
    "Store",
    "Summary",
    "ThreadWriter",
    "Writer",
    "contacts_plan",
    "listed_plan",
    "ndjson_plan",
    "send",
]
