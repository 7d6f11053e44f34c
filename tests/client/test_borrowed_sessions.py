"""A session of one's own: each of its settings works, does no harm, or is refused by name."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import inspect
import json
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from support.made import QUICK, client_of, new_campaign
from support.raw_server import RawServer, raw_server, read_request

from campaigns_async import (
    Auth,
    CampaignsClient,
    CampaignsError,
    ConfigurationError,
    Effect,
    OutcomeUnknownError,
    RetryPolicy,
    effect_of,
)
from campaigns_async.sandbox import Sandbox

KEY = "SECRET-KEY"
ROW = {"id": "c1", "message": "m" * 20_000}
Handler = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]


class Recording:
    """A script of a server that keeps its requests, and answers as documented, compressed and with long headers."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of a connection."""
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                request = await read_request(reader)
                self.requests.append(request)
                if request.startswith(b"POST"):
                    head, body = b"HTTP/1.1 201 Created", b'"id%d"' % len(self.requests)
                elif request.startswith(b"DELETE"):
                    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                    continue
                else:
                    page = {"pageIndex": 1, "totalPages": 1, "totalRecords": 1, "items": [ROW]}
                    head, body = b"HTTP/1.1 200 OK", json.dumps(page).encode()
                body = gzip.compress(body)
                long = b"".join(b"X-Header-%d: %b\r\n" % (number, b"x" * 2000) for number in range(20))
                writer.write(
                    b"%b\r\nContent-Encoding: gzip\r\nSet-Cookie: gate=1\r\n%bContent-Length: %d\r\n\r\n%b"
                    % (head, long, len(body), body)
                )

    def lines(self, verb: bytes) -> list[list[str]]:
        """Return the lines of the heads of all requests with a method, in lower case."""
        heads = [request.partition(b"\r\n\r\n")[0] for request in self.requests if request.startswith(verb)]
        return [head.decode().lower().split("\r\n") for head in heads]


async def exercise(server: RawServer, session: aiohttp.ClientSession, **settings: Any) -> None:
    """Make two creates, two reads and a delete, of which each must succeed at once."""
    client = CampaignsClient(server.url, KEY, session=session, retry=RetryPolicy(attempts=1), **settings)
    for number in range(2):
        assert (await client.campaigns.create(new_campaign(number))).startswith("id")
        assert [row.message for row in await client.campaigns.list().collect()] == [ROW["message"]]
    await client.campaigns.delete("c1")


def has_the_key(recording: Recording) -> None:
    """Check what every request must have."""
    assert len(recording.requests) == 5
    for request in recording.requests:
        lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")
        assert lines.count(f"Authorization: Bearer {KEY}") == 1
        assert sum(line.startswith("Authorization") for line in lines) == 1
        assert "Accept: application/json" in lines
        if request.startswith(b"POST"):
            assert lines.count("Content-Type: application/json") == 1
            assert sum(line.startswith("Content-Length") for line in lines) == 1


class Request(aiohttp.ClientRequest):
    """A request class of one's own."""


class Response(aiohttp.ClientResponse):
    """A response class of one's own."""


def fail_on_use(*_: object, **__: object) -> Any:
    """Fail: nothing of the client calls this."""
    raise AssertionError("called")


def jar() -> aiohttp.CookieJar:
    """Build a jar that keeps cookies of addresses."""
    return aiohttp.CookieJar(unsafe=True)


def hooks() -> list[aiohttp.TraceConfig]:
    """Build a hook that counts the ends of requests."""
    config = aiohttp.TraceConfig()
    config.on_request_end.append(count_end)
    return [config]


ENDS: list[object] = []


async def count_end(*_: object) -> None:
    """Count the end of a request."""
    ENDS.append(None)


