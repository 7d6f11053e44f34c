"""The pytest plugin, in the test-suites of those who have installed the package."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from urllib.parse import urlsplit

import pytest

from campaigns_async import testing
from campaigns_async.sandbox import ThreadedSandbox
from campaigns_async.testing import _MARKER

pytest_plugins = ["pytester"]

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
async def send_till_it_works(customer: str, request: Request):
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
        raise HTTPException(502, "sent perhaps: look before you send it again") from error
"""

CONFTEST = """
import pytest


@pytest.fixture(autouse=True)
def environment(campaigns_sandbox, monkeypatch):
    for name, value in campaigns_sandbox.environment.items():
        monkeypatch.setenv(name, value)
"""

TESTS_OF_THE_SHOP = """
import shop
from campaigns_async.sandbox import presets
from fastapi.testclient import TestClient


def order(app, campaigns_sandbox):
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
"""

ASK = """
import json
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


def send(sandbox, number):
    new = {"startDateTime": "2031-06-27T09:30:00Z", "sender": "Golf", "message": "Fore!"}
    body = json.dumps({**new, "contacts": [{"phoneNumber": number}]}).encode()
    headers = {"api-key": sandbox.api_key, "Content-Type": "application/json"}
    request = urllib.request.Request(sandbox.url + "/api/Campaigns", body, headers)
    try:
        urllib.request.urlopen(request).close()
    except urllib.error.HTTPError as error:
        error.close()
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A directory for somebody's tests, where pytest has the plugins alone that it is told of."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyfile(asking=ASK)
    return pytester


def run(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run them in a process of its own, in which a warning is an error too."""
    options = ("-W", "error", "--strict-markers", "-p", "no:cacheprovider", "-p", "campaigns_async")
    return suite.runpytest_subprocess(*options, *arguments)


def test_pytest_finds_it_where_the_package_is_installed() -> None:
    (found,) = entry_points(group="pytest11", name="campaigns_async")
    assert found.load() is testing


class TestAShop:
    """A web app that sends campaigns, and tests of it that use the plugin alone."""

    def test_the_double_send_of_a_naive_app_is_found_and_a_careful_one_passes(self, suite: pytest.Pytester) -> None:
        suite.makepyfile(shop=SHOP, conftest=CONFTEST, test_shop=TESTS_OF_THE_SHOP)

        # What the newest TestClient says of the httpx that it uses is not our affair.
        ran = run(suite, "-W", "ignore:Using `httpx` with `starlette.testclient` is deprecated")

        ran.assert_outcomes(passed=1, failed=1)
        ran.stdout.fnmatch_lines(
            [
                "*_ test_naive _*",
                "E*AssertionError: sent twice: campaigns * and * bring the same text to 1 person",
                "*- campaigns sandbox -*",
                "1. POST /api/Campaigns*: no answer, carried out, met fault 1",
                "2. POST /api/Campaigns*: 201, carried out",
            ]
        )
        # The line of the test is shown, and nothing of how the sandbox found out.
        assert "threaded.py" not in ran.stdout.str()
        for secret in ("07700", "7700900123", "Ann", "at the tee"):
            assert secret not in without_sources(ran.stdout.str())


def without_sources(output: str) -> str:
    """What pytest printed, without the lines of code that it shows."""
    return "\n".join(line for line in output.splitlines() if not line.startswith((" ", ">")))


class TestTheFixture:
    def test_it_serves_tests_of_any_kind(self, suite: pytest.Pytester) -> None:
        suite.makepyfile("""
            import asyncio

            import anyio
            import pytest
            from asking import ask
            from campaigns_async import CampaignsClient


            async def count(sandbox):
                async with CampaignsClient(sandbox.url, sandbox.api_key) as client:
                    return await client.campaigns.list().count()


            def test_sync(campaigns_sandbox):
                assert ask(campaigns_sandbox) == 200


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
        """)

        ran = run(suite, "-rP", "-p", "asyncio", "-p", "anyio", "-o", "asyncio_default_fixture_loop_scope=function")

        ran.assert_outcomes(passed=4)
        assert "campaigns sandbox" not in ran.stdout.str()

    def test_it_is_fresh_for_each_test_and_gone_afterwards(self, suite: pytest.Pytester) -> None:
        suite.makepyfile("""
            import threading

            from asking import ask

            seen = []


            def test_one(campaigns_sandbox):
                assert ask(campaigns_sandbox) == 200
                seen.append(campaigns_sandbox)


            def test_two(campaigns_sandbox):
                assert (len(campaigns_sandbox.requests), campaigns_sandbox is seen[0]) == (0, False)


            def test_three():
                assert threading.active_count() == 1
        """)

        run(suite).assert_outcomes(passed=3)

    def test_marks_say_what_it_is_made_of_and_the_nearest_wins(self, suite: pytest.Pytester) -> None:
        suite.makepyfile("""
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
        """)

        run(suite).assert_outcomes(passed=2)

    def test_marks_that_cannot_be_are_named_without_a_traceback(
        self, suite: pytest.Pytester, campaigns_sandbox: ThreadedSandbox
    ) -> None:
        taken = campaigns_sandbox
        suite.makepyfile(
            """
            import pytest


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
        """.replace("TAKEN", str(urlsplit(taken.url).port))
        )

        ran = run(suite)

        ran.assert_outcomes(errors=5)
        ran.stdout.fnmatch_lines(
            [
                "@pytest.mark.campaigns_sandbox: it takes arguments by name only, such as rate_limit=5",
                "@pytest.mark.campaigns_sandbox: * unexpected keyword argument 'colour'",
                "@pytest.mark.campaigns_sandbox: update_method must be PUT, POST or both, not 'PATCH'",
                "@pytest.mark.campaigns_sandbox: port must be from 0 to 65535, not 70000",
                "@pytest.mark.campaigns_sandbox: *address already in use*",
            ]
        )
        for trace in ("testing.py", "Traceback", "During handling", "direct cause"):
            assert trace not in ran.stdout.str()

    def test_the_marker_and_the_fixture_have_their_help(self, suite: pytest.Pytester) -> None:
        ran = run(suite, "--markers")
        ran.stdout.fnmatch_lines([f"@pytest.mark.{_MARKER}(?*arguments): *rate_limit=5 or magic_recipients=True."])
        ran = run(suite, "--fixtures")
        ran.stdout.fnmatch_lines(["campaigns_sandbox -- *", "*A server that plays the SMS Campaigns API, fresh for*"])


