"""Failures to connect that time does not heal: they end a call at once, and say what to do."""

from __future__ import annotations

import asyncio
import socket
import ssl
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from support.made import QUICK, new_campaign
from support.raw_server import raw_server, read_request
from support.tls import make_certificate, tls_server

from campaigns_async import (
    Auth,
    CampaignsClient,
    CampaignsError,
    ConnectionFailedError,
    Effect,
    OutcomeUnknownError,
    Timeouts,
)
from campaigns_async._http.connect_errors import explain_connect_error
from campaigns_async._http.transport import FailureKind

CREATED = b'HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 5\r\n\r\n"id1"'
LARGE = {"text": "x" * 10_000_000}
KEY = "SECRET-KEY"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a self-signed certificate for localhost, with its key in the same file."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a create, and close the connection."""
    with suppress(asyncio.IncompleteReadError, OSError):
        await read_request(reader)
        writer.write(CREATED)
    writer.close()


async def fail(url: str, session: aiohttp.ClientSession | None = None) -> ConnectionFailedError:
    """Make a create fail for good, and check what every such failure has in common."""
    async with CampaignsClient(url, KEY, auth=Auth.QUERY, retry=QUICK, session=session) as client:
        with pytest.raises(ConnectionFailedError) as failed:
            await client.campaigns.create(new_campaign())
        error = failed.value
        assert (error.effect, error.attempts, error.is_permanent) == (Effect.NOT_SENT, 1, True)
        assert KEY not in "".join(traceback.format_exception(error))
        assert "localhost" not in error.message
        assert client.stats().retries == 0
    return error


async def test_a_self_signed_certificate(certificate: Path) -> None:
    async with tls_server(certificate, answer) as url:
        error = await fail(url)
        assert "self-signed and not trusted: install the CA that signed it" in error.message


async def test_a_certificate_for_another_host(certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with (
        tls_server(certificate, answer) as url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session,
    ):
        error = await fail(url.replace("localhost", "127.0.0.1"), session)
        assert "is for another host: check the host in base_url" in error.message
        async with CampaignsClient(url, KEY, session=session) as client:
            assert await client.campaigns.create(new_campaign()) == "id1"


async def test_a_fingerprint_that_does_not_match(certificate: Path) -> None:
    async with (
        tls_server(certificate, answer) as url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=aiohttp.Fingerprint(b"x" * 32))) as session,
    ):
        # One address: of several, aiohttp reports the error of the last.
        assert "does not have the fingerprint" in (await fail(url.replace("localhost", "127.0.0.1"), session)).message


async def test_a_port_that_speaks_plain_http() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    async with raw_server(serve) as server:
        error = await fail(server.url.replace("http:", "https:"))
    assert "the server does not speak TLS at this port: check the scheme and the port in base_url" in error.message


async def test_no_tls_version_in_common(certificate: Path) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.load_cert_chain(certificate)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    modern = ssl.create_default_context(cafile=str(certificate))
    modern.minimum_version = ssl.TLSVersion.TLSv1_3

    def serve(listening: socket.socket) -> None:  # asyncio's servers abort without the alert that says why
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            old.wrap_socket(connection, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(asyncio.to_thread(serve, listening))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=modern)) as session:
            error = await fail(f"https://127.0.0.1:{listening.getsockname()[1]}", session)
        await serving
    assert "no TLS version that both sides allow: have TLS 1.2 or later turned on" in error.message


async def test_a_handshake_that_is_cut_is_tried_again(certificate: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)

    async with (
        raw_server(serve) as server,
        CampaignsClient(server.url.replace("http:", "https:"), KEY, retry=QUICK) as client,
    ):
        with pytest.raises(ConnectionFailedError) as failed:
            await client.campaigns.create(new_campaign())
        assert (failed.value.effect, failed.value.attempts) == (Effect.NOT_SENT, QUICK.attempts)
        assert not failed.value.is_permanent


