"""An HTTP proxy on loopback: it forwards plain requests, and opens tunnels for CONNECT."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from support.raw_server import read_request


class Proxy:
    """A running proxy.

    Attributes:
        url: Its URL.
        heads: The heads of the requests that it received, CONNECT included.
        connections: The number of connections that it accepted.
        refuses: The status with which it answers every request; None to forward them.
        hangs: True if it answers nothing.
    """

    def __init__(self) -> None:
        self.url = ""
        self.heads: list[bytes] = []
        self.connections = 0
        self.refuses: int | None = None
        self.hangs = False

    @property
    def authority(self) -> str:
        """The host and port of the proxy."""
        return urlsplit(self.url).netloc

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection, whose requests all go to one server."""
        self.connections += 1
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        answers: asyncio.Task[None] | None = None
        try:
            while True:
                request = await read_request(reader)
                head, _, body = request.partition(b"\r\n\r\n")
                self.heads.append(head)
                if self.hangs:
                    await reader.read()
                if self.refuses is not None:
                    writer.write(b"HTTP/1.1 %d Refused\r\nContent-Length: 0\r\n\r\n" % self.refuses)
                    return
                method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
                parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
                if server is None:
                    server = await asyncio.open_connection(parts.hostname, parts.port)
                    answers = asyncio.create_task(copy(server[0], writer))
                if method == "CONNECT":
                    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    await copy(reader, server[1])
                    return
                path = f"{parts.path}?{parts.query}" if parts.query else parts.path
                first, rest = head.split(b"\r\n", 1)
                server[1].write(first.replace(target.encode(), path.encode()) + b"\r\n" + rest + b"\r\n\r\n" + body)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            if answers is not None:
                answers.cancel()
            for end in (writer, *([server[1]] if server else [])):
                end.close()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy bytes until the end."""
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def run_proxy(tls: ssl.SSLContext | None = None) -> AsyncIterator[Proxy]:
    """Run a proxy."""
    proxy = Proxy()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await proxy.serve(reader, writer)
        tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    proxy.url = f"{'https' if tls else 'http'}://localhost:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