class TestTheReport:
    def test_a_test_that_fails_shows_what_arrived_and_no_secrets(self, suite: pytest.Pytester) -> None:
        suite.makepyfile("""
            import pytest
            from asking import ask, send


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


            @pytest.mark.campaigns_sandbox(magic_recipients=True)
            def test_magic(campaigns_sandbox):
                send(campaigns_sandbox, "07700 900060")
                assert False


            def test_of_something_else():
                assert False


            def test_that_passes(campaigns_sandbox):
                ask(campaigns_sandbox, "/passes")
        """)

        ran = run(suite)

        ran.assert_outcomes(passed=3, failed=7, errors=2)
        shown = sections(ran.stdout.str())
        assert shown["test_call"] == [
            "1. GET /api/Campaigns: 200, carried out",
            "2. GET /api/Campaigns: 504, carried out, met fault 1",
            "3. GET /sendTo/(number)/now: 404, not carried out",
        ]
        assert shown["test_nothing_arrived"] == ["no request arrived"]
        assert shown["test_many"][0] == "(10 more before)"
        assert [line.split(".")[0] for line in shown["test_many"][1:]] == [str(number) for number in range(11, 61)]
        assert shown["test_teardown"] == ["1. GET /teardown: 404, not carried out"]
        assert shown["test_late_teardown"] == ["1. GET /late: 404, not carried out"]
        assert shown["test_stopped"] == ["1. GET /before: 404, not carried out"]
        assert shown["test_trouble"] == [
            "1. GET /api/Campaigns: 500, not carried out, a fault's `when` raised TypeError"
        ]
        assert shown["test_magic"] == ["1. POST /api/Campaigns: 500, not carried out, met a magic number"]
        assert "TypeError: 'NoneType' object is not subscriptable" in ran.stdout.str()
        assert shown.keys() == {
            *("test_call", "test_nothing_arrived", "test_many"),
            *("test_teardown", "test_late_teardown", "test_stopped", "test_trouble", "test_magic"),
        }


def sections(output: str) -> dict[str, list[str]]:
    """What the reports have of the sandbox, by the test's name."""
    found: dict[str, list[str]] = {}
    reports = re.split(r"^_+ (?:ERROR at \w+ of )?(\w+) _+$", output, flags=re.MULTILINE)
    for name, text in zip(reports[1::2], reports[2::2], strict=True):
        _, title, section = text.partition("campaigns sandbox")
        if title:
            lines = section.splitlines()[1:]
            end = next((at for at, line in enumerate(lines) if line.startswith(("=", "-"))), len(lines))
            found[name] = lines[:end]
    return found


class TestWhatItNeeds:
    def test_nothing_is_imported_before_a_test_uses_it(self, suite: pytest.Pytester) -> None:
        suite.makepyfile("""
            import sys

            HEAVY = ("aiohttp", "attrs", "cattrs", "orjson", "phonenumbers", "campaigns_async.sandbox")


            def test_nothing():
                assert "campaigns_async.testing" in sys.modules
                assert [name for name in HEAVY if name in sys.modules] == []


            def test_something(campaigns_sandbox):
                assert {"aiohttp", "campaigns_async.sandbox"} <= set(sys.modules)
        """)

        run(suite).assert_outcomes(passed=2)

    def test_without_the_extra_it_says_what_to_install_and_only_to_those_who_use_it(
        self, suite: pytest.Pytester
    ) -> None:
        suite.makeconftest("""
            import sys

            sys.modules["phonenumbers"] = None  # as if it were not installed
        """)
        suite.makepyfile("""
            def test_with(campaigns_sandbox): ...


            def test_without(): ...
        """)

        ran = run(suite)

        ran.assert_outcomes(passed=1, errors=1)
        ran.stdout.fnmatch_lines(
            [
                'the fixture campaigns_sandbox needs phonenumbers: install it with: pip install "campaigns-async?sandbox?"'
            ]
        )
        assert "Traceback" not in ran.stdout.str()
