"""Run the checks: `python -m nox -s tests` for the tests, `python -m nox -l` for a list of the sessions.

Every session but lint installs the package as a wheel, so that the checks see what would be published.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "venv"
nox.options.sessions = ["tests", "lint", "types", "demo"]

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
NO_AIOHTTP = (
    "_http",
    "_reconcile",
    "benchmarks",
    "cli",
    "export",
    "guides",
    "jobs",
    "query",
    "sandbox",
    "simulation",
    "test_effects.py",
    "test_errors.py",
    "test_file_lock.py",
    "test_models.py",
    "test_package.py",
    "test_row_states.py",
    "test_settings.py",
    "test_threads.py",
)
"""Tests that do not depend on aiohttp's version, or only in ways that other tests cover."""
PYTHONS = (11, 12, 13, 14)
"""The minor versions of Python 3 that are supported."""
LOWEST_TESTS = (
    "tests/client",
    "tests/_engine",
    "tests/_http",
    "tests/cli",
    "tests/jobs",
    "tests/sandbox",
    "tests/test_models.py",
)
"""Tests that use each direct dependency."""
OLDEST = "aiohttp>=3.13,<3.14"
NEWEST = "aiohttp>=3.14"
LIGHT = "cli,sandbox"
"""All extras but Parquet's, which is a hundred megabytes."""
LOOP_TESTS = ("tests/client", "tests/_engine", "tests/_listing", "tests/_reconcile", "tests/jobs")
"""Tests whose outcome may depend on the event loop."""
TABLES = ("benchmarks.prefetch", "benchmarks.planning", "benchmarks.sandbox")
"""Benchmarks with a table of their own."""
RIVALS = (
    "openapi-generator-cli>=7.12",
    "openapi-python-client>=0.24",
    "httpx>=0.27",
    # dependencies of OpenAPI Generator's client
    "aiohttp-retry>=2.8.3",
    "pydantic>=2.11",
    "python-dateutil>=2.8.2",
    "typing-extensions>=4.7.1",
)


