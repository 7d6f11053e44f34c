"""Rows about durable sends, against `create_many`.

They measure wall-clock time, not CPU time: durability also costs waiting. The check of the plan is not counted.
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.pairs import Measured
from benchmarks.rows import IN_FLIGHT, KEY, LATENCY, Place, Row
from benchmarks.work import build_campaigns
from campaigns_async import CampaignsClient, NewCampaign
from campaigns_async.jobs import Job, Phase, Progress, rows_plan


def list_durable_rows() -> tuple[Row, ...]:
    """Return the rows for a server that answers at once, and for one with latency."""
    names = ("a server that answers at once", f"a server that takes {LATENCY * 1000:g} ms")
    return tuple(Row(name := f"durable send, {text}", partial(_measure, name)) for text in names)


def _measure(name: str, place: Place) -> Measured:
    url = place.late_url if name.endswith("ms") else place.url
    ours, other = asyncio.run(_pairs(url, build_campaigns(place.size.sent), place.size.sends))
    return Measured(name, f"against create_many, {IN_FLIGHT} in flight", "µs a campaign", ours, other)


async def _pairs(url: str, news: list[NewCampaign], rounds: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    sides = (_durable, _many)
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        for side in (0, 1) if turn % 2 else (1, 0):
            gc.collect()
            seconds = await sides[side](url, news)
            if turn:  # the first pair warms up
                taken[side].append(seconds * 1e6 / len(news))
    return tuple(taken[0]), tuple(taken[1])


async def _many(url: str, news: list[NewCampaign]) -> float:
    async with CampaignsClient(url, KEY, max_concurrency=IN_FLIGHT) as client:
        began = time.perf_counter()
        created = sum([outcome.ok async for outcome in client.campaigns.create_many(news)])
        taken = time.perf_counter() - began
    if created != len(news):
        raise RuntimeError("some creates failed")
    return taken


async def _durable(url: str, news: list[NewCampaign]) -> float:
    began: list[float] = []

    def note(progress: Progress) -> None:
        if progress.phase is Phase.SENDING and not began:
            began.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        async with CampaignsClient(url, KEY, max_concurrency=IN_FLIGHT) as client:
            # The requests of the rows alone: the server of the benchmark has no lists.
            job = Job(
                client,
                rows_plan(news),
                journal=Path(folder, "run.sqlite"),
                on_progress=note,
                preflight=False,
                accept_altered=True,
            )
            summary = await job.run()
            taken = time.perf_counter() - began[0]
    if not summary.ok or summary.created != len(news):
        raise RuntimeError("some creates failed")
    return taken
