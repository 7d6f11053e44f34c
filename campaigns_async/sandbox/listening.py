"""A port that the sandbox listens on, and the end of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .connections import ConnectionServer
    from .serving import Serving

# Time for what is being written to get out, in seconds; nothing else is waited for.
_SHUTDOWN = 0.1
# Rounds of the loop from a connection that is accepted to one whose protocol knows it; asyncio takes three.
_TO_BE_CONNECTED = 5


class Listener:
    """Listens for a server's requests, in the running loop.

    Args:
        serving: Answers them.
        host: The address.
        port: 0: any that is free; the one that was found is kept.
    """

    def __init__(self, serving: Serving, *, host: str, port: int) -> None:
        self.host = host
        self.port: int = port
        self._serving = serving
        self._running: tuple[asyncio.Server | None, ConnectionServer] | None = None

    @property
    def is_running(self) -> bool:
        """Whether it listens."""
        return self._running is not None

    async def start(self) -> None:
        """Listen.

        Raises:
            RuntimeError: It listens already.
            OSError: The port is taken.
        """
        if self._running is not None:
            raise RuntimeError("this sandbox is running already")
        server = self._serving.make_server()
        self._running = (None, server)
        try:
            listening = await asyncio.get_running_loop().create_server(server, self.host, self.port)
        except BaseException:  # a cancellation too: it may be started again
            self._running = None
            raise
        self._running = (listening, server)
        # Kept, so that a sandbox that is started again is found where it was.
        self.port = listening.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every connection, within a second; what waits is given up."""
        running, self._running = self._running, None
        if running is None:
            return
        listening, server = running
        await self._serving.cancel()
        if listening is not None:
            await _close(listening)
        server.pre_shutdown()
        await server.shutdown(_SHUTDOWN)
        # What could not be flushed in time would stay open.
        await server.abort()


async def _close(listening: asyncio.Server) -> None:
    """Take nobody in any more; whoever was let in on the way is a connection by then.

    Closed at once, asyncio up to Python 3.12 forgets who was between the two: open, and known to none (gh-109564).
    """
    loop = asyncio.get_running_loop()
    for port in listening.sockets:
        with suppress(NotImplementedError):  # Windows' loop
            loop.remove_reader(port.fileno())
    for _ in range(_TO_BE_CONNECTED):
        await asyncio.sleep(0)
    listening.close()
