"""Proxies, CAs and headers that the client is given: requests over real sockets, through a real proxy."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import re
import ssl
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from support.made import QUICK, client_of, new_campaign, rows
from support.proxy import Proxy, run_proxy
from support.raw_server import Script, raw_server, read_request
from support.tls import hash_certificate, make_certificate, tls_server

from campaigns_async import (
    Auth,
    CampaignsClient,
    CampaignsError,
    ConfigurationError,
    ConnectionFailedError,
    ConnectTimeoutError,
    Effect,
    OutcomeUnknownError,
    RetryPolicy,
    Timeouts,
)
from campaigns_async.sandbox import Sandbox

KEY = "SECRET-KEY"
SLOW_DOWN = b"HTTP/1.1 429 Slow down\r\nContent-Length: 0\r\n\r\n"
PAGE = b'{"pageIndex":1,"totalPages":0,"totalRecords":0,"items":[]}'
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove what the machine of the test has set."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a self-signed certificate for localhost, with its key in the same file."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """Run a proxy."""
    async with run_proxy() as running:
        yield running


class Api:
    """A script of a server that answers creates and lists; it can double a response to a create."""

    def __init__(self) -> None:
        self.creates: list[bytes] = []
        self.connections = 0
        self.double: int | None = None
        self._ids = itertools.count(1)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of a connection."""
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                request = await read_request(reader)
                if request.startswith(b"GET"):
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(PAGE), PAGE))
                    continue
                self.creates.append(request)
                body = b'"id%d"' % next(self._ids)
                writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                if len(self.creates) == self.double:
                    writer.write(SLOW_DOWN)
        writer.close()


@asynccontextmanager
async def api_at(scheme: str, certificate: Path, serve: Script) -> AsyncIterator[str]:
    """Run a server of plain HTTP or of TLS."""
    if scheme == "https":
        async with tls_server(certificate, serve) as url:
            yield url
    else:
        async with raw_server(serve) as server:
            yield server.url.replace("127.0.0.1", "localhost")


