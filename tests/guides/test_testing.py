"""The guide to tests: its examples pass in a pytest of their own, and its tables say what the sandbox does."""

from __future__ import annotations

import argparse
import ast
import asyncio
import inspect
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree as ET

import aiohttp
import attrs
import pytest
from attrs import frozen

from campaigns_async.sandbox import (
    Clock,
    Fault,
    Lifecycle,
    Operation,
    Quirks,
    RateLimit,
    RecordedRequest,
    Rule,
    Sandbox,
    ThreadedSandbox,
    presets,
)
from guides.blocks import GUIDES, PYTHON, ROOT, code, find_block, table

OPTIONS = (
    *("-o", "asyncio_default_fixture_loop_scope=function"),
    *("-p", "no:cacheprovider", "--junit-xml=report.xml"),
    # What the newest TestClient says of the httpx that it uses is not our affair.
    *("-W", "ignore:Using `httpx` with `starlette.testclient` is deprecated"),
)
PRESETS: dict[str, Callable[..., Fault]] = {
    name: made
    for name, made in vars(presets).items()
    if inspect.isfunction(made) and made.__module__ == presets.__name__ and not name.startswith("_")
}
NEW = {"startDateTime": "2031-06-27T09:30:00Z", "sender": "Golf", "message": "See you."}


PROSE = GUIDES["testing.md"].flat
ELSEWHERE = {"start", "stop", "fault", "add_fault", "wait_received", "wait_acted"}
"""The members of a sandbox that other parts describe."""


SESSION = "with ThreadedSandbox() as sandbox: yield sandbox"
FIXTURE_FOR_ALL = f"""
import pytest
from campaigns_async.sandbox import ThreadedSandbox

urls = set()

@pytest.fixture(scope="session")
def sandbox():
    {SESSION}

@pytest.mark.parametrize("number", range(3))
def test_one(sandbox, number):
    sandbox.reset()
    assert sandbox.campaigns == []
    sandbox.add({{"id": "c1"}})
    urls.add(sandbox.url)
    assert len(urls) == 1
"""
AGAIN = """

def again(create):
    async def create_again(*arguments, **named):
        for _ in TRIES:
            try:
                return await create(*arguments, **named)
            except Exception:
                pass
    return create_again
"""


def app_that_tries_again(tries: str) -> str:
    """Return the source of the guide's FastAPI app, changed to create again after an error."""
    app = PYTHON["fastapi_app"].source
    create = "await client.campaigns.create("
    assert app.count(create) == 1
    at = app.index(create)
    line = app.rfind("\n", 0, at) + 1
    indent = " " * (len(app[line:]) - len(app[line:].lstrip()))
    changed = f"{indent}create = again(client.campaigns.create)\n{app[line:at]}await create({app[at + len(create) :]}"
    return app[:line] + changed + AGAIN.replace("TRIES", tries)


def shop_tests(app: str) -> str:
    """Return the source of the guide's tests of its shop, for another app."""
    source = PYTHON["testing_shop"].source
    assert source.count("import shop\n") == source.count("shop.app") == 1
    return source.replace("import shop\n", f"import {app} as shop\n")


def failing_plugin_test() -> str:
    """Return the source of the guide's first tests, one of which expects what is not so."""
    source = PYTHON["testing_plugin"].source
    added = '    lost = campaigns_sandbox.add_fault(presets.lost_answer(operation="create", times=1))\n'
    assert added in source
    assert source.count("(lost.fired, len(campaigns_sandbox.created)) == (1, 1)") == 1
    return source.replace("== (1, 1)", "== (1, 2)")


@frozen
class Report:
    """The report of a session of pytest.

    Attributes:
        printed: The text that pytest printed.
        outcomes: "passed" or what pytest calls the problem, by the file's name and the test's.
    """

    printed: str
    outcomes: Mapping[str, Mapping[str, list[str]]]

    def list_failures(self, file: str) -> list[str]:
        """Return the names of a file's tests that failed, after all tests of the file either passed or failed."""
        assert all(outcome in (["passed"], ["failure"]) for outcome in self.outcomes[file].values()), self.printed
        return [name for name, outcome in self.outcomes[file].items() if outcome == ["failure"]]


