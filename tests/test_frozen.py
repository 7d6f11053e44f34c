"""Programs of PyInstaller that hold the package: its hook names what no import shows."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from support.made import rows

import campaigns_async
from campaigns_async.sandbox import ThreadedSandbox

ROOT = Path(campaigns_async.__file__).parent


def test_the_hook_names_every_module_and_all_data() -> None:
    (found,) = entry_points(group="pyinstaller40", name="hook-dirs").select(module="campaigns_async._pyinstaller")
    (folder,) = found.load()()
    hook = runpy.run_path(str(Path(folder, "hook-campaigns_async.py")))
    named = set(hook["hiddenimports"])
    assert {"campaigns_async", "campaigns_async.cli.send_command", "campaigns_async.sandbox.server"} <= named
    assert "campaigns_async.sandbox.pytest_plugin" not in named, "it would bring pytest"
    kept = {Path(source) for source, _ in hook["datas"]}
    assert kept == {path for path in ROOT.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
    assert all(Path(ROOT.parent, place, Path(source).name) == Path(source) for source, place in hook["datas"])


@pytest.mark.slow
@pytest.mark.timeout(1200)  # PyInstaller reads all of pyarrow
def test_a_frozen_program_runs_the_command_line_and_parquet(tmp_path: Path) -> None:
    pytest.importorskip("PyInstaller")
    (tmp_path / "app.py").write_text("from campaigns_async.cli import main\nmain()\n")
    build = (sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level=WARN", "app.py")
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)

    def run(*arguments: str, **variables: str) -> str:
        command = (str(tmp_path / "dist/app/app"), *arguments)
        environment = {**os.environ, **variables}
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True, env=environment).stdout

    assert "All figures agree" in run("demo")
    with ThreadedSandbox(rows(30)) as sandbox:
        access = {"CAMPAIGNS_BASE_URL": sandbox.url, "CAMPAIGNS_API_KEY": sandbox.api_key}
        assert len(run("campaigns", "list", **access).splitlines()) == 30
        for name in ("rows.parquet", "rows.csv"):
            run("export", "campaigns", "--out", name, **access)
    from pyarrow import parquet

    assert parquet.read_table(tmp_path / "rows.parquet").num_rows == 30
