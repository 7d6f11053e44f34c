"""The pytest plugin in the test suite of a user who has installed the package: one session and its report."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from attrs import frozen

from campaigns_async.sandbox import pytest_plugin

pytestmark = pytest.mark.slow

SHOP = """
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from campaigns_async import CampaignsClient, CampaignsError, NewCampaign, NewContact, OutcomeUnknownError
from fastapi import FastAPI, HTTPException, Request


@asynccontextmanager
async def lifespan(app):
    async with CampaignsClient() as client:
        yield {"client": client}


def news(customer):
    start = datetime(2031, 6, 27, 9, 30, tzinfo=UTC)
    return NewCampaign(start, "Golf", "See you at the tee.", [NewContact(customer, name="Ann")])


naive, careful = FastAPI(lifespan=lifespan), FastAPI(lifespan=lifespan)


@naive.post("/news/{customer}", status_code=201)
async def send_until_it_works(customer: str, request: Request):
    for _ in range(3):
        try:
            return {"id": await request.state.client.campaigns.create(news(customer))}
        except CampaignsError:
            pass
    raise HTTPException(502)


@careful.post("/news/{customer}", status_code=201)
async def send_once(customer: str, request: Request):
    try:
        return {"id": await request.state.client.campaigns.create(news(customer))}
    except OutcomeUnknownError as error:
        raise HTTPException(502, "perhaps sent: look before you send it again") from error
"""

ASKING = """
import urllib.error
import urllib.request


def ask(sandbox, path="/api/Campaigns"):
    request = urllib.request.Request(sandbox.url + path, headers={"api-key": sandbox.api_key})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
