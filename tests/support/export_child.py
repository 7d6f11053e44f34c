"""A process that exports, to be killed or limited: `python -m support.export_child KIND OUT [options]`.

The server is in the environment, and this folder's parent in PYTHONPATH. By default it resumes what is there. It prints `resumed ROWS` first and `written ROWS` after each write.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from campaigns_async import CampaignsClient, PageShiftedError, RetryPolicy, Timeouts
from campaigns_async.export import (
    ExportInUseError,
    ExportProgress,
    ExportSummary,
    ExportWriteError,
    export_campaigns,
    export_contacts,
)
from support import export_seam

PAGE_SIZE = 10
SHIFTED = 3
"""The exit code if the rows moved too fast."""


def client_from_environment() -> CampaignsClient:
    """Return a client that retries for a short time only."""
    return CampaignsClient(
        os.environ["CAMPAIGNS_BASE_URL"],
        os.environ["CAMPAIGNS_API_KEY"],
        timeouts=Timeouts(connect=5, read=5, deadline=20, grace=0.5),
        retry=RetryPolicy(attempts=3, base=0.01, cap=0.02),
    )


async def main(given: argparse.Namespace) -> int:
    """Export, and return 0 once the file is complete."""
    writes: list[int] = []

    def note(progress: ExportProgress) -> None:
        if not writes:
            print("resumed", progress.resumed, flush=True)
        writes.append(progress.rows)
        print("written", progress.rows, flush=True)
        if given.stop_after is not None and len(writes) == given.stop_after:
            sys.stdin.read()

    async with client_from_environment() as client:
        try:
            if given.races:
                await race(client, given)
                return 0
            if given.kind == "campaigns":
                summary = await export_campaigns(
                    client,
                    given.out,
                    page_size=given.page_size,
                    prefetch=0,
                    unfinished=given.unfinished,
                    on_progress=note,
                )
            else:
                summary = await export_contacts(
                    client,
                    given.out,
                    all_campaigns=True,
                    parallel=3,
                    page_size=given.page_size,
                    prefetch=2,
                    unfinished=given.unfinished,
                    on_progress=note,
                )
        except PageShiftedError:
            return SHIFTED
        except ExportWriteError as error:
            print("failed", error.errno, error, flush=True)
            return 1
    print("complete", summary.rows, summary.resumed, summary.deleted_campaigns)
    return 0


async def race(client: CampaignsClient, given: argparse.Namespace) -> None:
    """Export one sender's campaigns again and again, against others that write the same file."""
    complete = 0
    sys.stdin.readline()
    while complete < given.races:
        try:
            summary: ExportSummary = await export_campaigns(
                client,
                given.out,
                filters=f"sender=={given.sender}",
                fields=["sender"],
                page_size=PAGE_SIZE,
                unfinished=given.unfinished,
            )
        except ExportInUseError:
            continue
        assert summary.resumed == 0
        complete += 1


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["campaigns", "contacts"])
    parser.add_argument("out")
    parser.add_argument("--page-size", type=int, default=PAGE_SIZE)
    parser.add_argument("--sync-every", type=float, default=0.0)
    parser.add_argument("--file-limit", type=int)
    parser.add_argument("--stop-after", type=int, help="writes after which it waits for the end of standard input")
    parser.add_argument("--races", type=int, default=0)
    parser.add_argument("--sender")
    parser.add_argument("--unfinished", default="resume")
    return parser.parse_args()


if __name__ == "__main__":
    options = arguments()
    export_seam.sync_every(options.sync_every)
    if options.file_limit is not None:
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (options.file_limit, resource.RLIM_INFINITY))
    sys.exit(asyncio.run(main(options)))
