"""The port and its connections, which are numbered and can be reset on purpose."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from attrs import frozen

# SO_LINGER on, with zero seconds: closing then resets the connection.
_RESET: Final = struct.pack("ii", 1, 0)
# Seconds in which the write buffers are flushed. A stop waits for nothing else.
_SHUTDOWN: Final = 0.1
# Iterations of the loop between accept() and connection_made(). asyncio needs three.
_ITERATIONS_TO_CONNECT: Final = 5


class SentResponse(web.StreamResponse):
    """A response whose bytes were already written. aiohttp reads from it only if the connection stays open."""

    def __init__(self, *, keep_alive: bool) -> None:
        super().__init__()
        self._stays_open = keep_alive

    @property
    def keep_alive(self) -> bool:
        """True if another request may arrive over the connection."""
        return self._stays_open

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send nothing."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Send nothing."""


KEEP_ALIVE: Final = SentResponse(keep_alive=True)
CLOSE: Final = SentResponse(keep_alive=False)


@frozen(eq=False)
class Connection:
    """A client's connection, numbered from 1."""

    number: int
    transport: asyncio.Transport

    @property
    def is_open(self) -> bool:
        """True if bytes can be sent."""
        return not self.transport.is_closing()

    def write(self, data: bytes) -> None:
        """Write bytes."""
        self.transport.write(data)

    def close(self) -> None:
        """Close the connection once the written bytes have been sent."""
        self.transport.close()

    def reset(self) -> None:
        """Abort the connection with a TCP reset."""
        raw: socket.socket = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()


class ConnectionServer(web.Server):
    """aiohttp's server on a port. It numbers the connections and can close all of them."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], **options: Any) -> None:
        super().__init__(handler, **options)
        self.is_running = False
        self._numbers = itertools.count(1)
        self._open: dict[web.RequestHandler, Connection] = {}
        self._listening: asyncio.Server | None = None
        self._all_closed = asyncio.Event()
        self._all_closed.set()

    def find_connection(self, request: web.BaseRequest) -> Connection | None:
        """Return the connection of a request; None if the client has disconnected."""
        return self._open.get(request.protocol)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Register a new connection under the next number."""
        super().connection_made(handler, transport)
        self._open[handler] = Connection(next(self._numbers), transport)
        self._all_closed.clear()

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a closed connection."""
        super().connection_lost(handler, exc)
        self._open.pop(handler, None)
        if not self._open:
            self._all_closed.set()

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port.

        Raises:
            OSError: If the port is in use.
        """
        self.is_running = True
        try:
            self._listening = await asyncio.get_running_loop().create_server(self, host, port)
        except BaseException:  # including a cancellation: it may be started again
            self.is_running = False
            raise
        bound: int = self._listening.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Close the port and every connection, within a second."""
        self.is_running = False
        listening, self._listening = self._listening, None
        if listening is not None:
            await _close(listening)
        self.pre_shutdown()
        await self.shutdown(_SHUTDOWN)
        # Connections that could not be flushed in time would stay open.
        for connection in self._open.values():
            connection.transport.abort()
        await self._all_closed.wait()


async def _close(listening: asyncio.Server) -> None:
    """Accept no more connections, and close the port once those being accepted are known.

    If the port is closed at once, asyncio up to Python 3.12 loses the connections between accept() and
    connection_made(): they stay open without a protocol (gh-109564).
    """
    loop = asyncio.get_running_loop()
    for port in listening.sockets:
        loop.remove_reader(port.fileno())
    for _ in range(_ITERATIONS_TO_CONNECT):
        await asyncio.sleep(0)
    listening.close()
