"""A process that exports, to be killed: `python export_child.py OUT KIND ORDER`, the server from the environment.

KIND is `campaigns` or `contacts` (of all campaigns), ORDER `ordered` or not. It goes on with what lies there.
"""

from __future__ import annotations

import asyncio
import os
import sys

from campaigns_async import CampaignsClient, PageShiftedError, RetryPolicy, Timeouts
from campaigns_async.export import export_campaigns, export_contacts

PAGE_SIZE = 10
SHIFTED = 3
"""The exit code where the rows moved too fast."""


async def main(out: str, kind: str, order: str) -> int:
    """Export; 0 when it is whole."""
    client = CampaignsClient(
        os.environ["CAMPAIGNS_BASE_URL"],
        os.environ["CAMPAIGNS_API_KEY"],
        timeouts=Timeouts(connect=5, read=5, deadline=20, grace=0.5),
        retry=RetryPolicy(attempts=3, base=0.01, cap=0.02),
    )
    print("begun", flush=True)
    async with client:
        try:
            if kind == "campaigns":
                summary = await export_campaigns(client, out, page_size=PAGE_SIZE, unfinished="resume")
            else:
                summary = await export_contacts(
                    client,
                    out,
                    all_campaigns=True,
                    ordered=order == "ordered",
                    parallel=3,
                    page_size=PAGE_SIZE,
                    prefetch=2,
                    unfinished="resume",
                )
        except PageShiftedError:
            return SHIFTED
    print(summary.rows, summary.resumed, summary.gone)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