def install(session: nox.Session, *groups: str, extra: str = "all", also: tuple[str, ...] = ()) -> None:
    """Install the package from its wheel, and the dependency groups that the session needs."""
    needed = nox.project.dependency_groups(PROJECT, *groups) if groups else ()
    # Most of what is installed is never imported: Python compiles what is.
    session.install("--no-compile", f".[{extra}]", *needed, *also)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests that are not marked slow, in two minutes; `-- PATH` for all tests of a file or a folder."""
    # The files of PATH may need any library.
    install(session, *(("tests-full",) if session.posargs else ("tests",)), extra="all" if session.posargs else LIGHT)
    # Repeatable: one order of the tests, and Hypothesis with examples that do not change.
    run_tests(session, "--randomly-seed=1", *(session.posargs or ("-m", "not slow")))


@nox.session
def tests_full(session: nox.Session) -> None:
    """Run all tests on the newest aiohttp, then `tests_oldest`."""
    session.env["HYPOTHESIS_PROFILE"] = os.environ.get("HYPOTHESIS_PROFILE", "ci")
    install(session, "tests-full", also=(NEWEST,))
    run_tests(session, *session.posargs)
    session.notify("tests_oldest")


@nox.session
def tests_oldest(session: nox.Session) -> None:
    """Run all tests that touch aiohttp, on the oldest aiohttp that is supported."""
    session.env["HYPOTHESIS_PROFILE"] = os.environ.get("HYPOTHESIS_PROFILE", "ci")
    install(session, "tests", extra=LIGHT, also=(OLDEST,))
    run_tests(session, *(f"--ignore=tests/{name}" for name in NO_AIOHTTP), *session.posargs)


@nox.session
def tests_lowest(session: nox.Session) -> None:
    """Run the tests that are not marked slow on the lowest version of each direct dependency that is supported."""
    project = PROJECT["project"]
    needed = [*project["dependencies"], *(each for extra in LIGHT.split(",") for each in extras_of(extra))]
    lowest = session.create_tmp()
    constraints = Path(lowest, "lowest.txt").resolve()
    constraints.write_text("".join(f"{each.replace('>=', '==')}\n" for each in sorted({*needed})))
    install(session, "tests", extra=LIGHT, also=("-c", str(constraints)))
    run_tests(session, "-m", "not slow", *(session.posargs or LOWEST_TESTS))


def extras_of(extra: str) -> list[str]:
    """Return the requirements of an extra."""
    requirements: list[str] = PROJECT["project"]["optional-dependencies"][extra]
    return requirements


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel and the source distribution, check both, and use them as installed."""
    session.install(*nox.project.dependency_groups(PROJECT, "build"))
    target = Path(session.create_tmp(), "dist").resolve()
    shutil.rmtree(target, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(target))
    wheel, sdist = (str(*target.glob(f"*{suffix}")) for suffix in (".whl", ".tar.gz"))
    session.run("twine", "check", "--strict", wheel, sdist)
    # W004: the hook of PyInstaller has the name that PyInstaller demands, which is no identifier.
    session.run("check-wheel-contents", "--ignore", "W004", wheel)
    session.chdir(target)
    for built in (wheel, sdist):
        session.install("--no-compile", "--force-reinstall", f"{built}[{LIGHT}]")
        session.run("campaigns-async", "guide", "support", silent=True)
        session.run("campaigns-async", "demo", "--quiet")
    session.log(f"built: {target}")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the API reference, with the guides in it; a missing docstring or a dead link fails."""
    install(session, "docs", extra="all")
    target = Path(session.create_tmp(), "docs").resolve()
    session.run("python", "-P", str(ROOT / "tests" / "guides" / "reference.py"), str(target))
    session.log(f"open {target / 'index.html'}")


@nox.session
def tests_uvloop(session: nox.Session) -> None:
    """Run the tests of the client, the engine and the jobs on uvloop."""
    install(session, "tests", extra=LIGHT)
    run_tests(session, "--loop=uvloop", "-m", "not slow", *(session.posargs or LOOP_TESTS))


def find_python(minor: int) -> str | None:
    """Return a Python 3 with this minor version, from PATH or pyenv; None if none is found."""
    if sys.version_info[1] == minor:
        return sys.executable
    pyenv = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"), reverse=True)
    for name in (f"python3.{minor}", *map(str, pyenv)):
        # A shim of pyenv may be there without the Python.
        if shutil.which(name) and not subprocess.run((name, "-V"), capture_output=True, check=False).returncode:
            return name
    return None


def find_eager_python() -> str | None:
    """Return a Python that has eager tasks, which came with 3.12; None if this one has them, or if none is found."""
    if sys.version_info >= (3, 12):
        return None
    return next(filter(None, map(find_python, (14, 13, 12))), None)


@nox.session(python=find_eager_python())
def tests_eager(session: nox.Session) -> None:
    """Run the same tests on eager tasks, if a Python from 3.12 on is found."""
    if session.python is None and sys.version_info < (3, 12):
        session.skip("eager tasks need Python 3.12 or newer, and none was found on PATH or in pyenv")
    install(session, "tests", extra=LIGHT)
    run_tests(session, "--loop=eager", "-m", "not slow", *(session.posargs or LOOP_TESTS))


@nox.session(python=[found for minor in PYTHONS if (found := find_python(minor))])
def tests_python(session: nox.Session) -> None:
    """Run the tests that are not marked slow on each Python that is supported and found."""
    install(session, "tests", extra=LIGHT)
    run_tests(session, "-m", "not slow", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Measure the coverage of all tests, in twice their time; `-- -m "not slow"` for the default run."""
    install(session, "tests-full", "coverage")
    # Not in `session.create_tmp`: then all temporary files would be in the checkout, where its settings apply to them.
    data = Path(session.virtualenv.location, "coverage").resolve()
    session.env.update(COVERAGE_FILE=str(data), COVERAGE_RCFILE=str(ROOT / "pyproject.toml"))
    session.run("coverage", "erase")
    run_tests(session, *session.posargs, by=("coverage", "run"))
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report", *(("--fail-under=90",) if session.posargs else ()))


def run_tests(session: nox.Session, *arguments: str, by: tuple[str, ...] = ()) -> None:
    """Run tests on two cores, then run those that failed once more, one at a time: those that pass now are flaky.

    Many tests start processes and sockets of their own, which a busy machine can starve.
    """
    # By its path: `-m pytest` would put the checkout before the installed wheel.
    pytest = f"{session.bin}/pytest"
    try:
        session.run(*by, pytest, "--numprocesses=2", "--dist=worksteal", *arguments)
    except nox.command.CommandFailed:
        session.warn("some tests failed; running them again, one at a time. Those that pass now are FLAKY: fix them")
        session.run(
            pytest, *arguments, "--last-failed", "--last-failed-no-failures=none", "-v", "--randomly-dont-reorganize"
        )


