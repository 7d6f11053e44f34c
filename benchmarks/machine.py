"""What is measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def pinned() -> int | None:
    """Pin this process to one processor; gives another one for the server, where the system can pin and has two."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    own, *others = sorted(os.sched_getaffinity(0))
    if not others:
        return None
    os.sched_setaffinity(0, {own})
    return others[-1]


def machine(packages: Iterable[str]) -> dict[str, str | int]:
    """The interpreter, these packages and the number of cores."""
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


def peak_mb() -> float:
    """The most memory that this process ever had, in MiB.

    Not `ru_maxrss`: a new process begins with its parent's.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