def run_pytest(suite: Path, **files: str) -> Report:
    """Run test files in one session, with the plugins and settings that the guide names."""
    for name, source in files.items():
        (suite / f"{name}.py").write_text(source, "utf-8")
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", *OPTIONS],
        cwd=suite, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 1, ran.stdout + ran.stderr
    outcomes: dict[str, dict[str, list[str]]] = {}
    for case in ET.parse(suite / "report.xml").iter("testcase"):  # noqa: S314 - our own file
        problems = [each.tag for each in case if each.tag in {"failure", "error", "skipped"}]
        file = outcomes.setdefault(case.attrib["classname"], {})
        file.setdefault(case.attrib["name"], []).extend(problems or ["passed"])
    return Report(ran.stdout, outcomes)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Run the guide's tests, and tests of apps that try again, with the settings that the guide gives."""
    suite = tmp_path_factory.mktemp("suite")
    (suite / "pyproject.toml").write_text(find_block("mark: settings of pytest").text, "utf-8")
    return run_pytest(
        suite,
        shop=PYTHON["fastapi_app"].source,
        shop_once_more=app_that_tries_again("range(2)"),
        shop_without_end=app_that_tries_again("iter(int, 1)"),
        test_plugin=PYTHON["testing_plugin"].source,
        test_readme=PYTHON["readme_test"].source,
        test_shop=PYTHON["testing_shop"].source,
        test_aioresponses=PYTHON["testing"].source,
        test_once_more=shop_tests("shop_once_more"),
        test_without_end=shop_tests("shop_without_end"),
        test_failing=failing_plugin_test(),
        test_for_all=FIXTURE_FOR_ALL,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "count"), [("test_readme", 1), ("test_plugin", 3), ("test_shop", 5), ("test_aioresponses", 2)]
)
def test_the_examples_pass(report: Report, file: str, count: int) -> None:
    assert report.list_failures(file) == []
    assert len(report.outcomes[file]) == count


