"""Durable sends: a plan, a journal, and nothing lost or sent twice, whatever dies.

    summary = await send(client, "plan.ndjson", journal="run.sqlite")

Each row of the plan is in the journal as *sending* before its request can leave, and its outcome after. Run again, it
goes on where it stopped; what may have been sent is looked for on the server, and sent again only if it is not there.
"""

from campaigns_async.jobs.errors import (
    BadLine,
    JobError,
    JournalError,
    JournalInUseError,
    JournalWriteError,
    PlanChangedError,
    PlanError,
)
from campaigns_async.jobs.job import Job
from campaigns_async.jobs.plan import AnyPlan, Plan, contacts_plan, listed_plan, ndjson_plan
from campaigns_async.jobs.sending import send
from campaigns_async.jobs.states import State
from campaigns_async.jobs.store import Store
from campaigns_async.jobs.summary import Progress, Summary

__all__ = [
    "AnyPlan",
    "BadLine",
    "Job",
    "JobError",
    "JournalError",
    "JournalInUseError",
    "JournalWriteError",
    "Plan",
    "PlanChangedError",
    "PlanError",
    "Progress",
    "State",
    "Store",
    "Summary",
    "contacts_plan",
    "listed_plan",
    "ndjson_plan",
    "send",
]
