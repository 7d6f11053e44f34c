"""Crashes a job at every point, seed by seed: `python -m simulation.jobs_sweep 10000`, from the folder `tests`.

Goes on until that number of crash points was tried, and prints how many they were, and what became of the rows.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

from simulation import kinds
from simulation.faults import KINDS
from simulation.jobs_script import draw_script
from simulation.jobs_story import ALL_CREATED, AMONG_OTHERS, Story
from simulation.sweep import IN_SEEDS, find_rare_kinds, print_counts

Outcome = tuple[Counter[str], str | None]
_POINTS = "crash points"
_LIVE = 0.99
"""The share of the stories with others' campaigns in which every row must end created."""


def sweep(seed: int) -> Outcome:
    """Try all crash points of a seed; what happened, and why it failed, if it did."""
    story = Story(draw_script(seed))
    gc.disable()  # what it finds, and when, must not depend on what ran before
    try:
        story.tell()
    except (Exception, asyncio.CancelledError) as error:
        return story.counts, "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
    finally:
        gc.enable()
    story.counts["seeds"] += 1
    story.counts.update(IN_SEEDS + kind for kind in KINDS if story.counts[kind])
    return story.counts, None


def run_all(points: int, *, first: int = 0, processes: int = 1) -> Outcome:
    """Run seeds until that number of crash points was tried, or one fails."""
    counts: Counter[str] = Counter()
    for found, failure in _swept(first, processes):
        counts += found
        if failure is not None or counts[_POINTS] >= points:
            return counts, failure
    raise AssertionError("seeds have no end")


def find_weakness(counts: Counter[str]) -> str | None:
    """Return why these seeds, all of which hold, show too little; None if they do not."""
    # The sweep of the client has enough seeds to draw each of these often.
    rare = find_rare_kinds(counts, but=("foreign: half of ours later", *kinds.ALTERED, *kinds.LISTS, *kinds.MARKERS))
    if rare:
        return f"in less than 1 % of the seeds: {', '.join(rare)}"
    if counts[ALL_CREATED] < _LIVE * counts[AMONG_OTHERS]:
        return (
            f"{counts[AMONG_OTHERS]} stories with others' campaigns, and in {counts[ALL_CREATED]} every row was created"
        )
    return None


def _swept(first: int, processes: int) -> Iterator[Outcome]:
    if processes == 1:
        yield from map(sweep, itertools.count(first))
        return
    pool, seeds = ProcessPoolExecutor(processes), itertools.count(first)
    running: set[Future[Outcome]] = set()
    try:
        while True:
            while len(running) < 2 * processes:
                running.add(pool.submit(sweep, next(seeds)))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (one.result() for one in done)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="simulation.jobs_sweep", description=__doc__)
    parser.add_argument("points", type=int, help="how many crash points at least")
    parser.add_argument("--first", type=int, default=0, help="the seed to begin with")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args(arguments)
    logging.disable()  # ids that are given twice are logged
    began = time.monotonic()
    counts, failure = run_all(options.points, first=options.first, processes=options.processes)
    took = time.monotonic() - began
    print_counts(counts)
    print(f"{counts[_POINTS]:,} crash points of {counts['seeds']:,} seeds in {took:.0f} s")
    if failure is None and counts["seeds"] >= 100:
        failure = find_weakness(counts)
    if failure is not None:
        print(failure, file=sys.stderr)
    return int(failure is not None)


if __name__ == "__main__":
    sys.exit(main())