@pytest.mark.slow
def test_only_coroutines_need_the_settings(tmp_path: Path) -> None:
    report = run_pytest(
        tmp_path, test_plugin=PYTHON["testing_plugin"].source, test_aioresponses=PYTHON["testing"].source
    )
    assert report.list_failures("test_plugin") == ["test_a_number_that_makes_trouble"]
    assert len(report.list_failures("test_aioresponses")) == len(report.outcomes["test_aioresponses"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("file", ["test_once_more", "test_without_end"])
def test_the_example_fails_for_an_app_that_repeats_creates(report: Report, file: str) -> None:
    faults = ("lost answer", "lost request", "504", "cut answer")
    assert sorted(report.list_failures(file)) == sorted(f"test_nobody_is_texted_twice[{fault}]" for fault in faults)
    assert len(report.outcomes[file]) == 1 + len(faults)


@pytest.mark.slow
def test_the_report_of_a_failed_test_names_the_fault(report: Report) -> None:
    (name,) = report.list_failures("test_failing")
    assert name == "test_a_lost_answer_is_no_reason_to_send_again"
    shown = re.split(r"^_{3,} (.*) _{3,}$", report.printed, flags=re.MULTILINE)
    assert "1. POST /api/Campaigns: no answer, carried out, fault 1" in shown[shown.index(name) + 1]


@pytest.mark.slow
def test_one_sandbox_serves_all_tests_with_the_fixture_that_is_described(report: Report) -> None:
    assert f'make a fixture with `scope="session"` of `{SESSION}`, and begin each test with `sandbox.reset()`' in PROSE
    assert report.list_failures("test_for_all") == []
    assert len(report.outcomes["test_for_all"]) == 3


async def test_a_double_send_is_what_the_guide_says() -> None:
    assert "24 hours apart; `within=timedelta(days=7)` looks further" in PROSE
    async with Sandbox() as sandbox, aiohttp.ClientSession(sandbox.url) as session:
        for start, message in (("27T09:30", "See you."), ("28T09:31", "See you."), ("27T09:30", "See you, 2 of 9.")):
            body = {**NEW, "startDateTime": f"2031-06-{start}:00Z", "message": message}
            await create(session, sandbox.api_key, "07700 900123", body)
        sandbox.assert_no_double_send()
        with pytest.raises(AssertionError) as caught:
            sandbox.assert_no_double_send(within=timedelta(days=7))
        first, second, _ = (campaign["id"] for campaign in sandbox.created)
        assert str(caught.value) == f"sent twice: campaigns {first} and {second} send the same text to 1 person"
        await create(session, sandbox.api_key, "07700 900123", {**NEW, "startDateTime": "2031-06-28T09:30:00Z"})
        with pytest.raises(AssertionError, match="sent twice"):
            sandbox.assert_no_double_send()


async def test_a_coroutine_waits_as_the_guide_says() -> None:
    (waiting,) = re.findall(r"in a coroutine, write `(await [^`]+)`", PROSE)
    with ThreadedSandbox() as sandbox:
        async with aiohttp.ClientSession(sandbox.url) as session:
            asked = [asyncio.create_task(create(session, sandbox.api_key, "07700 900123")) for _ in range(3)]
            code = compile(waiting, "testing.md", "eval", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            await eval(code, {"asyncio": asyncio, "sandbox": sandbox})  # noqa: S307
            assert len(sandbox.requests) == 3
            await asyncio.gather(*asked)
    assert "What it was sent can still be looked at after the `with`" in PROSE
    assert [request.status for request in sandbox.requests] == [201] * 3
    assert (len(sandbox.created), sandbox.messages) == (3, [])  # none is due yet
    assert sandbox.double_sends()


def public(made: type) -> set[str]:
    """Return the public names of a class."""
    return {name for name in dir(made) if not name.startswith("_")}


def test_every_attribute_of_the_sandbox_has_its_row() -> None:
    shown = {text.partition("(")[0] for cells in table("ask for") for text in code(cells[0])}
    assert shown == public(Sandbox) - ELSEWHERE
    assert shown == public(ThreadedSandbox) - ELSEWHERE


@pytest.mark.parametrize("cells", table("ask for"), ids=lambda cells: code(cells[0])[0])
def test_the_arguments_in_the_table_are_accepted(cells: list[str]) -> None:
    for text in code(cells[0]):
        name, _, arguments = text.partition("(")
        for made in (Sandbox, ThreadedSandbox):
            one = getattr(made, name)
            assert callable(one) == ("(" in text)
            if callable(one):
                taken = inspect.signature(one).parameters
                assert [each for each in arguments.rstrip(")").split(", ") if each] == [
                    each for each in taken if each not in ("self", "at", "within")
                ]
                assert ("within" in taken) == ("`within`" in cells[1])


def test_the_results_have_the_fields_of_the_table() -> None:
    said = {code(cells[0])[0]: code(cells[1]) for cells in table("ask for")}
    assert {name.partition("(")[0] for name in said["faults"]} <= public(Rule)
    assert {name.partition("(")[0] for name in said["clock"]} <= public(Clock)
    with ThreadedSandbox() as sandbox:
        sandbox.rate_limit = 5
        assert sandbox.rate_limit == RateLimit(5)


def test_every_field_of_a_request_is_in_the_table() -> None:
    found = re.search(r"Each request has (.*?) that it met\.", PROSE)
    assert found is not None
    names = {name for name in code(found[1]) if not name.startswith('"')} - {"None"}
    operations = tuple(name.strip('"') for name in code(found[1]) if name.startswith('"'))
    assert names == public(RecordedRequest) - {"content", "connection", "arrived"}
    assert operations == get_args(Operation)


async def test_requests_and_campaigns_are_as_the_guide_says() -> None:
    said = {code(cells[0])[0]: cells[1] for cells in table("ask for")}
    async with Sandbox() as sandbox, aiohttp.ClientSession(sandbox.url) as session:
        await create(session, sandbox.api_key, "07700 900123")
        sandbox.clock.move(100 * 366 * 86400)
        assert [list(message) for message in sandbox.messages] == [code(said["messages"])]
        assert code(said["created"]) == ["contacts"]
        assert len(sandbox.created[0]["contacts"]) == 1


def test_every_preset_has_its_row_and_its_arguments_exist() -> None:
    shown = [call_preset(cells[0]) for cells in table("preset")]
    assert {name for name, _ in shown} == set(PRESETS)
    assert len(shown) == len(PRESETS)


def call_preset(cell: str) -> tuple[str, Fault]:
    """Return the name of the preset that a cell calls, and its fault."""
    (call,) = code(cell)
    return call.partition("(")[0], eval(call, dict(PRESETS))  # noqa: S307


@pytest.mark.parametrize("cells", table("preset"), ids=lambda cells: code(cells[0])[0])
def test_a_preset_acts_as_its_row_says(cells: list[str]) -> None:
    name, fault = call_preset(cells[0])
    assert fault.is_carried_out_first == cells[2].startswith("yes")
    if "acted" in inspect.signature(PRESETS[name]).parameters:
        said = {True: "if `acted=True`", False: "yes, unless `acted=False`"}
        other = PRESETS[name](acted=not fault.is_carried_out_first)
        assert other.is_carried_out_first != fault.is_carried_out_first
        assert said[other.is_carried_out_first] in cells[2]
    else:
        assert cells[2] in ("yes", "no")
    assert ("act_after" in inspect.signature(PRESETS[name]).parameters) == ("`act_after` seconds later" in cells[2])


def test_the_fields_that_select_requests_exist() -> None:
    found = re.search(r"Each takes which requests it meets, by name: (.*?), a phone number\.", PROSE)
    assert found is not None
    assert set(code(found[1])) == set(presets.Where.__annotations__)


@pytest.mark.parametrize("cells", table("recipient"), ids=lambda cells: code(cells[0])[0])
async def test_a_magic_recipient_does_what_its_row_says(cells: list[str]) -> None:
    number = code(cells[0])[0].replace("X", "7")
    async with Sandbox(magic_recipients=True) as sandbox, aiohttp.ClientSession(sandbox.url) as session:
        status = await create(session, sandbox.api_key, number)
        assert cells[1].startswith(str(status))
        assert len(sandbox.created) == {"yes": 1, "no": 0}[cells[2]]
        sandbox.clock.move(100 * 366 * 86400)
        assert [message["status"] for message in sandbox.messages] == ([int(cells[3].split()[0])] if cells[3] else [])


def test_every_magic_recipient_has_its_row() -> None:
    assert [code(cells[0])[0] for cells in table("recipient")] == [f"07700 9000{digit}X" for digit in range(5)]


async def create(session: aiohttp.ClientSession, key: str, number: str, new: Mapping[str, Any] = NEW) -> int:
    """Return the status of the answer to a create."""
    body = {**new, "contacts": [{"phoneNumber": number}]}
    async with session.post("/api/Campaigns", json=body, headers={"api-key": key}) as answer:
        return answer.status


def test_the_arguments_of_the_sandbox_are_all_there_with_their_defaults() -> None:
    shown: dict[str, Any] = {}
    for cells in table("argument"):
        names, defaults = code(cells[0]), code(cells[1])
        shown |= {name: eval(text, {}) for name, text in zip(names, defaults, strict=True)}  # noqa: S307
    assert shown == {name: each.default for name, each in inspect.signature(Sandbox).parameters.items()}


def test_the_values_in_the_table_of_arguments_are_accepted() -> None:
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
            if path:  # the path follows the last of its verbs
                shown[path], verbs = verbs, set()
        assert shown == {path: verbs for path, verbs in paths.items() if path != "/_sandbox"}
        (clock,) = (cells[1] for cells in table("path") if "clock" in cells[0])
        for body in code(clock):
            async with session.put(
                f"{sandbox.url}/_sandbox/clock", data=body, headers={"Content-Type": "application/json"}
            ) as answer:
                assert answer.status == 200, await answer.text()


async def test_the_fault_that_is_added_from_outside_is_the_preset() -> None:
    name, address, *rest = shlex.split(find_block("mark: control").text.replace("\\\n", ""))
    parser = argparse.ArgumentParser()
    parser.add_argument("-H")
    parser.add_argument("-d")
    given = parser.parse_args(rest)
    header, _, kind = given.H.partition(": ")
    assert (name, header) == ("curl", "Content-Type")
    path = address.removeprefix("http://127.0.0.1:8080")
    async with Sandbox() as sandbox, aiohttp.ClientSession(sandbox.url) as session:

        async def post(body: str, kind: str) -> int:
            async with session.post(path, data=body, headers={"Content-Type": kind}) as answer:
                return answer.status

        assert await post(given.d, kind) == 201
        (rule,) = sandbox.faults
        assert rule.fault == presets.lost_answer(operation="create", times=1)
        assert await post(given.d, "application/x-www-form-urlencoded") == 415
        assert await post('{"preset": "lost_answer"}', kind) == 400
        async with session.put("/_sandbox/clock", data=b'{"move": 60}') as answer:
            assert answer.status == 415
        with pytest.raises(aiohttp.ClientError):
            await create(session, sandbox.api_key, "07700 900123")
        assert len(sandbox.created) == 1
        async with session.delete(path) as answer:
            assert answer.status == 200
        assert rule.stopped


async def test_the_fields_that_the_control_refuses_are_named() -> None:
    found = re.search(r"with the fields of `Fault`, all but (.*?)\.", PROSE)
    assert found is not None
    unknown: set[str] = set()
    async with Sandbox() as sandbox, aiohttp.ClientSession(sandbox.url) as session:
        for name in attrs.fields_dict(Fault):
            async with session.post("/_sandbox/faults", json={name: []}) as answer:
                assert answer.status == 400
                if f"unknown name '{name}'" in (await answer.json())["detail"]:
                    unknown.add(name)
    assert set(code(found[1])) == unknown


def test_the_command_installs_what_the_sandbox_needs() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras["sandbox"]) <= set(extras["cli"])
