"""The sandbox in a thread of its own: used from any thread, and stopped without a leak."""

from __future__ import annotations

import asyncio
import gc
import http.client
import inspect
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from campaigns_async.sandbox import (
    Fault,
    Operation,
    RecordedRequest,
    Sandbox,
    ThreadedSandbox,
    threaded as threaded_module,
)
from campaigns_async.sandbox._request_log import Event, RequestLog

WIRE = {"id": "c1", "startDateTime": "2024-01-10T09:00:00Z", "sender": "Acme", "message": "Hi"}


@pytest.fixture
def threaded() -> Iterator[ThreadedSandbox]:
    with ThreadedSandbox([WIRE], seed=7) as running:
        yield running


def ask(
    sandbox: ThreadedSandbox, method: str = "GET", path: str = "/api/Campaigns", body: Any = None
) -> tuple[int, Any]:
    """Send one request over a new connection, and return its status and its JSON."""
    headers = {"Authorization": f"Bearer {sandbox.api_key}", "Content-Type": "application/json"}
    with closing(http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=30)) as connection:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None


def in_thread(work: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Run a function in a new thread."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(work(*arguments))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run).start()
    return future


def count_descriptors() -> int:
    """Return the number of open files and sockets."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def is_thread_running() -> bool:
    return any(thread.name == "campaigns-sandbox" for thread in threading.enumerate())


class TestLife:
    def test_it_serves_a_test_that_is_not_a_coroutine(self, threaded: ThreadedSandbox) -> None:
        status, page = ask(threaded)

        assert (status, page["items"]) == (200, [WIRE])

    async def test_it_serves_a_test_with_a_loop_of_its_own(self, threaded: ThreadedSandbox) -> None:
        async with (
            aiohttp.ClientSession(threaded.url, headers={"api-key": threaded.api_key}) as session,
            session.get("/api/Campaigns/c1") as answer,
        ):
            assert await answer.json() == WIRE

    def test_it_has_the_parameters_of_a_sandbox(self) -> None:
        own = inspect.signature(ThreadedSandbox)
        assert list(own.parameters.values()) == list(inspect.signature(Sandbox).parameters.values())
        with ThreadedSandbox(api_key="k", prefix="/tenant", now=datetime(2031, 1, 1, tzinfo=UTC)) as sandbox:
            assert (sandbox.api_key, sandbox.url.endswith("/tenant")) == ("k", True)
            assert sandbox.clock.now() == datetime(2031, 1, 1, tzinfo=UTC)

    def test_an_invalid_argument_is_refused_before_it_starts(self) -> None:
        with pytest.raises(ValueError, match="update_method"):
            ThreadedSandbox(update_method="PATCH")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="colour"):
            ThreadedSandbox(colour="red")  # type: ignore[call-arg]
        assert not is_thread_running()

    def test_a_taken_port_is_an_error_and_leaves_nothing_open(self, threaded: ThreadedSandbox) -> None:
        before = threading.enumerate()
        other = ThreadedSandbox(port=urlsplit(threaded.url).port or 0)

        with pytest.raises(OSError, match="in use"):
            other.start()

        assert threading.enumerate() == before
        assert repr(other) == "<ThreadedSandbox stopped>"
        other.stop()

    def test_it_can_be_started_again_on_the_same_port(self) -> None:
        sandbox = ThreadedSandbox()
        with sandbox:
            url = sandbox.url
        with sandbox:
            assert sandbox.url == url
            assert ask(sandbox)[0] == 200

    def test_a_second_start_is_refused(self, threaded: ThreadedSandbox) -> None:
        with pytest.raises(RuntimeError, match="running already"):
            threaded.start()
        assert ask(threaded)[0] == 200

    def test_stopping_twice_does_no_harm(self) -> None:
        with ThreadedSandbox() as sandbox:
            sandbox.stop()
            sandbox.stop()

    def test_members_that_need_a_running_sandbox_raise_without_one(self) -> None:
        sandbox = ThreadedSandbox()
        for _ in range(2):
            for use in (
                lambda: sandbox.url,
                lambda: sandbox.environment,
                lambda: sandbox.wait_received(1),
                lambda: sandbox.wait_acted(1),
            ):
                with pytest.raises(RuntimeError, match="is not running: use it within `with ThreadedSandbox"):
                    use()
            with sandbox:
                pass

    def test_it_can_be_prepared_before_it_starts(self) -> None:
        sandbox = ThreadedSandbox()
        sandbox.add(WIRE)
        rule = sandbox.fault(operation="get", status=500)
        sandbox.clock.set(datetime(2031, 1, 1, tzinfo=UTC))
        sandbox.rate_limit = 100
        sandbox.api_key = "k"

        with sandbox:
            assert ask(sandbox)[1]["items"] == [WIRE]
            assert ask(sandbox, path="/api/Campaigns/c1")[0] == 500

        rule.stop()
        rule.release()
        assert (rule.fired, rule.stopped, sandbox.clock.running) == (1, True, False)

    def test_requests_can_be_read_after_it_has_stopped(self, new: dict[str, Any]) -> None:
        with ThreadedSandbox([WIRE]) as sandbox:
            rule = sandbox.fault(nth=2, status=504, act=True)
            keys = [ask(sandbox, "POST", body=new)[1]]
            ask(sandbox, "POST", body=new)

        assert [(request.status, request.fault) for request in sandbox.requests] == [(201, None), (504, 1)]
        assert [row["id"] for row in sandbox.created[:1]] == keys
        assert (len(sandbox.campaigns), len(sandbox.contacts(keys[0])), sandbox.messages) == (3, 2, [])
        assert (rule.seen, rule.fired, rule.stopped) == (2, 1, False)
        assert [each.number for each in sandbox.faults] == [1]
        assert (sandbox.in_flight, sandbox.max_in_flight) == (0, 1)
        with pytest.raises(AssertionError, match="2 people"):
            sandbox.assert_no_double_send()
        assert len(sandbox.double_sends()) == 1
        assert ThreadedSandbox([WIRE]).campaigns == [WIRE]

    def test_its_repr_shows_the_url_and_no_key(self, threaded: ThreadedSandbox) -> None:
        assert repr(threaded) == f"<ThreadedSandbox {threaded.url}>"

    def test_it_stops_with_hanging_requests_and_open_connections_and_leaves_nothing_open(self) -> None:
        gc.collect()
        open_before = count_descriptors()
        sandbox = ThreadedSandbox()
        sandbox.start()
        sandbox.fault(operation="list", hang=True)
        place = (urlsplit(sandbox.url).hostname, urlsplit(sandbox.url).port)
        hung = in_thread(ask, sandbox)
        sandbox.wait_received(1)
        with socket.create_connection(place) as idle, socket.create_connection(place) as half:
            half.sendall(b"POST /api/campaigns HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")

            sandbox.stop()

            assert idle.recv(1) == b""
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            hung.result(30)
        gc.collect()
        assert not is_thread_running()
        assert count_descriptors() == open_before

    def test_its_loop_is_a_selector_loop_under_any_policy_and_is_closed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse() -> asyncio.AbstractEventLoop:
            raise AssertionError("another kind of loop")

        monkeypatch.setattr(asyncio.events, "new_event_loop", refuse)
        loops: list[asyncio.AbstractEventLoop] = []
        with ThreadedSandbox() as sandbox:
            sandbox.fault(when=lambda _: loops.append(asyncio.get_running_loop()) is not None, status=500)
            ask(sandbox)

        assert isinstance(loops[0], asyncio.SelectorEventLoop)
        assert loops[0].is_closed()


def public(kind: type) -> set[str]:
    """Return the public names of a class."""
    return {name for name in dir(kind) if not name.startswith("_")}


class TestMembers:
    def test_it_has_the_members_of_a_sandbox_with_their_documentation(self) -> None:
        assert public(Sandbox) == public(ThreadedSandbox)
        for name in public(ThreadedSandbox):
            assert inspect.getdoc(getattr(ThreadedSandbox, name)), name
        assert inspect.signature(ThreadedSandbox.contacts) == inspect.signature(Sandbox.contacts)
        assert list(inspect.signature(Sandbox.contacts).parameters) == ["self", "campaign_id"]

    def test_created_campaigns_can_be_read(self, threaded: ThreadedSandbox, new: dict[str, Any]) -> None:
        status, key = ask(threaded, "POST", body=new)

        assert status == 201
        assert [row["id"] for row in threaded.created] == [key]
        assert [row["id"] for row in threaded.campaigns] == ["c1", key]
        assert [row["name"] for row in threaded.contacts(key)] == ["Ann", None]
        (request,) = threaded.requests
        assert (request.method, request.status, request.acted, request.body) == ("POST", 201, True, new)
        with pytest.raises(KeyError):
            threaded.contacts("other")

    def test_campaigns_can_be_added_and_removed(self, threaded: ThreadedSandbox) -> None:
        threaded.add({"id": "c0"}, [{"id": "k1"}], at=0)
        assert [row["id"] for row in threaded.campaigns] == ["c0", "c1"]
        assert threaded.contacts("c0") == [{"id": "k1"}]
        threaded.remove("c1")
        assert [row["id"] for row in threaded.campaigns] == ["c0"]
        with pytest.raises(ValueError, match="already"):
            threaded.add({"id": "c0"})

    def test_the_key_can_be_changed(self, threaded: ThreadedSandbox) -> None:
        threaded.api_key = "other"

        assert threaded.environment == {"CAMPAIGNS_BASE_URL": threaded.url, "CAMPAIGNS_API_KEY": "other"}
        assert ask(threaded)[0] == 200

    def test_a_fault_is_counted_and_ends_when_it_is_stopped(self, threaded: ThreadedSandbox) -> None:
        rule = threaded.fault(operation="list", nth=2, status=503)
        assert [ask(threaded)[0] for _ in range(2)] == [200, 503]
        assert (rule.number, rule.seen, rule.fired, rule.stopped) == (1, 2, 1, False)
        rule.stop()
        assert ask(threaded)[0] == 200
        assert (rule.seen, rule.fired, rule.stopped) == (2, 1, True)

    def test_the_faults_are_listed_in_order(self, threaded: ThreadedSandbox) -> None:
        threaded.fault(status=500)
        threaded.add_fault(Fault(status=503))

        assert [(rule.number, rule.fault.status) for rule in threaded.faults] == [(1, 500), (2, 503)]

    def test_a_hanging_request_is_answered_once_it_is_released(self, threaded: ThreadedSandbox) -> None:
        rule = threaded.fault(operation="list", hang=True)
        first = in_thread(ask, threaded)
        threaded.wait_received(1, "list")
        assert (threaded.in_flight, threaded.max_in_flight) == (1, 1)

        rule.release()

        assert first.result(30)[0] == 200
        assert ask(threaded)[0] == 200

    @pytest.mark.parametrize(
        "fields",
        [
            {"hold": asyncio.Event()},
            {"status": 504, "act_after": asyncio.Event()},
            {"operation": "create", "hidden_for": asyncio.Event()},
        ],
        ids=["hold", "act_after", "hidden_for"],
    )
    def test_an_event_of_another_loop_is_refused(self, threaded: ThreadedSandbox, fields: Any) -> None:
        for add in (lambda: threaded.fault(**fields), lambda: threaded.add_fault(Fault(**fields))):
            with pytest.raises(TypeError, match=r"must not be an event.* hang=True, and release\(\)"):
                add()
        assert threaded.faults == ()

    def test_invalid_fields_are_refused(self, threaded: ThreadedSandbox) -> None:
        with pytest.raises(ValueError, match="'status' must be <= 599"):
            threaded.fault(status=700)

    def test_the_clock_can_be_set_moved_and_let_run(self, threaded: ThreadedSandbox, new: dict[str, Any]) -> None:
        start = datetime(2031, 5, 1, 9, 30, tzinfo=UTC)
        clock = threaded.clock
        assert clock.running
        clock.set(start - timedelta(hours=1))
        ask(threaded, "POST", body={**new, "startDateTime": start.isoformat()})
        assert (threaded.campaigns[1]["status"], threaded.messages) == (0, [])
        clock.move(3600)
        assert (clock.now(), clock.running) == (start, False)
        assert threaded.campaigns[1]["status"] == 1
        clock.move(timedelta(days=1))
        assert threaded.campaigns[1]["status"] == 5
        assert len(threaded.messages) == 2
        clock.run()
        assert clock.running
        with pytest.raises(ValueError, match="zone"):
            clock.set(datetime(2031, 5, 1))

    def test_the_rate_limit_can_be_changed(self, threaded: ThreadedSandbox) -> None:
        assert threaded.rate_limit is None
        threaded.rate_limit = 0.001
        assert threaded.rate_limit.requests_per_second == 0.001
        assert [ask(threaded)[0] for _ in range(2)] == [200, 429]
        with pytest.raises(ValueError, match="requests_per_second"):
            threaded.rate_limit = -1

    def test_a_double_send_is_found_and_shown_without_recipients(
        self, threaded: ThreadedSandbox, new: dict[str, Any]
    ) -> None:
        keys = [ask(threaded, "POST", body=new)[1]]
        threaded.assert_no_double_send()
        keys.append(ask(threaded, "POST", body=new)[1])

        with pytest.raises(AssertionError) as caught:
            threaded.assert_no_double_send()

        text = str(caught.value)
        assert all(key in text for key in keys)
        assert "2 people" in text
        assert not any(secret in text for secret in ("7700", "Ann", "Fore!", "Golf"))
        assert [(found.first, found.second) for found in threaded.double_sends()] == [tuple(keys)]

    def test_a_reset_restores_the_initial_state(self, threaded: ThreadedSandbox, new: dict[str, Any]) -> None:
        threaded.fault(operation="get", status=500)
        ask(threaded, "POST", body=new)

        threaded.reset()

        assert (len(threaded.requests), threaded.created, threaded.faults) == (0, [], ())
        assert ask(threaded, path="/api/Campaigns/c1")[0] == 200


class TestWaiting:
    def test_it_waits_for_requests_of_an_operation(self, threaded: ThreadedSandbox, new: dict[str, Any]) -> None:
        rule = threaded.fault(operation="create", status=504, hang=True)
        create = in_thread(lambda: ask(threaded, "POST", body=new))
        threaded.wait_received(1, "create")
        assert threaded.requests[0].status is None
        rule.release()
        assert create.result(30)[0] == 504

    def test_it_waits_for_a_request_that_is_carried_out_after_its_answer(
        self, threaded: ThreadedSandbox, new: dict[str, Any]
    ) -> None:
        threaded.fault(operation="create", status=504, act_after=0.05)
        assert ask(threaded, "POST", body=new)[0] == 504
        threaded.wait_acted(1, "create")
        assert len(threaded.created) == 1

    def test_the_timeout_error_counts_the_requests_by_operation(self, threaded: ThreadedSandbox) -> None:
        for path in ("/api/Campaigns", "/api/Campaigns", "/api/Campaigns/c1", "/nowhere"):
            ask(threaded, path=path)

        with pytest.raises(TimeoutError) as caught:
            threaded.wait_received(3, "list", 0.01)
        assert str(caught.value) == ("2 of 3 list requests arrived within 0.01 seconds; in all: 2 list, 1 get, 1 other")
        with pytest.raises(TimeoutError, match=r"^3 of 4 requests were carried out within 0\.01 seconds"):
            threaded.wait_acted(4, timeout=0.01)
        threaded.reset()
        with pytest.raises(TimeoutError, match=r"^0 of 1 requests arrived within 0 seconds$"):
            threaded.wait_received(1, timeout=0)

    async def test_in_a_coroutine_the_timeout_error_names_the_blocked_loop(self, threaded: ThreadedSandbox) -> None:
        with pytest.raises(
            TimeoutError, match=r"blocked the event loop of its thread: wait with `await asyncio\.to_thread"
        ):
            threaded.wait_received(1, timeout=0)

        async with aiohttp.ClientSession(threaded.url) as session:
            arrived = asyncio.create_task(asyncio.to_thread(threaded.wait_received, 1))
            async with session.get("/api/Campaigns"):
                await arrived

    def test_an_operation_that_does_not_exist_is_refused(self, threaded: ThreadedSandbox) -> None:
        with pytest.raises(ValueError, match="operation must be one of"):
            threaded.wait_received(1, "send")  # type: ignore[arg-type]

    def test_a_stop_ends_the_wait(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sandbox = ThreadedSandbox()
        sandbox.start()
        begun = threading.Event()
        wait = RequestLog.wait

        async def wait_and_say_so(log: RequestLog, event: Event, count: int, operation: Operation | None) -> None:
            begun.set()
            await wait(log, event, count, operation)

        monkeypatch.setattr(RequestLog, "wait", wait_and_say_so)
        waiting = in_thread(sandbox.wait_received, 1, None, 30)
        begun.wait(30)

        sandbox.stop()

        with pytest.raises(RuntimeError, match="was stopped during the wait"):
            waiting.result(30)


class TestThreads:
    def test_it_can_be_used_from_many_threads_at_once(self, threaded: ThreadedSandbox, new: dict[str, Any]) -> None:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: (ask(threaded, "POST", body=new)[0], len(threaded.requests)), range(40)))

        assert {status for status, _ in found} == {201}
        assert len(threaded.created) == len({row["id"] for row in threaded.created}) == 40

    def test_it_can_be_used_by_its_own_faults(self, threaded: ThreadedSandbox) -> None:
        def crowd_in(request: RecordedRequest) -> bool:
            threaded.add({"id": f"new{request.number}"})
            return len(threaded.requests) > 1

        threaded.fault(when=crowd_in, status=503)

        assert [ask(threaded)[0] for _ in range(2)] == [200, 503]
        assert [row["id"] for row in threaded.campaigns] == ["c1", "new1", "new2"]

    def test_its_own_thread_cannot_wait(self, threaded: ThreadedSandbox) -> None:
        errors: list[str] = []

        def wait(request: RecordedRequest) -> bool:
            try:
                threaded.wait_received(2)
            except RuntimeError as error:
                errors.append(str(error))
            return False

        threaded.fault(when=wait, status=500)

        assert ask(threaded)[0] == 200
        assert errors == ["the sandbox's own thread cannot wait: no request arrives while it does"]

    def test_a_fault_that_blocks_the_thread_does_not_block_the_test(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(threaded_module, "TIMEOUT", 0.05)
        go_on, begun = threading.Event(), threading.Event()

        def block(request: RecordedRequest) -> bool:
            begun.set()
            return not go_on.wait(30)

        sandbox = ThreadedSandbox()
        sandbox.start()
        sandbox.fault(when=block, status=500)
        asked = in_thread(ask, sandbox)
        begun.wait(30)
        for use_it in (lambda: sandbox.requests, lambda: sandbox.wait_received(2, timeout=0), sandbox.stop):
            with pytest.raises(RuntimeError, match=r"has been busy .*does a fault's `when` wait"):
                use_it()
        (thread,) = [thread for thread in threading.enumerate() if thread.name == "campaigns-sandbox"]
        go_on.set()
        asked.exception(30)
        thread.join(30)
        assert not thread.is_alive()
