"""A process that sends a plan, to be killed: `python kill_child.py PLAN JOURNAL`, the server from the environment."""

from __future__ import annotations

import asyncio
import os
import sys

from campaigns_async import CampaignsClient, ReconcilePolicy, RetryPolicy, Timeouts
from campaigns_async.jobs import send

READ_TIMEOUT = 1.0
"""Seconds."""
SETTLE = 0.7
"""Seconds: the server acts this late at most."""


async def main(plan: str, journal: str) -> int:
    """Send it; 0 when all is created, 3 when not."""
    client = CampaignsClient(
        os.environ["CAMPAIGNS_BASE_URL"],
        os.environ["CAMPAIGNS_API_KEY"],
        max_concurrency=16,
        timeouts=Timeouts(connect=1.0, read=READ_TIMEOUT, deadline=20.0, grace=0.5),
        retry=RetryPolicy(attempts=3, base=0.02, cap=0.1, quota=100_000),
        reconcile=ReconcilePolicy(settle=SETTLE, timeout=60.0, pause=0.1),
        page_size=1000,
    )
    async with client:
        summary = await send(client, plan, journal, give_up_after=60.0)
    print(summary)
    return 0 if summary.ok else 3


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
