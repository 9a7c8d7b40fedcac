"""Runs a fake server on a real socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def listening(app: web.Application, leaves: bool = False) -> AsyncIterator[str]:
    """Serve until the block ends; yields the URL. With `leaves` a handler is cancelled when its
    client disconnects, as in engines."""
    runner = web.AppRunner(app, handler_cancellation=leaves, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