"""

# The session runs these files in this order.
TESTS = {
    "test_1_imports": """
        import sys

        import pytest

        HEAVY = ("aiohttp", "attrs", "cattrs", "orjson", "msgspec", "phonenumbers", "campaigns_async.sandbox.server")
        # Collecting the other files imports some of them.
        IMPORTED = [name for name in HEAVY if name in sys.modules]


        def test_nothing_is_imported():
            assert "PLUGIN" in sys.modules
            assert IMPORTED == []


        class TestWithoutTheExtra:
            @pytest.fixture(autouse=True)
            def absent(self, monkeypatch):
                monkeypatch.setitem(sys.modules, "phonenumbers", None)  # as if it were not installed

            def test_without(self): ...

            def test_needs_the_extra(self, campaigns_sandbox): ...


        def test_is_imported_now(campaigns_sandbox):
            assert {"aiohttp", "campaigns_async.sandbox.server"} <= set(sys.modules)
    """,
    "test_2_fixture": """
        import asyncio
        import threading

        import anyio
        import pytest
        from asking import ask
        from campaigns_async import CampaignsClient

        seen = []


        async def count(sandbox):
            async with CampaignsClient(sandbox.url, sandbox.api_key) as client:
                return await client.campaigns.list().count()


        def test_sync(campaigns_sandbox):
            assert ask(campaigns_sandbox) == 200
            seen.append(campaigns_sandbox)


        def test_fresh(campaigns_sandbox):
            assert (len(campaigns_sandbox.requests), campaigns_sandbox is seen[0]) == (0, False)


        def test_gone():
            assert threading.active_count() == 1


        def test_with_a_loop_made_by_hand(campaigns_sandbox):
            assert asyncio.run(count(campaigns_sandbox)) == 0


        @pytest.mark.asyncio
        async def test_with_pytest_asyncio(campaigns_sandbox):
            campaigns_sandbox.add({"id": "c1"})
            assert await count(campaigns_sandbox) == 1


        @pytest.mark.anyio
        async def test_with_anyio(campaigns_sandbox):
            assert await count(campaigns_sandbox) == 0


        @pytest.fixture
        def anyio_backend():
            return "asyncio"


        def test_help(request):
            (marker,) = [line for line in request.config.getini("markers") if line.startswith("campaigns_sandbox(")]
            assert marker.startswith("campaigns_sandbox(**arguments): ")
            assert "rate_limit=5" in marker
            (fixture,) = request.session._fixturemanager.getfixturedefs("campaigns_sandbox", request.node)
            assert fixture.func.__doc__.splitlines()[0].startswith("Start a server that simulates the SMS Campaigns API, a new one")
    """,
    "test_3_marks": """
        import pytest
        from asking import ask

        pytestmark = pytest.mark.campaigns_sandbox(api_key="module", prefix="/tenant", rate_limit=0.001)


        @pytest.mark.campaigns_sandbox(api_key="class")
        class TestClass:
            @pytest.mark.campaigns_sandbox(api_key="test", campaigns=[{"id": "c1"}])
            def test_near(self, campaigns_sandbox):
                assert (campaigns_sandbox.api_key, campaigns_sandbox.campaigns) == ("test", [{"id": "c1"}])
                assert campaigns_sandbox.url.endswith("/tenant")
                assert [ask(campaigns_sandbox) for _ in range(2)] == [200, 429]

            def test_far(self, campaigns_sandbox):
                assert campaigns_sandbox.api_key == "class"


        @pytest.mark.campaigns_sandbox(5)
        def test_by_place(campaigns_sandbox): ...


        @pytest.mark.campaigns_sandbox(colour="red")
        def test_unknown(campaigns_sandbox): ...


        @pytest.mark.campaigns_sandbox(update_method="PATCH")
        def test_out_of_range(campaigns_sandbox): ...


        @pytest.mark.campaigns_sandbox(port=70_000)
        def test_no_port(campaigns_sandbox): ...


        @pytest.mark.campaigns_sandbox(port=TAKEN)
        def test_taken_port(campaigns_sandbox): ...
    """,
    "test_4_report": """
        import pytest
        from asking import ask


        @pytest.fixture
        def looks_afterwards(campaigns_sandbox):
            yield
            assert not campaigns_sandbox.requests


        @pytest.fixture
        def outlives_it(request):
            yield
            assert False


        def test_call(campaigns_sandbox):
            campaigns_sandbox.fault(nth=2, times=1, status=504, act=True)
            for path in ("/api/Campaigns?api-key=sesame", "/api/Campaigns", "/sendTo/%2B44%207700900123/now"):
                ask(campaigns_sandbox, path)
            assert False


        def test_nothing_arrived(campaigns_sandbox):
            assert False


        def test_many(campaigns_sandbox):
            for _ in range(60):
                ask(campaigns_sandbox)
            assert False


        def test_teardown(looks_afterwards, campaigns_sandbox):
            ask(campaigns_sandbox, "/teardown")


        def test_late_teardown(outlives_it, campaigns_sandbox):
            ask(campaigns_sandbox, "/late")


        def test_stopped(campaigns_sandbox):
            ask(campaigns_sandbox, "/before")
            campaigns_sandbox.stop()
            assert False


        def test_trouble(campaigns_sandbox):
            campaigns_sandbox.fault(when=lambda request: request.body["x"], status=503)
            assert ask(campaigns_sandbox) == 503


        def test_of_something_else():
            assert False


        def test_that_passes(campaigns_sandbox):
            ask(campaigns_sandbox, "/passes")
    """,
    "test_5_shop": """
        import pytest
        import shop
        from fastapi.testclient import TestClient


        @pytest.fixture(autouse=True)
        def environment(campaigns_sandbox, monkeypatch):
            for name, value in campaigns_sandbox.environment.items():
                monkeypatch.setenv(name, value)


        def order(app, campaigns_sandbox):
            from campaigns_async.sandbox import presets  # not when it is collected: see test_1_imports

            campaigns_sandbox.add_fault(presets.lost_answer(operation="create", times=1))
            with TestClient(app) as browser:
                status = browser.post("/news/07700900123").status_code
            campaigns_sandbox.assert_no_double_send()
            return status


        def test_naive(campaigns_sandbox):
            order(shop.naive, campaigns_sandbox)


        def test_careful(campaigns_sandbox):
            assert order(shop.careful, campaigns_sandbox) == 502
            assert len(campaigns_sandbox.created) == 1
    """,
}
OPTIONS = (
    *("-W", "error", "--strict-markers", "-rA", "-p", "campaigns_async", "-p", "asyncio", "-p", "anyio"),
    *("-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function", "--junit-xml=report.xml"),
    # The newest TestClient warns about httpx, which does not concern this package.
    *("-W", "ignore:Using `httpx` with `starlette.testclient` is deprecated"),
)


@frozen
class Report:
    """The report of the session.

    Attributes:
        output: The text that pytest printed.
        outcomes: "passed", or what pytest calls the problem, by the test's name.
        sections: The lines about the sandbox, by the test's name.
    """

    output: str
    outcomes: Mapping[str, str]
    sections: Mapping[str, list[str]]

    def of(self, test: str) -> str:
        """Return the part of the output about one test."""
        return reports_in(self.output)[test]


def reports_in(output: str) -> dict[str, str]:
    """Split pytest's output into its reports of tests."""
    body = output.partition("short test summary info")[0]
    parts = re.split(r"^_+ (?:ERROR at \w+ of )?(?:\w+\.)*(\w+) _+$", body, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def sections_in(output: str) -> dict[str, list[str]]:
    """Return the sections about the sandbox, by the test's name."""
    found: dict[str, list[str]] = {}
    for name, text in reports_in(output).items():
        _, title, section = text.partition("campaigns sandbox -")
        if title:
            lines = section.splitlines()[1:]
            end = next((at for at, line in enumerate(lines) if line.startswith(("=", "-"))), len(lines))
            found[name] = lines[:end]
    return found


def outcomes_in(report: Path) -> dict[str, str]:
    """Read the outcomes of pytest's JUnit report."""
    found: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own file
        problems = [each.tag for each in case if each.tag in {"failure", "error", "skipped"}]
        found[case.attrib["name"]] = problems[0] if problems else "passed"
    return found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Run a user's tests in a new process, with warnings as errors and few plugins."""
    suite = tmp_path_factory.mktemp("suite")
    (suite / "shop.py").write_text(SHOP)
    (suite / "asking.py").write_text(ASKING)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for name, text in TESTS.items():
            test = text.replace("TAKEN", str(taken.getsockname()[1])).replace("PLUGIN", pytest_plugin.__name__)
            (suite / f"{name}.py").write_text(textwrap.dedent(test))
        environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", *OPTIONS],
            cwd=suite,
            env={**environment, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    return Report(ran.stdout, outcomes_in(suite / "report.xml"), sections_in(ran.stdout))


def test_pytest_finds_the_plugin_of_the_installed_package() -> None:
    (found,) = entry_points(group="pytest11", name="campaigns_async")
    assert found.load() is pytest_plugin


def test_each_test_of_the_suite_has_its_expected_outcome(report: Report) -> None:
    failed = {
        *("test_call", "test_nothing_arrived", "test_many", "test_stopped", "test_trouble"),
        *("test_of_something_else", "test_naive"),
    }
    errors = {
        *("test_needs_the_extra", "test_teardown", "test_late_teardown"),
        *("test_by_place", "test_unknown", "test_out_of_range", "test_no_port", "test_taken_port"),
    }
    assert {name for name, outcome in report.outcomes.items() if outcome == "failure"} == failed
    assert {name for name, outcome in report.outcomes.items() if outcome == "error"} == errors
    assert {name for name, outcome in report.outcomes.items() if outcome == "passed"} == {
        *("test_nothing_is_imported", "test_without", "test_is_imported_now"),
        *("test_sync", "test_fresh", "test_gone", "test_with_a_loop_made_by_hand"),
        *("test_with_pytest_asyncio", "test_with_anyio", "test_help", "test_near", "test_far"),
        *("test_that_passes", "test_careful"),
    }


def test_the_double_send_of_a_naive_app_is_found_and_shown_without_recipients(report: Report) -> None:
    shown = report.of("test_naive")

    assert re.search(r"AssertionError: sent twice: campaigns \w+ and \w+ send the same text to 1 person", shown)
    first, second = report.sections["test_naive"]
    assert re.fullmatch(r"1\. POST /api/Campaigns\S*: no answer, carried out, fault 1", first)
    assert re.fullmatch(r"2\. POST /api/Campaigns\S*: 201, carried out", second)
    # The line of the test is shown, and no line of the sandbox.
    assert "threaded.py" not in shown
    without_sources = "\n".join(line for line in shown.splitlines() if not line.startswith((" ", ">")))
    for secret in ("07700", "7700900123", "Ann", "at the tee"):
        assert secret not in without_sources


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        ("test_by_place", "it takes arguments by name only, such as rate_limit=5"),
        ("test_unknown", ".* unexpected keyword argument 'colour'"),
        ("test_out_of_range", "update_method must be one of PUT, POST, both, not 'PATCH'"),
        ("test_no_port", "'port' must be .*70000"),
        ("test_taken_port", ".*address already in use.*"),
    ],
)
def test_an_invalid_mark_is_named_without_a_traceback(report: Report, test: str, problem: str) -> None:
    shown = report.of(test)

    assert re.search(rf"^@pytest\.mark\.campaigns_sandbox: {problem}", shown, flags=re.MULTILINE)
    for trace in ("pytest_plugin.py", "Traceback", "During handling", "direct cause"):
        assert trace not in shown