@pytest.mark.parametrize("way", ["proxy", "trust_env", "lower case", "no scheme", "session", "session's trust_env"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_requests_go_through_the_proxy_and_its_connections_obey_the_rules_of_reuse(
    scheme: str, way: str, certificate: Path, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api()
    api.double = 3
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    if way not in {"proxy", "session"}:
        name = f"{scheme}_proxy"
        value = proxy.authority if way == "no scheme" else proxy.url
        monkeypatch.setenv(name if way == "lower case" else name.upper(), value)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with (
        api_at(scheme, certificate, api.serve) as url,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trusting),
            proxy=proxy.url if way == "session" else None,
            trust_env=way == "session's trust_env",
        ) as session,
        CampaignsClient(
            url,
            KEY,
            proxy=proxy.url if way == "proxy" else None,
            trust_env=way in ("trust_env", "lower case", "no scheme"),
            session=session if way.startswith("session") else None,
            headers={"X-Team": "golf"},
        ) as client,
    ):
        for number in range(6):
            assert await client.campaigns.create(new_campaign(number)) == f"id{number + 1}"
            await asyncio.sleep(0.01)  # the double arrives
            assert await client.campaigns.list().collect() == []
        assert (len(api.creates), client.stats().retries) == (6, 0)
        assert all(f"Bearer {KEY}".encode() in request and b"X-Team: golf" in request for request in api.creates)
        # Creates: one connection up to the double, one after it. Reads: one of their own.
        assert api.connections == proxy.connections
        assert api.connections == (7 if way.startswith("session") else 3)
        if scheme == "https":
            port = url.rpartition(":")[2].encode()
            assert {head.split(b"\r\n")[0] for head in proxy.heads} == {b"CONNECT localhost:%b HTTP/1.1" % port}
            assert not any(KEY.encode() in head or b"X-Team" in head for head in proxy.heads), "before TLS"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("way", ["in the URL", "in the environment", "in .netrc"])
async def test_the_proxy_gets_its_password(
    scheme: str, way: str, certificate: Path, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    api = Api()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with_password = proxy.url.replace("://", "://ann:p%40ss@")
    if way == "in .netrc":
        (tmp_path / ".netrc").write_text("machine localhost login ann password p@ss\n")
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", proxy.url if way == "in .netrc" else with_password)
    async with (
        api_at(scheme, certificate, api.serve) as url,
        CampaignsClient(
            url,
            KEY,
            trust_env=way != "in the URL",
            proxy=with_password if way == "in the URL" else None,
        ) as client,
    ):
        for number in range(3):
            await client.campaigns.create(new_campaign(number))
    expected = b"Proxy-Authorization: Basic " + base64.b64encode(b"ann:p@ss")
    assert all(expected in head for head in proxy.heads)
    assert all(b"Authorization: Bearer" in request for request in api.creates), "netrc must not displace the key"
    assert not any(b"Authorization: Basic" in request.replace(expected, b"") for request in api.creates)


@pytest.mark.parametrize("auth", Auth)
@pytest.mark.parametrize("borrows", [False, True], ids=["own session", "borrowed session"])
async def test_netrc_never_displaces_the_key(
    borrows: bool, auth: Auth, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ann password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    async with (
        aiohttp.ClientSession(trust_env=True) as session,
        client_of(sandbox, auth=auth, session=session if borrows else None, trust_env=not borrows) as client,
    ):
        assert await client.campaigns.create(new_campaign()) == sandbox.created[0]["id"]
        await client.campaigns.list().collect()
        assert client.stats().retries == 0


async def test_no_proxy_is_obeyed(proxy: Proxy, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "example.org,127.0.0.1")
    async with client_of(sandbox, trust_env=True) as client:
        await client.campaigns.create(new_campaign())
    assert not proxy.heads


async def test_the_environment_counts_with_trust_env_only(
    proxy: Proxy, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    async with client_of(sandbox) as client:
        await client.campaigns.create(new_campaign())
    assert not proxy.heads


async def test_a_proxy_of_tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    for scheme in ("http", "https"):
        async with (
            run_proxy(context) as proxy,
            api_at(scheme, certificate, api.serve) as url,
            CampaignsClient(url, KEY, proxy=proxy.url) as client,
        ):
            await client.campaigns.create(new_campaign())
            assert len(proxy.heads) == 1


# Failures


@pytest.mark.parametrize(
    ("status", "words", "attempts"),
    [
        (407, "the proxy asks for a user and a password (407): put them into its URL", 1),
        (403, "the proxy refused to connect (403): check its URL", 1),
        (405, "the proxy refused to connect (405)", 1),
        (502, "the proxy answered 502", QUICK.attempts),
        (429, "the proxy answered 429", QUICK.attempts),
    ],
)
async def test_a_proxy_that_refuses_to_connect(
    status: int, words: str, attempts: int, certificate: Path, proxy: Proxy
) -> None:
    proxy.refuses = status
    with_password = proxy.url.replace("://", "://ann:HIDDEN@")
    async with CampaignsClient("https://localhost:9", KEY, proxy=with_password, retry=QUICK) as client:
        with pytest.raises(ConnectionFailedError, match=re.escape(words)) as failed:
            await client.campaigns.create(new_campaign())
        error = failed.value
        assert (error.effect, error.attempts, error.is_permanent) == (Effect.NOT_SENT, attempts, attempts == 1)
        assert "HIDDEN" not in "".join(traceback.format_exception(error)) + repr(client)


async def test_a_plain_proxy_that_asks_for_a_password_stops_the_call(proxy: Proxy) -> None:
    proxy.refuses = 407
    async with CampaignsClient("http://localhost:9", KEY, proxy=proxy.url, retry=QUICK) as client:
        with pytest.raises(CampaignsError, match="407: the proxy asks for a user and a password") as failed:
            await client.campaigns.create(new_campaign())
        assert (failed.value.effect, failed.value.attempts) == (Effect.REJECTED, 1)


async def test_a_proxy_that_is_not_there(sandbox: Sandbox) -> None:
    async with client_of(sandbox, proxy="http://127.0.0.1:9") as client:
        with pytest.raises(ConnectionFailedError, match="Connection refused by the proxy") as failed:
            await client.campaigns.create(new_campaign())
        assert failed.value.effect is Effect.NOT_SENT
    async with client_of(sandbox, proxy="http://no-such-proxy.invalid:3128") as client:
        with pytest.raises(ConnectionFailedError, match=r"the host in the proxy's URL is unknown|by the proxy"):
            await client.campaigns.create(new_campaign())


async def test_a_proxy_that_never_opens_the_tunnel_is_a_connect_timeout(proxy: Proxy) -> None:
    proxy.hangs = True
    timeouts = Timeouts(connect=0.1, deadline=None)
    once = RetryPolicy(attempts=1)
    async with CampaignsClient("https://localhost:9", KEY, proxy=proxy.url, timeouts=timeouts, retry=once) as client:
        with pytest.raises(ConnectTimeoutError) as failed:
            await client.campaigns.create(new_campaign())
        assert failed.value.effect is Effect.NOT_SENT


async def test_a_look_up_of_a_host_that_hangs_is_a_connect_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", hang)
    monkeypatch.setattr(aiohttp.DefaultResolver, "resolve", hang)
    timeouts = Timeouts(connect=0.05, deadline=None)
    async with CampaignsClient(
        "http://campaigns.example", KEY, timeouts=timeouts, retry=RetryPolicy(attempts=1)
    ) as client:
        with pytest.raises(ConnectTimeoutError) as failed:
            await client.campaigns.create(new_campaign())
        assert failed.value.effect is Effect.NOT_SENT


async def test_a_proxy_that_drops_the_response_leaves_a_create_unknown(certificate: Path, proxy: Proxy) -> None:
    creates: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        creates.append(await read_request(reader))
        writer.close()

    for scheme in ("http", "https"):
        creates.clear()
        async with (
            api_at(scheme, certificate, serve) as url,
            CampaignsClient(url, KEY, proxy=proxy.url, retry=QUICK, ssl=False) as client,
        ):
            with pytest.raises(OutcomeUnknownError):
                await client.campaigns.create(new_campaign())
        assert len(creates) == 1


# TLS


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_the_cas_of_the_environment_are_trusted(
    variable: str, certificate: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    value = certificate
    if variable == "SSL_CERT_DIR":
        value = tmp_path / "cas"
        value.mkdir()
        (value / f"{hash_certificate(certificate)}.0").write_bytes(certificate.read_bytes())
    api = Api()
    async with tls_server(certificate, api.serve) as url:
        monkeypatch.setenv(variable, str(value))
        async with CampaignsClient(url, KEY) as client:
            assert await client.campaigns.create(new_campaign()) == "id1"
        monkeypatch.delenv(variable)
        async with CampaignsClient(url, KEY) as client:
            with pytest.raises(ConnectionFailedError, match="name the CA's file in SSL_CERT_FILE"):
                await client.campaigns.create(new_campaign())


@pytest.mark.parametrize("kind", ["context", "fingerprint", "unverified"])
async def test_ssl_is_that_of_aiohttp(kind: str, certificate: Path) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text()[certificate.read_text().index("-----BEGIN CERT") :])
    tls: dict[str, ssl.SSLContext | aiohttp.Fingerprint | bool] = {
        "context": context,
        "fingerprint": aiohttp.Fingerprint(hashlib.sha256(der).digest()),
        "unverified": False,
    }
    api = Api()
    async with tls_server(certificate, api.serve) as url, CampaignsClient(url, KEY, ssl=tls[kind]) as client:
        assert await client.campaigns.create(new_campaign()) == "id1"
        assert await client.campaigns.list().collect() == []


def test_a_ca_that_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("no certificate")
    for variable, value, words in (
        ("SSL_CERT_FILE", tmp_path / "gone.pem", "gone.pem is unreadable: No such file"),
        ("SSL_CERT_FILE", tmp_path / "bad.pem", "bad.pem has no certificate in PEM form"),
        ("SSL_CERT_DIR", tmp_path / "gone", "names no directory"),
    ):
        monkeypatch.setenv(variable, str(value))
        with pytest.raises(ConfigurationError, match=f"{variable} in the environment.*{words}"):
            CampaignsClient("https://localhost", KEY)
        CampaignsClient("http://localhost", KEY)
        CampaignsClient("https://localhost", KEY, ssl=False)
        monkeypatch.delenv(variable)


# Settings


@pytest.mark.parametrize("scheme", ["socks4", "socks5", "socks5h", "SOCKS5"])
async def test_socks_is_refused_by_name(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{scheme}://ann:HIDDEN@127.0.0.1:1080"

    def refuse(build: Callable[[], object], parameter: str) -> None:
        with pytest.raises(ConfigurationError, match=r"is a SOCKS proxy.*aiohttp-socks") as refused:
            build()
        assert refused.value.parameter == parameter
        assert "HIDDEN" not in "".join(traceback.format_exception(refused.value))

    refuse(lambda: CampaignsClient("https://localhost", KEY, proxy=url), "proxy")
    monkeypatch.setenv("HTTPS_PROXY", url)
    refuse(lambda: CampaignsClient("https://localhost", KEY, trust_env=True), "trust_env")
    CampaignsClient("http://localhost", KEY, trust_env=True)
    async with aiohttp.ClientSession(trust_env=True) as session:
        refuse(lambda: CampaignsClient("https://localhost", KEY, session=session), "trust_env")
    async with aiohttp.ClientSession(proxy=url) as session:
        refuse(lambda: CampaignsClient("https://localhost", KEY, session=session), "session")


@pytest.mark.parametrize(
    "value",
    ["", "proxy:3128", "ftp://proxy", "http://", "http://[::1", "//proxy:3128", 5, b"http://proxy", "http://a:b:c@d:e"],
)
def test_a_bad_proxy_is_refused(value: object) -> None:
    with pytest.raises(ConfigurationError, match="proxy must be the URL of a proxy") as refused:
        CampaignsClient("https://localhost", KEY, proxy=value)  # type: ignore[arg-type]
    assert refused.value.parameter == "proxy"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic HIDDEN"},
        {"api-key": "HIDDEN"},
        {"Content-Length": "5"},
        {"Expect": "100-continue"},
        {"Transfer-Encoding": "chunked"},
        {"X-HTTP-Method-Override": "DELETE"},
        {"X-Team": "a\r\nHIDDEN: b"},
        {"X-Team": 5},
        {5: "HIDDEN"},
        {"": "HIDDEN"},
        {"Cookie": "a\nHIDDEN"},
        ["HIDDEN"],
        "HIDDEN",
    ],
)
def test_a_header_that_could_harm_a_request_is_refused(headers: object) -> None:
    with pytest.raises(ConfigurationError, match="headers must") as refused:
        CampaignsClient("https://localhost", KEY, headers=headers)  # type: ignore[arg-type]
    assert refused.value.parameter == "headers"
    assert "HIDDEN" not in str(refused.value)


@pytest.mark.parametrize("borrows", [False, True], ids=["own session", "borrowed session"])
async def test_headers_go_with_every_request(borrows: bool) -> None:
    requests: list[bytes] = []
    keys = iter(("old-key", "new-key"))

    async def get_key() -> str:
        return next(keys)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            requests.append(await read_request(reader))
            if b"old-key" in requests[-1]:
                writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(PAGE), PAGE))

    headers = {"X-Team": "golf", "user-agent": "club/1", "Cookie": "gate=1"}
    async with (
        raw_server(serve) as server,
        aiohttp.ClientSession() as session,
        CampaignsClient(server.url, get_key, headers=headers, session=session if borrows else None) as client,
    ):
        await client.campaigns.list().collect()
        await client.campaigns.list().collect()
    assert len(requests) == 3
    for request in requests:
        lines = request.decode().lower().split("\r\n")
        assert lines.count("x-team: golf") == lines.count("user-agent: club/1") == lines.count("cookie: gate=1") == 1
        assert sum(line.startswith(("user-agent", "authorization")) for line in lines) == 2


@pytest.mark.parametrize(
    "setting", [{"trust_env": True}, {"proxy": "http://localhost:1"}, {"ssl": False}, {"ssl": True}]
)
async def test_settings_of_the_network_belong_to_a_session_of_ones_own(setting: dict[str, object]) -> None:
    (name,) = setting
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ConfigurationError, match=f"{name} cannot be combined with session") as refused:
            CampaignsClient("https://localhost", KEY, session=session, **setting)  # type: ignore[arg-type]
        assert refused.value.parameter == name


@pytest.mark.parametrize("setting", [{"trust_env": 1}, {"ssl": "no"}, {"ssl": 0}])
def test_settings_of_a_wrong_type_are_refused(setting: dict[str, object]) -> None:
    (name,) = setting
    with pytest.raises(ConfigurationError, match=name) as refused:
        CampaignsClient("https://localhost", KEY, **setting)  # type: ignore[arg-type]
    assert refused.value.parameter == name


async def test_rows_come_through_a_proxy(proxy: Proxy) -> None:
    async with Sandbox(rows(25)) as sandbox, client_of(sandbox, proxy=proxy.url, page_size=10) as client:
        assert len(await client.campaigns.list().collect()) == 25
        assert len(proxy.heads) == 3
