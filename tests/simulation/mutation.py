"""The mutation test: plants the faults of `mutants` one at a time (`python -m simulation.mutation [WORD…]`).

Each fault is patched into a copy of the package. Then the simulation is run on the copy, or the tests that the mutant names.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from attrs import frozen

from simulation.mutants import MUTANTS, PACKAGE, Mutant

TESTS = Path(__file__).absolute().parent.parent
SEEDS = int(os.environ.get("SIM_MUTANT_SEEDS", "1000"))


@frozen
class Result:
    """The result of a mutant."""

    mutant: Mutant
    caught: bool
    by: str


def run(mutant: Mutant, seeds: int = SEEDS) -> Result:
    """Patch a copy of the package, and run the tests that should catch the fault."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(PACKAGE, Path(folder, PACKAGE.name), ignore=shutil.ignore_patterns("__pycache__", ".*"))
        Path(folder, PACKAGE.name, mutant.path).write_text(mutant.source())
        # -P: the current directory, which may be the checkout, must not come before the copy.
        command = [sys.executable, "-P", "-m", "simulation.sweep", str(seeds)]
        if mutant.test is not None:
            command = [
                sys.executable,
                "-P",
                "-m",
                "pytest",
                "-q",
                "-x",
                "-p",
                "no:cacheprovider",
                *mutant.test.split(" "),
            ]
        done = subprocess.run(
            command,
            cwd=TESTS,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([folder, str(TESTS)])},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    # pytest exits with 1 if a test failed; other codes are no verdict.
    by = _find_catcher(mutant, done)
    return Result(
        mutant, done.returncode == 1 and by is not None, by or f"no verdict: {done.stdout[-200:]}{done.stderr[-200:]}"
    )


def _find_catcher(mutant: Mutant, done: subprocess.CompletedProcess[str]) -> str | None:
    """Return the test or seed that caught the fault, or None if the run gave no verdict."""
    if mutant.test is not None:
        failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
        return failed[0].split(" - ")[0].removeprefix("FAILED ") if failed else None
    lines = done.stderr.splitlines()
    seeds = [line.partition(":")[0] for line in lines if line.startswith("seed ")]
    return f"{seeds[-1]}: {lines[0][:140]}" if seeds else None


def main() -> int:
    """Run all mutants, or those whose names contain the words of the command line."""
    wanted = [one for one in MUTANTS if all(word in one.name for word in sys.argv[1:])]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        results = list(pool.map(run, wanted))
    for result in results:
        print(f"{'caught ' if result.caught else 'SURVIVED'} {result.mutant.name:<55} {result.by}")
    survivors = sum(not result.caught for result in results)
    print(f"{len(results) - survivors} of {len(results)} caught")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())
