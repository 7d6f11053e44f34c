"""A run of many seeds: `python -m simulation.sweep 2000`, from the folder `tests`.

It prints how often each thing happened, since a simulation in which nothing happens shows nothing. For the first seed that
fails, it prints what did not hold, and how to run the seed again.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys
import time
from collections import Counter
from collections.abc import Collection
from concurrent.futures import ProcessPoolExecutor

from campaigns_async import Reconciled
from simulation.faults import KINDS
from simulation.invariants import find_unended
from simulation.kinds import JOURNALS
from simulation.world import World, run

_CHUNK = 50
IN_SEEDS = "seeds with "
AMONG_OTHERS = "worlds in which creates are lost and looked for among others' campaigns"
ALL_ENDED = "worlds in which creates are lost and looked for among others' campaigns, and all of them end"
LIVE = 0.99
"""The share of these worlds in which all of them must end."""


def tally(world: World) -> Counter[str]:
    """Count what happened in a world."""
    counts: Counter[str] = Counter(world.server.kinds)
    counts.update(IN_SEEDS + kind for kind in world.server.kinds)
    for create in world.script.creates:
        counts["creates"] += create.taken
        counts["left unknown"] += create.effect is not None and create.effect.name == "UNKNOWN"
        counts["cancelled"] += create.cut
    if (
        world.script.is_live
        and world.script.around.foreign
        and any(create.reconcile for create in world.script.creates)
    ):
        counts[AMONG_OTHERS] += 1
        counts[ALL_ENDED] += not find_unended(world)
    for events in world.events.values():
        counts.update(event.verdict for event in events if isinstance(event, Reconciled))
    counts["requests"] = len(world.server.sent)
    counts["holds"] = len(world.server.holds)
    counts["virtual hours"] = round(world.loop.time() - 1000.0)
    return counts


def sweep(seeds: range) -> tuple[Counter[str], str | None]:
    """Run seeds up to the first that fails, and return the reason of the failure."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        try:
            counts += tally(run(seed))
        except (Exception, asyncio.CancelledError) as error:
            return counts, "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
        counts["seeds"] += 1
    gc.collect()  # a world freezes what it finds, so that nothing is collected while it runs: a gigabyte in 700 seeds
    return counts, None


def main(arguments: list[str] | None = None) -> int:
    """Run the seeds of the command line."""
    parser = argparse.ArgumentParser(prog="simulation.sweep", description=__doc__)
    parser.add_argument("seeds", type=int, help="the number of seeds")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args(arguments)
    logging.disable()  # ids that are given twice are logged
    began = time.monotonic()
    counts, failure = run_all(range(options.first, options.first + options.seeds), options.processes)
    took = time.monotonic() - began
    counts["virtual hours"] //= 3600
    print_counts(counts)
    print(f"{counts['seeds']:,} seeds in {took:.0f} s, {60 * counts['seeds'] / took:,.0f} a minute")
    rare = find_rare_kinds(counts, but=JOURNALS)
    if rare and failure is None and counts["seeds"] >= 100:
        failure = f"in less than 1 % of the seeds: {', '.join(rare)}"
    if counts[ALL_ENDED] < LIVE * counts[AMONG_OTHERS]:
        failure = failure or f"in {counts[ALL_ENDED]} of {counts[AMONG_OTHERS]} worlds among others all creates ended"
    if failure is not None:
        print(failure, file=sys.stderr)
    return int(failure is not None)


def print_counts(counts: Counter[str]) -> None:
    """Print how often each thing happened, and in how many of the seeds each kind of fault did."""
    for what, count in sorted(counts.items()):
        if not what.startswith(IN_SEEDS):
            share = (
                f"  in {counts[IN_SEEDS + what] / max(counts['seeds'], 1):.1%} of the seeds" if what in KINDS else ""
            )
            print(f"{count:>10,} {what}{share}")


def find_rare_kinds(counts: Counter[str], but: Collection[str] = ()) -> list[str]:
    """Return the kinds of faults that occur in less than one percent of the seeds: such a sweep shows nothing of them."""
    return [kind for kind in KINDS if kind not in but and counts[IN_SEEDS + kind] * 100 < counts["seeds"]]


def run_all(seeds: range, processes: int) -> tuple[Counter[str], str | None]:
    """Run seeds in several processes, up to the first that fails."""
    if processes == 1:
        return sweep(seeds)
    chunks = [seeds[at : at + _CHUNK] for at in range(0, len(seeds), _CHUNK)]
    counts: Counter[str] = Counter()
    with ProcessPoolExecutor(processes) as pool:
        for found, failure in pool.map(sweep, chunks):
            counts += found
            if failure is not None:
                pool.shutdown(wait=False, cancel_futures=True)
                return counts, failure
    return counts, None


if __name__ == "__main__":
    sys.exit(main())
