"""What is checked, and how: `python -m nox -s tests` for the tests, `python -m nox -l` for what else there is.

Every session but lint installs the package as a wheel, so that what is checked is what would be published.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "venv"
nox.options.sessions = ["tests", "lint", "types", "demo"]

ROOT = Path(__file__).parent
GROUPS = nox.project.load_toml(ROOT / "pyproject.toml")["dependency-groups"]
NO_AIOHTTP = (
    "benchmarks",
    "cli",
    "export",
    "ground",
    "jobs",
    "query",
    "readme",
    "reconcile",
    "sandbox",
    "simulation",
    "wire",
    "test_readme.py",
)
"""Tests that say nothing of aiohttp, or only what others say too."""
AIOHTTP = {"aiohttp-3.13": "aiohttp>=3.13,<3.14", "aiohttp-newest": "aiohttp>=3.14"}
PARQUET = ("duckdb", "polars")
"""What reads exports back; a hundred megabytes."""
LIGHT = "cli,fast,sandbox"
TABLES = ("benchmarks.prefetch", "benchmarks.resume", "benchmarks.sandbox")
"""Benchmarks that have a table of their own."""
RIVALS = (
    "openapi-generator-cli>=7.12",
    "openapi-python-client>=0.24",
    "httpx>=0.27",
    # what OpenAPI Generator's client needs
    "aiohttp-retry>=2.8.3",
    "pydantic>=2.11",
    "python-dateutil>=2.8.2",
    "typing-extensions>=4.7.1",
)


def install(session: nox.Session, *groups: str, extra: str = "all", also: tuple[str, ...] = ()) -> None:
    """Install the package from its wheel, and what the session works with: without Parquet's, where nothing needs that."""
    names = [name for group in groups for name in GROUPS[group] if extra == "all" or not name.startswith(PARQUET)]
    # Most of what is installed is never imported: Python compiles what is.
    session.install("--no-compile", f".[{extra}]", *names, *also)


@nox.session
@nox.parametrize("aiohttp", list(AIOHTTP), ids=list(AIOHTTP))
def tests(session: nox.Session, aiohttp: str) -> None:
    """All tests on the newest aiohttp; on the oldest line that is supported, those that touch it."""
    whole = aiohttp == "aiohttp-newest" or bool(session.posargs)
    install(session, "tests", extra="all" if whole else LIGHT, also=(AIOHTTP[aiohttp],))
    without = () if whole else tuple(f"--ignore=tests/{name}" for name in NO_AIOHTTP)
    run_tests(session, *without, *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """All tests, and what of the package they run: twice their time."""
    install(session, "tests")
    # Not in `session.create_tmp`: that would have all temporary files within the checkout, and its settings found there.
    data = Path(session.virtualenv.location, "coverage").resolve()
    session.env.update(COVERAGE_FILE=str(data), COVERAGE_RCFILE=str(ROOT / "pyproject.toml"))
    session.run("coverage", "erase")
    run_tests(session, by=("coverage", "run"))
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


def run_tests(session: nox.Session, *arguments: str, by: tuple[str, ...] = ()) -> None:
    """Run tests on two cores. Those that fail get a second chance, alone: if that mends them, they are named as flaky.

    Many of them start processes and sockets of their own, which a busy machine can starve.
    """
    # By its path: `-m pytest` would put the checkout before the installed wheel.
    pytest = f"{session.bin}/pytest"
    try:
        session.run(*by, pytest, "--numprocesses=2", "--dist=worksteal", *arguments)
    except nox.command.CommandFailed:
        session.warn("some tests failed; once more, one at a time. Those that pass now are FLAKY: mend them")
        session.run(pytest, "--last-failed", "--last-failed-no-failures=none", "-v", "-p", "no:randomly", *arguments)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and the commonest mistakes."""
    session.install(*GROUPS["lint"])
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Two type checkers, the examples that users' code is like, and no public name without a type."""
    install(session, "types", "tests")
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "--verifytypes", "campaigns_async", "--ignoreexternal")


