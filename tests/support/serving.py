"""Gateways of tests: parts of their own for every test, behind an application that stays.

To put Litestar's application together takes ten times the processor of a test's calls, and nothing
in it belongs to one process: its handlers look up the parts that they work with at each request.
So each kind of application is built once and serves one test's parts after another's. Parts are
started and stopped for each test as in a real process.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, cast

import uvicorn

from gateway import app
from gateway.asgi.server_protocol import BoundedHttpProtocol
from gateway.components import Components
from gateway.identity.links import Links
from gateway.identity.services import build_identity
from gateway.identity.sso.configuration import load_providers
from gateway.started import lifespan_of
from infra.clock import Clock
from infra.settings import Settings
from models.catalog import Catalog
from models.routing.classifier import RouteClassifier
from tests.support.connecting import POOLS
from tests.support.passwords import quick_passwords

_TICK_S = 0.005
# So long a client that went may need to be noticed, and an answer that is under way to end.
_PATIENCE_S = 60.0


# Only read, as everywhere: to unpack it for every test would take a tenth of what a test takes.
_classifier = cache(RouteClassifier.load)


def build_parts(settings: Settings, clock: Clock, catalog: Catalog) -> Components:
    """The parts of a process, as `gateway.app` builds them, but for passwords, whose hashes would
    take a tenth of a second each."""
    parts = app.build_components(settings, clock, catalog, POOLS.connect, _classifier)
    given = parts.connections.handlers, clock, parts.pepper, Links.from_settings(settings)
    providers = load_providers(settings, clock)
    return replace(parts, identity=build_identity(*given, quick_passwords(), providers))


class CurrentParts:
    """A proxy for the parts that are currently served."""

    def __init__(self) -> None:
        self.parts: Components | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.parts, name)


class CurrentCatalog:
    """A proxy for the catalog of the parts that are currently served, for the application's
    document. So one application serves every catalog: dozens of tests have their own."""

    def __init__(self, current: CurrentParts) -> None:
        self._current = current

    def __getattr__(self, name: str) -> Any:
        return getattr(self._current.catalog, name)


class LastingServer(uvicorn.Server):
    """A server that stays up: at the end of a test it closes only that test's connections."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ending = asyncio.Event()

    async def main_loop(self) -> None:
        """Set the date of responses once a second, and look whether the server is to end. By
        uvicorn's own loop, ten times a second, idle servers take a hundredth of a core."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self.ending.wait()

    async def settle(self) -> None:
        """Wait until no connection is open and no request is running."""
        await asyncio.sleep(_TICK_S)
        state = self.server_state
        async with asyncio.timeout(_PATIENCE_S):
            while state.connections or state.tasks:
                # Also those that came meanwhile: kept alive they would stay for five seconds.
                for connection in list(state.connections):
                    connection.shutdown()
                await asyncio.sleep(_TICK_S)


@dataclass(frozen=True, slots=True)
class Application:
    """A running server with its parts, URL and task."""

    server: LastingServer
    current: CurrentParts
    listener: socket.socket
    task: asyncio.Task[None]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    async def stop(self) -> None:
        self.server.should_exit = True
        self.server.ending.set()
        await self.task


@dataclass(slots=True)
class Applications:
    """The idle applications of one event loop by kind."""

    idle: dict[Any, list[Application]] = field(default_factory=dict)

    async def take(self, parts: Components, http: type[BoundedHttpProtocol]) -> Application:
        waiting = self.idle.get(_kind(parts, http))
        return waiting.pop() if waiting else await _started(parts, http)

    def put_back(
        self, parts: Components, http: type[BoundedHttpProtocol], application: Application
    ) -> None:
        application.current.parts = None
        self.idle.setdefault(_kind(parts, http), []).append(application)

    async def stop(self) -> None:
        # At once: each waits for a tenth of a second until its connections are closed.
        idle = [application for waiting in self.idle.values() for application in waiting]
        await asyncio.gather(*(application.stop() for application in idle))
        self.idle.clear()


APPLICATIONS = Applications()


def _kind(parts: Components, http: type[BoundedHttpProtocol]) -> Any:
    """The kind of an application: with or without pages, protocol."""
    return parts.settings.dashboard, http


async def _started(parts: Components, http: type[BoundedHttpProtocol]) -> Application:
    current = CurrentParts()
    current.parts = replace(parts, catalog=cast(Catalog, CurrentCatalog(current)))
    config = uvicorn.Config(
        app.build_app(cast(Components, current)),
        log_config=None,
        access_log=False,
        http=http,
        ws="none",
        lifespan="off",
    )
    server = LastingServer(config)
    listener = socket.create_server(("127.0.0.1", 0))
    # asyncio does so for listeners that it creates. Without, the second part of a response waits
    # for the client's delayed acknowledgement of the first: 40 ms in each request of a test.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    task = asyncio.create_task(server.serve([listener]))
    while not server.started:  # noqa: ASYNC110  # uvicorn gives no event to wait for
        await asyncio.sleep(_TICK_S)
    return Application(server, current, listener, task)


@asynccontextmanager
async def serve(
    parts: Components, http: type[BoundedHttpProtocol] = BoundedHttpProtocol
) -> AsyncIterator[str]:
    """Start the parts and serve them on a real socket; yields the URL."""
    application = await APPLICATIONS.take(parts, http)
    application.current.parts = parts
    async with lifespan_of(parts)(cast(Any, application.server.config.app)):
        try:
            yield application.url
        finally:
            await application.server.settle()
    APPLICATIONS.put_back(parts, http, application)
    await POOLS.put_back(parts.connections)
