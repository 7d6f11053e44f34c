"""The README's part on tests: its examples pass in a pytest of their own, and its tables say what the sandbox does."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from campaigns_async.sandbox import Fault, Lifecycle, Quirks, RateLimit, Sandbox, presets
from readme.blocks import PYTHON, code, table
from readme.running import finish, saved, start

OPTIONS = (
    *("-o", "asyncio_mode=auto"),
    *("-o", "asyncio_default_fixture_loop_scope=function"),
    *("-p", "no:cacheprovider"),
    # What the newest TestClient says of the httpx that it uses is not our affair.
    *("-W", "ignore:Using `httpx` with `starlette.testclient` is deprecated"),
)
PRESETS: dict[str, Callable[..., Fault]] = {
    name: made
    for name, made in vars(presets).items()
    if inspect.isfunction(made) and made.__module__ == presets.__name__ and not name.startswith("_")
}
NEW = {"startDateTime": "2031-06-27T09:30:00Z", "sender": "Golf", "message": "See you."}


@pytest.mark.parametrize(("name", "count"), [("testing_plugin", 3), ("testing_shop", 5)])
async def test_the_examples_with_the_plugin_pass(name: str, count: int, tmp_path: Path) -> None:
    Path(saved(PYTHON["fastapi_app"], tmp_path)).rename(tmp_path / "shop.py")
    Path(saved(PYTHON[name], tmp_path)).rename(tmp_path / "test_shown.py")
    returned, printed, _ = await finish(await start("-m", "pytest", *OPTIONS, "test_shown.py", cwd=tmp_path))
    assert returned == 0, printed
    assert f"{count} passed" in printed


def test_every_preset_has_its_row_and_its_arguments_exist() -> None:
    shown = [made(cells[0]) for cells in table("preset")]
    assert {name for name, _ in shown} == set(PRESETS)
    assert len(shown) == len(PRESETS)


def made(cell: str) -> tuple[str, Fault]:
    """The name of the preset that a cell calls, and the fault that it gives."""
    (call,) = code(cell)
    return call.partition("(")[0], eval(call, dict(PRESETS))  # noqa: S307


@pytest.mark.parametrize("cells", table("preset"), ids=lambda cells: code(cells[0])[0])
def test_a_preset_is_carried_out_as_is_said(cells: list[str]) -> None:
    name, fault = made(cells[0])
    assert fault.acts == cells[2].startswith("yes")
    if "acted" in inspect.signature(PRESETS[name]).parameters:
        said = {True: "if `acted=True`", False: "yes, unless `acted=False`"}
        other = PRESETS[name](acted=not fault.acts)
        assert other.acts != fault.acts
        assert said[other.acts] in cells[2]
    else:
        assert cells[2] in ("yes", "no")
    assert ("act_after" in inspect.signature(PRESETS[name]).parameters) == ("`act_after` seconds later" in cells[2])


def test_the_fields_that_say_which_requests_are_those_there_are() -> None:
    text = Path(__file__).parents[2].joinpath("README.md").read_text("utf-8")
    found = re.search(r"Each takes which requests it meets, by name: (.*?), a phone number\.", text, re.DOTALL)
    assert found is not None
    assert set(code(found[1])) == set(presets.Where.__annotations__)


@pytest.mark.parametrize("cells", table("recipient"), ids=lambda cells: code(cells[0])[0])
async def test_a_magic_recipient_does_what_is_said(cells: list[str]) -> None:
    number = code(cells[0])[0].replace("X", "7")
    async with Sandbox(magic_recipients=True) as sandbox, aiohttp.ClientSession(sandbox.url) as session:
        asked = asyncio.create_task(create(session, sandbox.api_key, number))
        await sandbox.received(1)
        if cells[1] == "no answer":
            await sandbox.acted(1)
            assert not asked.done()
            asked.cancel()
        elif cells[1] == "the connection is reset":
            with pytest.raises((ConnectionResetError, aiohttp.ClientOSError)):
                await asked
        else:
            status, wait = await asked
            assert cells[1].startswith(str(status))
            assert (wait is not None) == ("Retry-After" in cells[1])
            assert wait is None or f"`Retry-After: {wait}`" in cells[1]
        assert len(sandbox.created) == {"yes": 1, "no": 0}[cells[2]]
        sandbox.clock.move(100 * 366 * 86400)
        assert [message["status"] for message in sandbox.messages] == ([int(cells[3].split()[0])] if cells[3] else [])


def test_every_magic_recipient_has_its_row() -> None:
    assert [code(cells[0])[0] for cells in table("recipient")] == [f"07700 9000{digit}X" for digit in range(10)]


async def create(session: aiohttp.ClientSession, key: str, number: str) -> tuple[int, str | None]:
    """The status of the answer to a create, and what it says of a wait."""
    body = {**NEW, "contacts": [{"phoneNumber": number}]}
    async with session.post("/api/Campaigns", json=body, headers={"api-key": key}) as answer:
        return answer.status, answer.headers.get("Retry-After")


def test_the_arguments_of_the_sandbox_are_all_there_with_their_defaults() -> None:
    shown: dict[str, Any] = {}
    for cells in table("argument"):
        names, defaults = code(cells[0]), code(cells[1])
        shown |= {name: eval(text, {}) for name, text in zip(names, defaults, strict=True)}  # noqa: S307
    assert shown == {name: each.default for name, each in inspect.signature(Sandbox).parameters.items()}


def test_the_values_in_the_table_of_arguments_are_taken() -> None:
    cells = {name: code(row[2]) for row in table("argument") for name in code(row[0])}
    names: dict[str, Any] = {"RateLimit": RateLimit, "Lifecycle": Lifecycle, "Quirks": Quirks}
    for verb in ("update_method", "delete_method"):
        for text in cells[verb]:
            Sandbox(**{verb: eval(text)})  # noqa: S307
    for text in cells["auth"]:
        Sandbox(auth=eval(text))  # noqa: S307
    Sandbox(rate_limit=eval(cells["rate_limit"][0], names))  # noqa: S307
    Sandbox(quirks=eval(cells["quirks"][0], names))  # noqa: S307
    assert eval(cells["lifecycle"][0], names) == Lifecycle()  # noqa: S307
    assert all(hasattr(Sandbox().clock, name) for name in cells["now"][2:])


async def test_every_path_of_the_control_is_there() -> None:
    async with Sandbox() as sandbox, aiohttp.ClientSession() as session:
        async with session.get(f"{sandbox.url}/_sandbox") as answer:
            paths = {path["path"]: set(path["methods"]) for path in (await answer.json())["paths"]}
        shown: dict[str, set[str]] = {}
        verbs: set[str] = set()
        for text in (text for cells in table("path") for text in code(cells[0])):
            verb, _, path = text.partition(" ")
            verbs.add(verb)
            if path:  # it stands behind the last of its verbs
                shown[path], verbs = verbs, set()
        below = {path for path in paths if "{" in path}
        assert shown == {path: verbs for path, verbs in paths.items() if path not in below | {"/_sandbox"}}
        assert below == {"/_sandbox/faults/{number}", "/_sandbox/faults/{number}/release"}
        (clock,) = (cells[1] for cells in table("path") if "clock" in cells[0])
        for body in code(clock):
            async with session.put(
                f"{sandbox.url}/_sandbox/clock", data=body, headers={"Content-Type": "application/json"}
            ) as answer:
                assert answer.status == 200, await answer.text()
