"""A server that answers each request with the bytes of a test, well-formed or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

Script: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """A running server, with the requests that it has read."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[bytes] = []
        self.connections = 0


@asynccontextmanager
async def raw_server(answer: bytes | Script | None) -> AsyncIterator[RawServer]:
    """Run a server that answers every request with the same bytes and closes, or follows a script.

    Args:
        answer: The bytes or the script; None closes without a response.
    """
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        state.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if callable(answer):
                await answer(reader, writer)
            else:
                state.requests.append(await read_request(reader))
                writer.write(answer or b"")
                await writer.drain()
        writer.close()
        tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    state = RawServer(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield state
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await server.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read a request, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return head + await reader.readexactly(int(value))
    return head


class Answers:
    """A server that answers each request of a connection with the bytes that it was given last."""

    def __init__(self) -> None:
        self.url = ""
        self.requests = 0
        self._answer: bytes | None = None
        self._closes = False

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Answer with well-formed HTTP from now on."""
        head = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in headers.items())]
        head.append(f"Content-Length: {len(body)}")
        self._answer = "\r\n".join(head).encode() + b"\r\n\r\n" + body
        self._closes = False

    def raw_answer(self, answer: bytes | None) -> None:
        """Answer with these bytes from now on, and close the connection; None sends no response."""
        self._answer = answer
        self._closes = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of a connection."""
        while True:
            await read_request(reader)
            self.requests += 1
            if self._answer is None:
                await reader.read()  # until the client closes
                return
            writer.write(self._answer)
            await writer.drain()
            if self._closes:
                return


@asynccontextmanager
async def answers() -> AsyncIterator[Answers]:
    """Run a server whose answer a test sets, again and again."""
    server = Answers()
    async with raw_server(server.serve) as running:
        server.url = running.url
        yield server
