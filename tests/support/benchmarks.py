"""The benchmarks of the checkout, which no wheel has: as processes and as modules."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]


def run_benchmark(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of the benchmarks in a process of its own."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)


def load_benchmark(name: str) -> ModuleType:
    """Load a module by its path: the checkout has no business in front of the package's wheel."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where attrs looks annotations up
    spec.loader.exec_module(module)
    return module