async def test_a_connection_of_tls_is_used_again_and_a_double_ends_it(certificate: Path) -> None:
    """Check what a connection of TLS does differently: it closes by a message, and its writes are buffered twice."""
    connections: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(0)
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                await read_request(reader)
                connections[-1] += 1
                body = b'"id%d"' % sum(connections)
                writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                if sum(connections) == 3:
                    writer.write(b"HTTP/1.1 429 Slow down\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    trusting = ssl.create_default_context(cafile=str(certificate))
    async with (
        tls_server(certificate, serve) as url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session,
        CampaignsClient(url, KEY, session=session) as client,
    ):
        ids = []
        for number in range(6):
            ids.append(await client.campaigns.create(new_campaign(number)))
            await asyncio.sleep(0.01)  # the double arrives
        assert ids == [f"id{number}" for number in range(1, 7)]
        assert connections == [3, 3]
        assert client.stats().retries == 0


async def test_a_server_of_tls_that_stops_reading_is_a_read_timeout(certificate: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(100)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a server's transport reads
        await stopped.wait()
        writer.transport.abort()

    stopped = asyncio.Event()
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with (
        tls_server(certificate, serve) as url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session,
        CampaignsClient(url, KEY, session=session, timeouts=Timeouts(read=0.3, deadline=None)) as client,
    ):
        with pytest.raises(OutcomeUnknownError, match="did not take the whole body of the request"):
            await client.request("POST", "/api/Campaigns", json=LARGE)
        stopped.set()


class Resolver(AbstractResolver):
    """A resolver that knows the host, or raises an error."""

    error: OSError | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        """Return the loopback address."""
        if self.error is not None:
            raise self.error
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=port, family=socket.AddressFamily.AF_INET, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        """Close nothing: the resolver has no resources."""


def unknown_to_c_ares() -> OSError:
    """Build the error of aiohttp's resolver where aiodns is installed."""
    error = OSError(None, "Domain name not found")
    error.__cause__ = ValueError(4, "Domain name not found")
    return error


@pytest.mark.parametrize(
    "build",
    [lambda: socket.gaierror(socket.EAI_NONAME, "Name or service not known"), unknown_to_c_ares],
    ids=["getaddrinfo", "c-ares"],
)
async def test_an_unknown_host_is_permanent_at_first_contact_only(build: Callable[[], OSError]) -> None:
    resolver = Resolver()
    async with (
        raw_server(CREATED) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False)) as session,
    ):
        url = server.url.replace("127.0.0.1", "localhost.example")
        resolver.error = build()
        error = await fail(url, session)
        assert "the host in base_url is unknown: check its spelling" in error.message
        async with CampaignsClient(url, KEY, session=session, retry=QUICK) as client:
            resolver.error = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            with pytest.raises(ConnectionFailedError, match="Temporary failure") as failed:
                await client.campaigns.create(new_campaign())
            assert (failed.value.attempts, failed.value.is_permanent) == (QUICK.attempts, False)
            resolver.error = None
            assert await client.campaigns.create(new_campaign()) == "id1"
            resolver.error = build()
            with pytest.raises(ConnectionFailedError) as failed:
                await client.campaigns.create(new_campaign())
            assert (failed.value.effect, failed.value.attempts) == (Effect.NOT_SENT, QUICK.attempts)
            assert not failed.value.is_permanent


async def test_a_refused_connection_names_no_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    async with CampaignsClient(f"http://127.0.0.1:{port}", KEY, retry=QUICK) as client:
        with pytest.raises(CampaignsError, match="Connection refused") as failed:
            await client.campaigns.create(new_campaign())
        assert str(port) not in failed.value.message


def verification_error(code: int | None) -> ssl.SSLCertVerificationError:
    """Build the error of a certificate that OpenSSL refuses."""
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] for 'api.example'")
    if code is not None:
        error.verify_code = code
    return error


def tls_error(reason: str | None) -> ssl.SSLError:
    """Build the error of a handshake."""
    error = ssl.SSLError(1, f"[SSL: {reason}] in https://api.example/?key=KEY")
    if reason is not None:
        error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (verification_error(9), FailureKind.CERTIFICATE, "not valid yet: check the clock"),
        (verification_error(10), FailureKind.CERTIFICATE, "has expired: have it renewed"),
        (verification_error(19), FailureKind.CERTIFICATE, "a CA that is not trusted: install the CA"),
        (verification_error(20), FailureKind.CERTIFICATE, "a CA that is not known: install the CA"),
        (verification_error(62), FailureKind.CERTIFICATE, "for another host"),
        (verification_error(24), FailureKind.CERTIFICATE, "code 24 of OpenSSL"),
        (verification_error(None), FailureKind.CERTIFICATE, "code None of OpenSSL"),
        (tls_error("WRONG_VERSION_NUMBER"), FailureKind.TLS, "does not speak TLS"),
        (tls_error("TLSV1_ALERT_PROTOCOL_VERSION"), FailureKind.TLS, "no TLS version that both sides allow"),
        (tls_error("SSLV3_ALERT_HANDSHAKE_FAILURE"), FailureKind.TLS, "with SSLV3_ALERT_HANDSHAKE_FAILURE"),
        (tls_error(None), FailureKind.TLS, "check the TLS settings of the server"),
        (tls_error("TLSV1_ALERT_INTERNAL_ERROR"), FailureKind.CONNECT, "cut: TLSV1_ALERT_INTERNAL_ERROR"),
        (ssl.SSLEOFError(8, "EOF occurred in https://api.example"), FailureKind.CONNECT, "the TLS handshake was cut"),
        (OSError(111, "Connect call failed ('api.example', 443)"), FailureKind.CONNECT, "Connection refused"),
        (OSError("x" * 200), FailureKind.CONNECT, "OSError"),
        (ConnectionResetError(), FailureKind.CONNECT, "ConnectionResetError"),
    ],
)
def test_the_kind_and_the_words_of_an_error(error: OSError, kind: FailureKind, words: str) -> None:
    told, detail = explain_connect_error(error, is_dns=False, is_first_contact=True)
    assert told is kind
    assert words in detail
    assert "api.example" not in detail
    assert "KEY" not in detail
