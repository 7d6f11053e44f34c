"""A port that the sandbox listens on, and the end of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from .connections import ConnectionServer
    from .serving import Serving

# Time for what is being written to get out, in seconds; nothing else is waited for.
_SHUTDOWN = 0.1


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
        self._running: tuple[web.ServerRunner, ConnectionServer] | None = None

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
        runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN)
        self._running = (runner, server)
        try:
            await runner.setup()
            await web.TCPSite(runner, self.host, self.port).start()
        except BaseException:  # a cancellation too must leave no socket behind
            await self.stop()
            raise
        # Kept, so that a sandbox that is started again is found where it was.
        self.port = runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port and every connection, within a second; what waits is given up."""
        running, self._running = self._running, None
        if running is None:
            return
        runner, server = running
        await self._serving.cancel()
        await runner.cleanup()
        # What could not be flushed in time would stay open.
        await server.abort()