def test_without_the_extra_the_error_names_it(report: Report) -> None:
    shown = report.of("test_needs_the_extra")

    assert (
        'the fixture campaigns_sandbox needs phonenumbers: install it with: pip install "campaigns-async[sandbox]"'
        in (shown)
    )
    assert "Traceback" not in shown


def test_a_failing_test_shows_its_requests_without_secrets(report: Report) -> None:
    shown = {name: lines for name, lines in report.sections.items() if name != "test_naive"}

    many = shown.pop("test_many")
    assert many[0] == "(10 more before)"
    assert [line.split(".")[0] for line in many[1:]] == [str(number) for number in range(11, 61)]
    assert shown == {
        "test_call": [
            "1. GET /api/Campaigns: 200, carried out",
            "2. GET /api/Campaigns: 504, carried out, fault 1",
            "3. GET /sendTo/(number)/now: 404, not carried out",
        ],
        "test_nothing_arrived": ["no request arrived"],
        "test_teardown": ["1. GET /teardown: 404, not carried out"],
        "test_late_teardown": ["1. GET /late: 404, not carried out"],
        "test_stopped": ["1. GET /before: 404, not carried out"],
        "test_trouble": ["1. GET /api/Campaigns: 500, not carried out, a fault's `when` raised TypeError"],
    }
    assert "TypeError: 'NoneType' object is not subscriptable" in report.of("test_trouble")
