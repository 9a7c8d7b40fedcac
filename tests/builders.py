"""Makes what tests need, with every default spelled here once."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from sqlalchemy import create_engine, text
from tokenizers import Tokenizer, models, pre_tokenizers

from billing.accounts.opening import Terms, open_account
from billing.checks.reconciliation import Reconciled, reconcile
from billing.metering.usage import list_usage, show_usage
from billing.tables import Account
from gateway.app import Parts, build_app, build_parts
from gateway.keys import IssuedKey, create_key
from gateway.listening import Listening
from infra.clock import Clock, SystemClock
from infra.connecting import driver_url
from infra.db import Database
from infra.reach import Reach
from infra.sealing import Sealer
from infra.secret import secret_key
from infra.settings import Settings
from infra.signed_post import SignedPoster
from models.catalog import Catalog, Meter, Task, load_catalog
from tests.fakes import names

CATALOG = load_catalog("cpu")
# Sold first, and answered by an adapter on the engine of the other.
INDUSTRIAL = CATALOG.with_task(Task.TEXT_GENERATION)[0].id
CHAT = CATALOG.models[INDUSTRIAL].engine_id
EMBEDDING = CATALOG.with_task(Task.EMBEDDING)[0].id
SEALER = Sealer(b"s" * 32)
_LEAVING_S = 0.005  # until a connection that a client closed is known to be closed
PLENTY = Terms(credit_nano=100 * 10**9, requests=100_000, tokens=100_000_000, streams=1_000)
SPECIALIST = CATALOG.with_task(Task.CLASSIFICATION)[0].id
REMAINING_LIFE = CATALOG.with_task(Task.REGRESSION)[0].id
MECHANISMS = {model.weights.source: model.id for model in CATALOG.with_task(Task.CALCULATION)}
BEARING_LIFE = MECHANISMS["bearing_life"]
CONTROL_CHART = MECHANISMS["control_chart"]
# The same, but that the specialist is sold by pictures, at 25,000,000 nano-units each.
PICTURES = Catalog(
    {
        **CATALOG.models,
        SPECIALIST: replace(CATALOG.models[SPECIALIST], prices={"CNY": {Meter.IMAGES: 25_000_000}}),
    }
)


def credit(nano: int) -> Terms:
    """Plenty of everything but money."""
    return replace(PLENTY, credit_nano=nano)


# Deletes from every table. To truncate them all takes three times as long as these tests write few
# rows, and there are thousands of tests. What is append-only refuses this, but for a replica.
_EMPTY = """
do $$ declare it record; begin
  set local session_replication_role = replica;
  for it in
    select schemaname, tablename from pg_tables
    where schemaname in ('public', 'jobs')
      -- Each has rows from the beginning, and no account's.
      and tablename not in ('alembic_version', 'access_epoch', 'usage_cursor', 'legal_entity')
  loop
    execute format('delete from %I.%I', it.schemaname, it.tablename);
  end loop;
  -- The first one sells to accounts yet to come.
  delete from legal_entity where code <> 'MAAS';