async def sign(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
    """Sign the body and the key, as a gateway may ask for."""
    body = await request.body.as_bytes() if request.body else b""
    assert not request.body or (request.body._value == body and request.body.content_type == "application/json")  # type: ignore[union-attr]
    signed = body + request.headers["Authorization"].encode()
    request.headers["X-Signature"] = hashlib.sha256(signed).hexdigest()
    return await handler(request)


def is_signed(recording: Recording) -> None:
    """Check the signatures."""
    for request in recording.requests:
        head, _, body = request.partition(b"\r\n\r\n")
        signed = hashlib.sha256(body + f"Bearer {KEY}".encode()).hexdigest()
        assert f"X-Signature: {signed}" in head.decode().split("\r\n")


def has_cookies(recording: Recording) -> None:
    """Check that the session's cookies are sent, and those of the server returned."""
    first, *others = [line for verb in (b"POST", b"GET") for line in recording.lines(verb)]
    assert "cookie: team=golf" in first
    assert all("cookie: team=golf; gate=1" in lines or "cookie: gate=1; team=golf" in lines for lines in others)


def has_header(recording: Recording) -> None:
    """Check that the session's headers are sent, but not those that the client sets."""
    for verb in (b"POST", b"GET", b"DELETE"):
        for lines in recording.lines(verb):
            assert lines.count("x-team: golf") == 1
            assert "accept: text/html" not in lines
            assert verb != b"POST" or "content-type: text/plain" not in lines


def called_hooks(_: Recording) -> None:
    """Check that the hooks were called."""
    assert len(ENDS) == 5


def has_no_agent(recording: Recording) -> None:
    """Check that the automatic header is left out."""
    assert not any("accept-encoding" in line for lines in recording.lines(b"GET") for line in lines)


WORKS: dict[str, list[tuple[dict[str, Any], Callable[[Recording], None] | None]]] = {
    "base_url": [({"base_url": "https://elsewhere.example/api/"}, None)],
    "connector": [({"connector": lambda: aiohttp.TCPConnector(limit=1, force_close=True)}, None)],
    "loop": [({"loop": asyncio.get_running_loop}, None)],
    "cookies": [({"cookies": {"team": "golf"}, "cookie_jar": jar}, has_cookies)],
    "headers": [
        ({"headers": {"X-Team": "golf", "Accept": "text/html", "Content-Type": "text/plain"}}, has_header),
        ({"headers": {"Connection": "close"}}, None),
    ],
    "proxy": [],  # test_proxies
    "proxy_auth": [],  # the same
    "skip_auto_headers": [
        ({"skip_auto_headers": ["Content-Type", "Accept-Encoding", "Accept", "User-Agent"]}, has_no_agent)
    ],
    "auth": [],  # refused, or below
    "json_serialize": [({"json_serialize": fail_on_use}, None)],
    "json_serialize_bytes": [({"json_serialize_bytes": fail_on_use}, None)],
    "request_class": [({"request_class": Request}, None)],
    "response_class": [({"response_class": Response}, None)],
    "ws_response_class": [({"ws_response_class": aiohttp.ClientWebSocketResponse}, None)],
    "version": [({"version": aiohttp.HttpVersion10}, None)],
    "cookie_jar": [({"cookie_jar": aiohttp.DummyCookieJar}, None)],
    "connector_owner": [({"connector_owner": True}, None)],
    "raise_for_status": [({"raise_for_status": True}, None), ({"raise_for_status": fail_on_use}, None)],
    "read_timeout": [],  # deprecated, as `timeout`
    "conn_timeout": [],
    "timeout": [({"timeout": aiohttp.ClientTimeout(total=1e-6, sock_read=1e-6, connect=1e-6)}, None)],
    "auto_decompress": [({"auto_decompress": False}, None)],
    "trust_env": [({"trust_env": True}, None)],  # and test_proxies
    "requote_redirect_url": [({"requote_redirect_url": False}, None)],
    "trace_configs": [({"trace_configs": hooks}, called_hooks)],
    "read_bufsize": [({"read_bufsize": size}, None) for size in (0, 1, 2**30)],
    "max_line_size": [({"max_line_size": size}, None) for size in (0, 1, 2**20)],
    "max_field_size": [({"max_field_size": size}, None) for size in (0, 1, 2**20)],
    "max_headers": [({"max_headers": size}, None) for size in (0, 1, 1000)],
    "fallback_charset_resolver": [({"fallback_charset_resolver": fail_on_use}, None)],
    "middlewares": [({"middlewares": [sign]}, is_signed), ({"middlewares": (sign, sign)}, is_signed)],
    "ssl_shutdown_timeout": [],  # deprecated
}
"""What a session may have, by its setting. A callable without arguments makes the value in the loop."""
SETTINGS = inspect.signature(aiohttp.ClientSession.__init__).parameters.keys() - {"self"}
MADE_IN_LOOP = (jar, hooks, asyncio.get_running_loop, aiohttp.DummyCookieJar)


def build_session(settings: dict[str, Any]) -> aiohttp.ClientSession:
    """Build a session."""
    made = {
        name: value() if value in MADE_IN_LOOP or name == "connector" else value for name, value in settings.items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of aiohttp 3.14, for `auth`
        return aiohttp.ClientSession(**made)


def list_working() -> Iterator[Any]:
    """Yield a case for each value of each setting that this aiohttp has."""
    for name, cases in WORKS.items():
        for number, case in enumerate(cases):
            if name in SETTINGS:
                yield pytest.param(*case, id=f"{name}-{number}")


def test_every_setting_of_a_session_is_in_the_table() -> None:
    assert SETTINGS - WORKS.keys() == set()


@pytest.mark.parametrize(("settings", "check"), [*list_working()])
async def test_a_setting_works_or_does_no_harm(
    settings: dict[str, Any], check: Callable[[Recording], None] | None
) -> None:
    recording = Recording()
    ENDS.clear()
    async with raw_server(recording.serve) as server, build_session(settings) as session:
        await exercise(server, session)
    has_the_key(recording)
    if check is not None:
        check(recording)


def basic() -> Any:
    """Build credentials, of which aiohttp 3.14 warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return aiohttp.BasicAuth("ann", "secret")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        *(
            ({"headers": {name: "5"}}, f"session must not send the header {name}")
            for name in (
                "Expect",
                "content-length",
                "Content-Encoding",
                "Transfer-Encoding",
                "TE",
                "Trailer",
                "Upgrade",
                "X-HTTP-Method-Override",
                "Authorization",
            )
        ),
        ({"auth": None}, "session must not have auth"),
        ({"middlewares": [aiohttp.DigestAuthMiddleware("ann", "secret")]}, "must not have a DigestAuthMiddleware"),
    ],
)
async def test_a_setting_that_could_harm_a_request_is_refused_by_name(settings: dict[str, Any], words: str) -> None:
    if "auth" in settings:
        settings = {"auth": basic()}
    async with build_session(settings) as session:
        with pytest.raises(ConfigurationError, match=f"(?i){words}") as refused:
            CampaignsClient("http://localhost", KEY, session=session)
        assert refused.value.parameter == "session"


async def test_a_session_may_have_credentials_for_a_gateway_if_the_key_goes_elsewhere() -> None:
    recording = Recording()
    async with raw_server(recording.serve) as server, build_session({"auth": basic()}) as session:
        await exercise(server, session, auth=Auth.HEADER)
    for lines in (lines for verb in (b"POST", b"GET") for lines in recording.lines(verb)):
        assert f"api-key: {KEY.lower()}" in lines
        assert any(line.startswith("authorization: basic ") for line in lines)
    async with build_session({"headers": {"api-key": "other"}}) as session:
        with pytest.raises(ConfigurationError, match="session must not send the header api-key"):
            CampaignsClient("http://localhost", KEY, auth=Auth.HEADER, session=session)


# Middlewares


def failing(script: list[bytes]) -> tuple[list[bytes], Callable[..., Awaitable[None]]]:
    """Build a server that answers each request with the next of these bytes, and closes."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(script[min(len(requests), len(script)) - 1])
        writer.close()

    return requests, serve


LATER = b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n"
CREATED = b'HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n"id1"'


async def retry(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
    """Send a request again as long as it fails, as middlewares in aiohttp's documentation do."""
    for _ in range(3):
        with suppress(Exception):
            response = await handler(request)
            if response.status < 400:
                return response
    return await handler(request)


async def hedge(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
    """Send a request twice at once."""
    both = await asyncio.gather(handler(request), handler(request), return_exceptions=True)
    return next(each for each in both if isinstance(each, aiohttp.ClientResponse))


async def repeat(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
    """Send a request twice, although it succeeds."""
    await handler(request)
    return await handler(request)


@pytest.mark.parametrize("answer", [LATER, b"", b"HTTP/1.1 201"], ids=["503", "dropped", "cut"])
async def test_a_middleware_that_repeats_a_failed_create_is_stopped(answer: bytes) -> None:
    requests, serve = failing([answer, CREATED])
    async with (
        raw_server(serve) as server,
        aiohttp.ClientSession(middlewares=[retry]) as session,
        CampaignsClient(server.url, KEY, session=session, retry=QUICK) as client,
    ):
        with pytest.raises(OutcomeUnknownError, match="a middleware of session tried to send the request twice"):
            await client.campaigns.create(new_campaign())
    assert len(requests) == 1


async def test_a_middleware_that_repeats_a_create_that_succeeded_leaves_it_unknown() -> None:
    requests, serve = failing([CREATED])
    async with (
        raw_server(serve) as server,
        aiohttp.ClientSession(middlewares=[repeat]) as session,
        CampaignsClient(server.url, KEY, session=session, retry=QUICK) as client,
    ):
        with pytest.raises(OutcomeUnknownError):
            await client.campaigns.create(new_campaign())
    assert len(requests) == 1


async def test_a_middleware_that_sends_twice_at_once_sends_once() -> None:
    requests, serve = failing([CREATED])
    async with (
        raw_server(serve) as server,
        aiohttp.ClientSession(middlewares=[hedge]) as session,
        CampaignsClient(server.url, KEY, session=session, retry=QUICK) as client,
    ):
        assert await client.campaigns.create(new_campaign()) == "id1"
    assert len(requests) == 1


async def test_a_middleware_may_repeat_what_never_left(sandbox: Sandbox) -> None:
    async def reconnect(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        away, request.url = request.url, request.url.with_port(9)
        with suppress(aiohttp.ClientConnectorError):
            await handler(request)
        request.url = away
        return await handler(request)

    async with aiohttp.ClientSession(middlewares=[reconnect]) as session:
        client = client_of(sandbox, session=session)
        assert await client.campaigns.create(new_campaign()) == sandbox.created[0]["id"]
        assert client.stats().retries == 0
        sandbox.fault(operation="create", hang=True)
        with pytest.raises(OutcomeUnknownError, match=r"no response in time \(Timeouts.read\)"):
            hurried = client.with_options(timeouts=client.timeouts.__class__(read=0.1, deadline=None))
            await hurried.campaigns.create(new_campaign(1))


async def test_a_read_that_a_middleware_repeats_is_the_clients_to_retry() -> None:
    page = b'{"pageIndex":1,"totalPages":0,"totalRecords":0,"items":[]}'
    found = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(page), page)
    requests, serve = failing([LATER, found])
    async with (
        raw_server(serve) as server,
        aiohttp.ClientSession(middlewares=[retry]) as session,
        CampaignsClient(server.url, KEY, session=session, retry=QUICK) as client,
    ):
        assert await client.campaigns.list().collect() == []
        assert (len(requests), client.stats().attempts) == (2, 2)


@pytest.mark.parametrize("body", [b"other", b"", None])
async def test_a_middleware_that_replaces_the_body_is_refused(sandbox: Sandbox, body: bytes | None) -> None:
    async def replace(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        await request.update_body(body)
        return await handler(request)

    async with aiohttp.ClientSession(middlewares=[replace]) as session:
        client = client_of(sandbox, session=session)
        with pytest.raises(ConfigurationError, match="a middleware of session replaced the body") as refused:
            await client.campaigns.create(new_campaign())
        assert (refused.value.effect, refused.value.parameter) == (Effect.NOT_SENT, "session")
    assert not sandbox.requests


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_middleware_that_raises_tells_what_became_of_the_create(sandbox: Sandbox, when: str) -> None:
    async def fail(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        if when == "after":
            await handler(request)
        raise ValueError(KEY)

    async with aiohttp.ClientSession(middlewares=[fail]) as session:
        client = client_of(sandbox, session=session)
        with pytest.raises(CampaignsError, match="ValueError") as failed:
            await client.campaigns.create(new_campaign())
        assert effect_of(failed.value) is (Effect.NOT_SENT if when == "before" else Effect.UNKNOWN)
        assert KEY not in str(failed.value)
        assert client.stats().in_flight == 0


async def test_a_middleware_may_run_the_request_in_a_task_of_its_own(sandbox: Sandbox) -> None:
    async def apart(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        return await asyncio.create_task(handler(request))  # type: ignore[arg-type]  # it is a coroutine

    async with aiohttp.ClientSession(middlewares=[apart]) as session:
        client = client_of(sandbox, session=session)
        await client.campaigns.create(new_campaign())
        sandbox.fault(operation="create", hang=True)
        with pytest.raises(OutcomeUnknownError, match=r"no response in time \(Timeouts.read\)"):
            hurried = client.with_options(timeouts=client.timeouts.__class__(read=0.1, deadline=None))
            await hurried.campaigns.create(new_campaign(1))


async def test_a_middleware_that_reads_the_body_leaves_it_to_the_client(sandbox: Sandbox) -> None:
    async def log(request: aiohttp.ClientRequest, handler: Handler) -> aiohttp.ClientResponse:
        response = await handler(request)
        await response.read()
        return response

    async with aiohttp.ClientSession(middlewares=[log]) as session:
        client = client_of(sandbox, session=session)
        assert await client.campaigns.create(new_campaign()) == sandbox.created[0]["id"]
        assert len(await client.campaigns.list().collect()) == 1
        sandbox.fault(operation="create", times=1, drop="close")
        with pytest.raises(OutcomeUnknownError):
            await client.campaigns.create(new_campaign(1))
