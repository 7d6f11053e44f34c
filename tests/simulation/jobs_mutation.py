"""Makes the faults of `jobs_mutants`, one at a time, and says what catches them: `python -m simulation.jobs_mutation [WORD…]`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from simulation.jobs_mutants import JOB_MUTANTS
from simulation.mutants import PACKAGE, Mutant
from simulation.mutation import TESTS, Result

POINTS = os.environ.get("SIM_MUTANT_POINTS", "6000")


def run(mutant: Mutant) -> Result:
    """Change a copy, and run what should catch it."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(PACKAGE, Path(folder, PACKAGE.name), ignore=shutil.ignore_patterns("__pycache__", ".*"))
        Path(folder, PACKAGE.name, mutant.path).write_text(mutant.source())
        # -P: the checkout, which is where this may run, must not come before the copy.
        command = [sys.executable, "-P", "-m", "simulation.jobs_sweep", POINTS]
        if mutant.test is not None:
            options = ("-q", "-x", "-p", "no:cacheprovider")
            command = [sys.executable, "-P", "-m", "pytest", *options, *mutant.test.split(" ")]
        done = subprocess.run(
            command,
            cwd=TESTS,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([folder, str(TESTS)])},
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )
    by = _by(mutant, done)
    no_verdict = f"no verdict: {done.stdout[-200:]}{done.stderr[-200:]}"
    return Result(mutant, done.returncode == 1 and by is not None, by or no_verdict)


def _by(mutant: Mutant, done: subprocess.CompletedProcess[str]) -> str | None:
    """Return what caught it; None if the run broke off without a verdict."""
    if mutant.test is not None:
        failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
        return failed[0].split(" - ")[0].removeprefix("FAILED ") if failed else None
    lines = done.stderr.splitlines()
    seeds = [line for line in lines if line.startswith("seed ")]
    reported = next((line for line in lines if re.match(r"\w*Error: ", line) and "seed" not in line), "")
    return f"{seeds[-1]}: {reported[:120]}" if seeds else None


def main() -> int:
    """Run all of them, or those whose names hold what is given."""
    wanted = [one for one in JOB_MUTANTS if all(word in one.name for word in sys.argv[1:])]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        results = []
        for result in pool.map(run, wanted):
            results.append(result)
            print(f"{'caught ' if result.caught else 'SURVIVED'} {result.mutant.name:<70} {result.by}", flush=True)
    survivors = sum(not result.caught for result in results)
    print(f"{len(results) - survivors} of {len(results)} caught")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())