end $$
"""


class Emptying:
    """Forgets every account and all that belongs to one, again and again, over one connection: of a
    new one PostgreSQL looks up each table first, which takes seven times as long."""

    def __init__(self, database_url: str) -> None:
        self._engine = create_engine(driver_url(database_url), pool_size=1, pool_pre_ping=True)

    def __call__(self) -> None:
        with self._engine.begin() as connection:
            connection.execute(text(_EMPTY))

    def close(self) -> None:
        self._engine.dispose()


def empty(database_url: str) -> None:
    """The same, once."""
    emptying = Emptying(database_url)
    emptying()
    emptying.close()


def without_syncing(database_url: str) -> None:
    """Wait for no disk on a commit. What is killed in these tests is a process, even PostgreSQL's
    own, never the machine: what was written is there all the same."""
    engine = create_engine(driver_url(database_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("alter system set fsync = off"))
        connection.execute(text("select pg_reload_conf()"))
    engine.dispose()


def word_tokenizer(data_dir: Path) -> None:
    """A tokenizer with a token a word for the chat model, as the model server of the tests counts:
    so prompts are counted before a call, as they are where the real weights lie."""
    folder = data_dir / "weights" / f"{CHAT}-0"
    folder.mkdir(parents=True)
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text("{}")
    (folder / "chat_template.jinja").write_text("{{ messages[-1]['content'] }}")


def settings(database_url: str, data_dir: Path, serving_url: str, **values: Any) -> Settings:
    """Without the dashboard, where it is not asked for: it takes longer to put together than most
    tests take."""
    values = {"dashboard": False, **values}
    return Settings(database_url=database_url, data_dir=data_dir, serving_url=serving_url, **values)


@dataclass
class Gateway:
    """A gateway process's parts behind a real socket, and a customer with a key."""

    url: str
    parts: Parts
    account: Account
    key: IssuedKey
    http: httpx.AsyncClient

    async def rows(self, count: int = 1) -> list[dict[str, Any]]:
        """The newest usage rows; waits for rows of refusals, which follow their answers."""
        for _ in range(100):
            async with self.parts.database.transaction() as session:
                rows = await list_usage(session, account_id=None, limit=1000)
            if len(rows) >= count:
                break
            await asyncio.sleep(0.02)
        assert len(rows) == count, f"{len(rows)} rows instead of {count}"
        return [show_usage(row) for row in rows]

    async def reconciled(self) -> Reconciled:
        """What `maas reconcile` finds."""
        async with self.parts.database.transaction() as session:
            return await reconcile(session)

    async def row(self) -> dict[str, Any]:
        return (await self.rows(1))[0]

    async def chat(self, prompt: str, **values: Any) -> httpx.Response:
        message = {"role": "user", "content": prompt}
        body = {"model": CHAT, "messages": [message], "max_tokens": 5, **values}
        return await self.http.post("/v1/chat/completions", json=body)


# Makes a gateway whose account has other terms.
Limited = Callable[..., AbstractAsyncContextManager[Gateway]]


@asynccontextmanager
async def run_gateway(
    configured: Settings,
    clock: Clock | None = None,
    terms: Terms = PLENTY,
    catalog: Catalog = CATALOG,
) -> AsyncIterator[Gateway]:
    """Serve on a free port until the block ends, for an account under these terms."""
    parts = build_parts(configured, clock or SystemClock(), catalog)
    parts = replace(parts, poster=SignedPoster(Reach(configured.webhook_networks, names.resolve)))
    account, key = await customer(parts.database, configured, terms=terms)
    async with serve(parts) as url:
        headers = {"authorization": f"Bearer {key.secret}"}
        # A real engine on a busy machine takes its time; nothing is measured by this.
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=120) as http:
            yield Gateway(url, parts, account, key, http)


def parts_like(gateway: Gateway) -> Parts:
    """The parts of another process with the same settings."""
    return build_parts(gateway.parts.settings, gateway.parts.clock, CATALOG)


class PromptServer(uvicorn.Server):
    """Ends when it is told to, where nobody is connected any more. Uvicorn looks ten times a second
    whether it shall, and then waits a tenth: minutes in all these tests."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()

    def end(self) -> None:
        self._told.set()

    async def main_loop(self) -> None:
        ticking = asyncio.create_task(super().main_loop())
        await self._told.wait()
        ticking.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.sleep(_LEAVING_S)
        if self.server_state.connections or self.server_state.tasks:
            return await super().shutdown(sockets)
        for server in self.servers:
            server.close()
        await self.lifespan.shutdown()


@asynccontextmanager
async def serve(parts: Parts, http: type[Listening] = Listening) -> AsyncIterator[str]:
    """The application behind a real socket; gives its URL."""
    config = uvicorn.Config(
        build_app(parts), log_config=None, access_log=False, http=http, ws="none"
    )
    server = PromptServer(config)
    listener = socket.create_server(("127.0.0.1", 0))
    task = asyncio.create_task(server.serve([listener]))
    while not server.started:  # noqa: ASYNC110  # uvicorn gives no event to wait for
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.end()
        await task


async def customer(
    database: Database, configured: Settings, name: str = "Acme 精密", terms: Terms = PLENTY
) -> tuple[Account, IssuedKey]:
    async with database.transaction() as session:
        currency = configured.currency
        account = await open_account(session, SystemClock(), name, currency, terms)
        pepper = secret_key(configured)
        return account, await create_key(session, SystemClock(), pepper, account.id, "test")
