"""Connections: numbered, and broken on purpose."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from attrs import define

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.abc import AbstractStreamWriter

# Linger on, for zero seconds: closing then resets the connection.
_RESET: Final = struct.pack("ii", 1, 0)


class Sent(web.StreamResponse):
    """Tells aiohttp that the bytes are out already, and whether the connection stays."""

    def __init__(self, *, keep_alive: bool) -> None:
        super().__init__()
        self._stays = keep_alive

    @property
    def keep_alive(self) -> bool:
        """Whether another request may come over the connection."""
        return self._stays

    async def prepare(
        self,
        request: web.BaseRequest,
    ) -> AbstractStreamWriter | None:
        """Nothing is left to send."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to send."""


@define(eq=False)
class Connection:
    """One client's connection. Over a stale one no request is answered any more."""

    number: int
    transport: asyncio.Transport
    stale: bool = False

    @property
    def is_open(self) -> bool:
        """Whether anything can be sent."""
        return not self.transport.is_closing()

    def close(self) -> None:
        """Close it, once what was written is out."""
        self.transport.close()

    def reset(self) -> None:
        """Break it off, so that the client meets a reset."""
        raw: socket.socket = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()


class ConnectionServer(web.Server):
    """aiohttp's server, with a number for each connection, and with an end to them all."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], **options: Any) -> None:
        super().__init__(handler, **options)
        self._numbers = itertools.count(1)
        self._open: dict[web.RequestHandler, Connection] = {}
        self._all_closed = asyncio.Event()
        self._all_closed.set()

    def connection_of(self, request: web.BaseRequest) -> Connection | None:
        """The connection over which a request came; None when it is gone."""
        return self._open.get(request.protocol)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """A client is here."""
        super().connection_made(handler, transport)
        self._open[handler] = Connection(next(self._numbers), transport)
        self._all_closed.clear()

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """A client is gone."""
        super().connection_lost(handler, exc)
        self._open.pop(handler, None)
        if not self._open:
            self._all_closed.set()

    def refresh(self) -> None:
        """Have no connection be stale."""
        for connection in self._open.values():
            connection.stale = False

    async def abort(self) -> None:
        """Break off what is still open, and wait till it is closed."""
        for connection in self._open.values():
            connection.transport.abort()
        await self._all_closed.wait()
