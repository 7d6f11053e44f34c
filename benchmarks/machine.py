"""The machine of a measurement, and its versions."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def pin_process() -> int | None:
    """Pin this process to a processor, and return another one for the server.

    Return None if the system cannot pin processes or has a single processor.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    own, *others = sorted(os.sched_getaffinity(0))
    if not others:
        return None
    os.sched_setaffinity(0, {own})
    return others[-1]


def describe_machine(packages: Iterable[str]) -> dict[str, str | int]:
    """Return the versions of the interpreter and of packages, and the number of cores."""
    return {
        platform.python_implementation(): platform.python_version(),
        **{name: _version(name) for name in packages},
        "cores": os.cpu_count() or 1,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # an extra
        return "absent"


def read_peak_mb() -> float:
    """Return the peak of this process's memory, in MiB.

    `ru_maxrss` does not serve: a new process starts with its parent's (getrusage(2)).
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
