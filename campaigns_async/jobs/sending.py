"""The one call that most need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from campaigns_async.client import CampaignsClient
from campaigns_async.jobs.job import Job
from campaigns_async.jobs.plan import AnyPlan
from campaigns_async.jobs.store import Store
from campaigns_async.jobs.summary import Progress, Summary


async def send(
    client: CampaignsClient,
    plan: AnyPlan,
    journal: str | Path | Store,
    *,
    reconcile: bool = True,
    ignore_invalid_phone_numbers: bool | None = None,
    retry_failed: bool = False,
    settle: float | None = None,
    patience: float = 300.0,
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Create every campaign of a plan, each once, or go on where an earlier run of the journal stopped.

    Args:
        client: Sends, with its own concurrency, rate and deadlines.
        plan: The path of an NDJSON file, one campaign a line with the wire's names and a `key`; or what
            `ndjson_plan`, `contacts_plan` or `listed_plan` gives; or pairs of keys and campaigns. It is read as a
            stream, and checked whole before the first send.
        journal: The path of the journal, made if it is not there; or a store of your own.
        reconcile: Whether rows that may have been sent are looked for on the server, and sent again only when they
            are surely not there; else they are only reported.
        ignore_invalid_phone_numbers: As for `create`; must be the same in every run of a journal.
        retry_failed: Whether rows that the server refused in an earlier run are sent again.
        settle: Seconds, from 0, that absence must last before it is believed; None: as the client has it.
        patience: Seconds, above 0, after which the run stops if the server cannot be reached, or throttles, all the while.
        on_progress: Is told after every group that was written; must not block.

    Returns:
        How it ended, row by row counted. `summary.ok` says whether every campaign stands on the server.

    Raises:
        PlanError: Lines of the plan are wrong; `lines` says which and why. Nothing was sent.
        PlanChangedError: Rows that the journal knows have changed, or are missing; `keys` names them.
        JournalError: The journal is none, of a newer version, damaged, in use, or of another plan; or could not be
            written, and then what was sent and not recorded is looked for by the next run.
        ConfigurationError: A setting is out of range.
    """
    job = Job(
        client,
        plan,
        journal=journal,
        reconcile=reconcile,
        ignore_invalid_phone_numbers=ignore_invalid_phone_numbers,
        retry_failed=retry_failed,
        settle=settle,
        patience=patience,
        on_progress=on_progress,
    )
    return await job.run()