@nox.session
def demo(session: nox.Session) -> None:
    """The main job, as a user runs it: from the wheel, in an empty directory."""
    install(session, extra="all")
    session.chdir(session.create_tmp())
    session.run("campaigns-async", "demo", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmarks, and a plot; `-- --quick` for less work; `--check` fails where a ratio is above its bound, and draws none."""
    install(session, extra="all")
    if "--check" in session.posargs:
        session.run("python", "-m", "benchmarks", *session.posargs)
        return
    plot = Path(session.create_tmp(), "costs.svg").resolve()
    session.run("python", "-m", "benchmarks", "--plot", str(plot), *session.posargs)
    session.log(f"the plot: {plot}")
    short = ("--quick",) if "--quick" in session.posargs else ()
    for others in TABLES:
        session.run("python", "-m", others, *short)


@nox.session
def memory(session: nox.Session) -> None:
    """Peak memory of what is very large against that of what is not, and that a row costs the same in both."""
    install(session, extra="all")
    session.run("python", "-m", "benchmarks", "--only", "memory", "--check", *session.posargs)
    session.run("python", "-m", "benchmarks", "--only", "growth", "--check", *session.posargs)


@nox.session
def rivals(session: nox.Session) -> None:
    """What generated clients and httpx cost against this one; needs Java, which runs one of the generators."""
    if shutil.which("java") is None:
        session.error("no java: OpenAPI Generator needs it (on Debian: apt-get install default-jre-headless)")
    install(session, extra="all", also=RIVALS)
    session.run("python", "-m", "benchmarks.rivals", *session.posargs)


@nox.session
def simulate(session: nox.Session) -> None:
    """The client in a simulated world, by 2,000 seeds; then faults made on purpose, all of which must be caught."""
    install(session, "tests", extra=LIGHT)
    session.env["PYTHONPATH"] = str(ROOT / "tests")
    session.run(
        "python",
        "-P",
        "-m",
        "simulation.sweep",
        os.environ.get("SIM_SEEDS", "2000"),
        "--processes",
        "2",
        *session.posargs,
    )
    session.run("python", "-P", "-m", "simulation.mutation")


@nox.session
def crash(session: nox.Session) -> None:
    """A durable send that dies at 10,000 points, and is run again each time."""
    install(session, extra="sandbox")
    session.env["PYTHONPATH"] = str(ROOT / "tests")
    points = os.environ.get("SIM_POINTS", "10000")
    session.run("python", "-P", "-m", "simulation.jobs_sweep", points, "--processes", "2", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """The same worlds by 100,000 seeds and at a million points; faults made on purpose; 20 real kills and long cuts."""
    install(session, "tests")
    session.env["PYTHONPATH"] = str(ROOT / "tests")
    seeds, points = os.environ.get("SIM_SEEDS", "100000"), os.environ.get("SIM_POINTS", "1000000")
    session.run("python", "-P", "-m", "simulation.sweep", seeds, "--processes", "2", *session.posargs)
    session.run("python", "-P", "-m", "simulation.jobs_sweep", points, "--processes", "2", *session.posargs)
    session.run("python", "-P", "-m", "simulation.jobs_mutation")
    pytest = f"{session.bin}/pytest"  # by its path: `-m pytest` would put the checkout before the installed wheel
    kills = ("tests/jobs/test_kills.py", "tests/export/test_export_kills.py")
    session.run(pytest, *kills, env={"KILLS": os.environ.get("KILLS", "20")})


@nox.session
def contract(session: nox.Session) -> None:
    """The sandbox against its own OpenAPI document: schemathesis, with all its checks, must find nothing."""
    install(session, "contract", extra=LIGHT)
    session.env["PYTHONPATH"] = str(ROOT / "tests")
    session.run("python", "-P", "-m", "contract.run", *session.posargs)
