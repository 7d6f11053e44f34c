"""The README's web apps on a loopback port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


@asynccontextmanager
async def serve_by_aiohttp(module: Any, *, handler_cancellation: bool = False) -> AsyncIterator[str]:
    """Serve the aiohttp.web app like `web.run_app`, and yield its URL."""
    runner = web.AppRunner(module.app, handler_cancellation=handler_cancellation, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield "http://{}:{}".format(*runner.addresses[0])
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serve_by_uvicorn(module: Any) -> AsyncIterator[str]:
    """Serve the FastAPI app by `uvicorn`, and yield its URL."""
    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0))  # early connections wait in the backlog
    server = uvicorn.Server(uvicorn.Config(module.app, log_config=None, lifespan="on", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield "http://{}:{}".format(*listening.getsockname())
    finally:
        server.should_exit = True
        await task
        listening.close()