@nox.session
def frozen(session: nox.Session) -> None:
    """Build the command line with PyInstaller, and run it."""
    install(session, "tests", also=("pyinstaller>=6",))
    session.run(f"{session.bin}/pytest", "tests/test_frozen.py")


@nox.session
def lint(session: nox.Session) -> None:
    """Check the style and the commonest mistakes."""
    session.install(*nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Run two type checkers over the package and examples of users' code; every public name must have a type."""
    install(session, "types", "tests-full")
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "--verifytypes", "campaigns_async", "--ignoreexternal")


@nox.session
def demo(session: nox.Session) -> None:
    """Run the demo as a user does: from the wheel, in an empty directory."""
    install(session, extra=LIGHT)
    session.chdir(session.create_tmp())
    session.run("campaigns-async", "demo", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks and draw the plot; `-- --quick` for less work; `-- --check` fails above a bound, without a plot."""
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
    """Check that large listings and fan-outs take no more memory than small ones, and no more time a row."""
    install(session, extra="all")
    session.run("python", "-m", "benchmarks", "--only", "memory", "--check", *session.posargs)
    session.run("python", "-m", "benchmarks", "--only", "growth", "--check", *session.posargs)


@nox.session
def rivals(session: nox.Session) -> None:
    """Measure generated clients and httpx against this one; needs Java, which runs one of the generators."""
    if shutil.which("java") is None:
        session.error("no java: OpenAPI Generator needs it (on Debian: apt-get install default-jre-headless)")
    install(session, extra="all", also=RIVALS)
    session.run("python", "-m", "benchmarks.rivals", *session.posargs)


@nox.session
def simulate(session: nox.Session) -> None:
    """Run the client in 2,000 simulated worlds; then plant faults in it, all of which must be caught."""
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
    """Kill a durable send at 10,000 points and run it again each time; then plant faults in it."""
    install(session, "tests", extra=LIGHT)
    session.env["PYTHONPATH"] = str(ROOT / "tests")
    points = os.environ.get("SIM_POINTS", "10000")
    session.run("python", "-P", "-m", "simulation.jobs_sweep", points, "--processes", "2", *session.posargs)
    session.run("python", "-P", "-m", "simulation.jobs_mutation")


@nox.session
def soak(session: nox.Session) -> None:
    """Run 100,000 simulated worlds and kill a durable send at a million points, then 20 times for real; plant faults."""
    session.env["HYPOTHESIS_PROFILE"] = "soak"
    install(session, "tests-full")
    session.env["PYTHONPATH"] = str(ROOT / "tests")
    seeds, points = os.environ.get("SIM_SEEDS", "100000"), os.environ.get("SIM_POINTS", "1000000")
    session.run("python", "-P", "-m", "simulation.sweep", seeds, "--processes", "2", *session.posargs)
    session.run("python", "-P", "-m", "simulation.jobs_sweep", points, "--processes", "2", *session.posargs)
    session.run("python", "-P", "-m", "simulation.jobs_mutation")
    pytest = f"{session.bin}/pytest"  # by its path: `-m pytest` would put the checkout before the installed wheel
    kills = ("tests/jobs/test_kills.py", "tests/export/test_export_kills.py")
    session.run(pytest, *kills, env={"KILLS": os.environ.get("KILLS", "20")})


@nox.session
def intermediaries(session: nox.Session) -> None:
    """Create campaigns through nginx, Varnish and HAProxy; needs the Debian packages nginx-light, varnish and haproxy."""
    install(session, "tests", extra=LIGHT)
    # By its path: `-m pytest` would put the checkout before the installed wheel. Four at once: most only wait.
    session.run(f"{session.bin}/pytest", "--numprocesses=4", "tests/intermediaries", *session.posargs)


@nox.session
def contract(session: nox.Session) -> None:
    """Check the sandbox against its own OpenAPI document: schemathesis must find nothing."""
    install(session, "contract", extra=LIGHT)
    session.env["PYTHONPATH"] = str(ROOT / "tests")
    session.run("python", "-P", "-m", "contract.run", *session.posargs)
