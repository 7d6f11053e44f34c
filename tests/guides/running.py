"""The blocks as programs, as modules, or as a user types them."""

from __future__ import annotations

import ast
import asyncio
import io
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stdout
from inspect import isawaitable
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

from campaigns_async.sandbox import Sandbox
from guides.blocks import BLOCKS, PYTHON, Block


def environment(sandbox: Sandbox) -> dict[str, str]:
    """Return the environment variables that the examples read."""
    return {"CAMPAIGNS_BASE_URL": sandbox.url, "CAMPAIGNS_API_KEY": sandbox.api_key}


def connect(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a sandbox where the examples look for the API."""
    for variable, value in environment(sandbox).items():
        monkeypatch.setenv(variable, value)


def save_files(document: str, directory: Path) -> None:
    """Write the files that a document shows."""
    for block in BLOCKS:
        if block.document == document and block.mark.startswith("file: "):
            (directory / block.mark.removeprefix("file: ")).write_text(block.text, "utf-8")


async def start(*arguments: str, cwd: Path, **env: str) -> asyncio.subprocess.Process:
    """Start a Python process in which warnings are errors."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        *arguments,
        cwd=cwd,
        env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def finish(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    """Wait for a process, and return its exit code, output and errors."""
    try:
        out, err = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, out.decode(), err.decode()


def save(block: Block, directory: Path, *replacements: tuple[str, str]) -> str:
    """Write a block to a file and return its path; the replacements are texts that make a test slow."""
    source = block.source
    for old, new in replacements:
        assert old in source, f"{block.name} has no {old!r} any more"
        source = source.replace(old, new)
    path = directory / f"{block.name}.py"
    path.write_text(source, "utf-8")
    return str(path)


async def run_program(name: str, directory: Path, sandbox: Sandbox) -> tuple[int | None, str, str]:
    """Run a block as a program."""
    return await finish(await start(save(PYTHON[name], directory), cwd=directory, **environment(sandbox)))


def load_module(name: str, *replacements: tuple[str, str]) -> Any:
    """Load a block as a module."""
    source = PYTHON[name].source
    for old, new in replacements:
        assert old in source, f"{name} has no {old!r} any more"
        source = source.replace(old, new)
    loaded = ModuleType(f"guides_{name}")
    sys.modules[loaded.__name__] = loaded  # where annotations are looked up
    exec(compile(source, PYTHON[name].document, "exec", dont_inherit=True), loaded.__dict__)  # noqa: S102
    return loaded


@asynccontextmanager
async def type_in_setup(setup: str, **settings: Any) -> AsyncIterator[dict[str, Any]]:
    """Run the block that opens a client, with settings that make no test slow, and yield its names."""
    names: dict[str, Any] = {"__name__": "__main__", "settings": settings}
    block = PYTHON[setup]
    assert "CampaignsClient()" in block.text
    await type_in(
        attrs.evolve(block, text=block.text.replace("CampaignsClient()", "CampaignsClient(**settings)")), names
    )
    try:
        yield names
    finally:
        await names["client"].aclose()


async def type_in(block: Block, names: dict[str, Any]) -> str:
    """Run a block with top-level `await`, and return what it printed."""
    code = compile(block.source, block.document, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    printed = io.StringIO()
    with redirect_stdout(printed):
        result = eval(code, names)  # noqa: S307
        if isawaitable(result):
            await result
    return printed.getvalue()
