"""A gateway process for one account, without sockets to clients and model server.

PostgreSQL is real. Time stands still except between rounds, so that no call gets old enough for an
intent, however slowly it runs, and every round is committed at once.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import uvicorn
from uvicorn.server import ServerState

from billing.accounts.account_creation import AccountLimits, open_account
from gateway.access.api_keys import create_key
from gateway.app import build_app, build_components
from gateway.asgi.server_protocol import BoundedHttpProtocol
from gateway.components import Components
from infra import ids
from infra.clock import SystemClock
from infra.secrets.secret_key import secret_key
from infra.settings import Settings, load_settings
from infra.timing import Timing
from load.bench.hot_path.client import MemoryClient, encode_chat
from models.catalog import Task, load_configured_catalog

_LIMITS = AccountLimits(credit_nano=10**15, requests=10**9, tokens=10**12, streams=100_000)
_LONG_S = 3600.0


class SteppedClock:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self._start, self._elapsed_s = datetime.now(UTC), 0.0

    def advance(self, seconds: float) -> None:
        """Move the time forward."""
        self._elapsed_s += seconds

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        return 1000.0 + self._elapsed_s


@dataclass(frozen=True, slots=True)
class HotPath:
    """Clients that are connected to a running gateway in this process."""

    clients: list[MemoryClient]
    clock: SteppedClock
    components: Components


@asynccontextmanager
async def run_gateway(clients: int) -> AsyncIterator[HotPath]:
    """Run the parts that serve calls, with connected clients, until the block ends."""
    loaded = load_settings()
    settings = loaded.model_copy(update={"timing": _without_polls(loaded.timing)})
    clock, catalog = SteppedClock(), load_configured_catalog(settings)
    components = build_components(settings, clock, catalog)
    app = build_app(components)
    parts = (
        components.upstream,
        components.quota_leaser,
        components.writer,
        components.authenticator,
        components.call_metrics,
    )
    model = catalog.with_task(Task.TEXT_GENERATION)[0].id
    request = encode_chat(model, await _create_key(components, settings))
    for part in parts:
        await part.start()
    config = uvicorn.Config(
        app,
        http=BoundedHttpProtocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
    )
    config.load()
    state = ServerState()
    connected = [MemoryClient(config, state, request) for _ in range(clients)]
    try:
        yield HotPath(connected, clock, components)
    finally:
        for client in connected:
            client.close()
        for part in reversed(parts):
            await part.stop()
        for connection in components.connections.all:
            await connection.close()


def _without_polls(timing: Timing) -> Timing:
    """Return intervals at which background work is not due while calls are measured."""
    return replace(
        timing,
        lease_tick_s=_LONG_S,
        epoch_poll_s=_LONG_S,
        trust_s=10 * _LONG_S,
        process_renew_s=_LONG_S,
        process_ttl_s=10 * _LONG_S,
        process_tidy_s=_LONG_S,
    )


async def _create_key(components: Components, settings: Settings) -> str:
    """Open an account with ample limits, and return the secret of its key."""
    async with components.database.transaction() as session:
        account = await open_account(
            session, SystemClock(), f"Bench {ids.new_id()}", "CNY", _LIMITS
        )
        pepper = secret_key(settings)
        key = await create_key(session, SystemClock(), pepper, account.id, "bench")
    return key.secret
