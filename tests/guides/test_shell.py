"""The shell commands of the README and the guides run, in the order of their document and in one directory."""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path

import pytest
from support.made import people, rows

from campaigns_async.sandbox import Sandbox
from guides.blocks import DOCUMENTS, ROOT, Block
from guides.running import connect, environment, finish, save_files, start, type_in_setup

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUN = {
    document.name: blocks
    for document in DOCUMENTS
    if (
        blocks := [block for block in document.blocks if block.language == "sh" and not block.mark.startswith("mark: ")]
    )
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(RUN))
async def test_the_shell_commands_of_a_document_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_files(name, tmp_path)
    contacts = {f"c{number:03}": people(number % 3) for number in range(4)}
    async with Sandbox(rows(4, sender="Golf", status=5), contacts) as sandbox:
        (tmp_path / "campaigns.key").write_text(f"{sandbox.api_key}\n")
        connect(sandbox, monkeypatch)
        async with type_in_setup("setup"):
            pass  # its campaign must not be in the way of those that follow
        for block in RUN[name]:
            lines = block.text.replace("\\\n", "").splitlines()
            codes = [await run_line(line, block, tmp_path, sandbox) for line in lines]
            last = int(block.mark.removeprefix("exits: ") or 0)
            assert codes == [*(0 for _ in codes[1:]), last], (block.document, block.line)


async def run_line(line: str, block: Block, directory: Path, sandbox: Sandbox) -> int | None:
    """Run a line of a block, and return its exit code."""
    words = shlex.split(line, comments=True)
    if not words or words[0] == "export":
        return 0
    if line.startswith(("python -m pip install", "python -m nox")):
        return check_install(line)
    where = f"{block.document}:{block.line}: {line}"
    assert words[0] in PROJECT["scripts"], f"{where}: what is not ours needs a mark and a test of its own"
    if "|" in words:
        words = words[: words.index("|")]
    output = None
    if ">" in words:
        at = words.index(">")
        output, words = words[at + 1], words[:at]
    process = await start("-m", "campaigns_async", *words[1:], cwd=directory, **environment(sandbox))
    returned, printed, complaint = await finish(process)
    if output is not None:
        (directory / output).write_text(printed)
    if returned != 0:
        print(where, complaint)
    return returned


def check_install(line: str) -> int:
    """Check that the extras that a command names exist."""
    for word in shlex.split(line):
        if word.startswith(".["):
            extras = set(word.removeprefix(".[").removesuffix("]").split(","))
            assert extras <= PROJECT["optional-dependencies"].keys(), line
    return 0
