"""Runs the README's blocks: as programs of their own, or line by line as one would type them."""

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

from campaigns_async.sandbox import Sandbox
from readme.blocks import PYTHON, Block


def environment(sandbox: Sandbox) -> dict[str, str]:
    """What the examples take from the environment."""
    return {"CAMPAIGNS_BASE_URL": sandbox.url, "CAMPAIGNS_API_KEY": sandbox.api_key}


async def start(*arguments: str, cwd: Path, **env: str) -> asyncio.subprocess.Process:
    """Start a Python of its own, in which a warning is an error too."""
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
    """Its exit code, and what it wrote."""
    try:
        out, err = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, out.decode(), err.decode()


def saved(block: Block, directory: Path, *replaced: tuple[str, str]) -> str:
    """The path of the block as a file, with texts replaced that would make a test slow."""
    source = block.source
    for old, new in replaced:
        assert old in source, f"{block.name} has no {old!r} any more"
        source = source.replace(old, new)
    path = directory / f"{block.name}.py"
    path.write_text(source, "utf-8")
    return str(path)


async def program(name: str, directory: Path, sandbox: Sandbox) -> tuple[int | None, str, str]:
    """Run a block as a program."""
    return await finish(await start(saved(PYTHON[name], directory), cwd=directory, **environment(sandbox)))


def module(name: str, *replaced: tuple[str, str]) -> Any:
    """A block as a module."""
    source = PYTHON[name].source
    for old, new in replaced:
        assert old in source, f"{name} has no {old!r} any more"
        source = source.replace(old, new)
    made = ModuleType(f"readme_{name}")
    sys.modules[made.__name__] = made  # where annotations are looked up
    exec(compile(source, "README.md", "exec", dont_inherit=True), made.__dict__)  # noqa: S102
    return made


@asynccontextmanager
async def typed_in(setup: str, **settings: Any) -> AsyncIterator[dict[str, Any]]:
    """The names of someone who has typed in a block that makes a client, with settings that make no test slow."""
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
    """Run a block where `await` is allowed at the top; gives what it printed."""
    code = compile(block.source, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    printed = io.StringIO()
    with redirect_stdout(printed):
        result = eval(code, names)  # noqa: S307
        if isawaitable(result):
            await result
    return printed.getvalue()
