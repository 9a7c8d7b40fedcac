"""Creates settings, accounts and gateways for tests, with all defaults in one place."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import httpx
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from sqlalchemy import create_engine, text
from tokenizers import Tokenizer, models, pre_tokenizers

from billing.accounts.account_creation import AccountLimits, open_account
from billing.metering.key_epoch import read_epoch
from billing.metering.usage import list_usage, usage_to_json
from billing.notifications.endpoints.fields import AddressRules
from billing.reconciliation.usage_and_quotas import ReconciliationResult, reconcile
from billing.tables import Account
from gateway.access.api_keys import IssuedKey, create_key
from gateway.components import Components
from infra.clock import Clock, SystemClock
from infra.database.connect import driver_url
from infra.database.database import Database
from infra.outbound.allowed_addresses import AllowedAddresses
from infra.outbound.webhook_post import SignedPoster
from infra.secrets.sealer import Sealer
from infra.secrets.secret_key import secret_key
from infra.settings import Settings
from infra.timing import Timing
from models.catalog import Catalog, Meter, Task, load_catalog
from tests.support.connecting import POOLS
from tests.support.fakes import names
from tests.support.first_customer import BASE_TABLES, FIRST_CUSTOMER, NAME, write_secret
from tests.support.first_customer import PLENTY as PLENTY
from tests.support.profile import PROFILE
from tests.support.replica_function import ReplicaFunction
from tests.support.serving import build_parts as build_parts
from tests.support.serving import serve as serve

CATALOG = load_catalog(PROFILE)
# Sold first, and answered by an adapter on the engine of the other.
INDUSTRIAL = CATALOG.with_task(Task.TEXT_GENERATION)[0].id
CHAT = CATALOG.models[INDUSTRIAL].engine_id
EMBEDDING = CATALOG.with_task(Task.EMBEDDING)[0].id
SEALER = Sealer(b"s" * 32)
# Of clients that use none: to read the authorities takes as long as a test's calls.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
SPECIALIST = CATALOG.with_task(Task.CLASSIFICATION)[0].id
REMAINING_LIFE = CATALOG.with_task(Task.REGRESSION)[0].id
ALIGNMENT = CATALOG.with_task(Task.ALIGNMENT)[0].id
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


def credit(nano: int) -> AccountLimits:
    """Terms with a credit limit and ample other limits."""
    return replace(PLENTY, credit_nano=nano)


# Creates a function that deletes from every table, with a statement of its own for each, which
# PostgreSQL plans once: half the processor time of statements that are put together in a loop. To
# truncate all tables takes three times as long, as these tests write few rows, and there are
# thousands of tests. No schema that tests look at has the function.
_PREPARE = f"""
do $$ begin
  execute (
    select format(
      'create function pg_temp.empty_tables() returns void language plpgsql as $f$ begin %s
       -- The first one sells to accounts yet to come.
       delete from legal_entity where code <> ''MAAS''; end $f$',
      string_agg(format('delete from %I.%I;', schemaname, tablename), ' ')
    ) from pg_tables
    where schemaname in ('public', 'jobs')
      and tablename not in {BASE_TABLES}
  );
end $$
"""


class Emptying:
    """Forgets every account and all that belongs to one, again and again."""

    def __init__(self, database_url: str) -> None:
        self._empty = ReplicaFunction(database_url, "empty_tables", _PREPARE)
        # Set while tests share what is in the database.
        self._kept = False

    def __call__(self) -> None:
        assert not self._kept, "this test would empty the database that its module shares"
        self._empty()

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Empty the database and forbid emptying it until the block ends: tests share it."""
        self()
        self._kept = True
        try:
            yield
        finally:
            self._kept = False

    def close(self) -> None:
        self._empty.close()


def empty(database_url: str) -> None:
    """Delete all accounts and their rows, once."""
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


def word_tokenizer(data_dir: Path, engine: str = CHAT) -> None:
    """A tokenizer with a token a word for a chat model, as the model server of the tests counts:
    so prompts are counted before a call, as they are where the real weights lie."""
    folder = data_dir / "weights" / f"{engine}-0"
    folder.mkdir(parents=True)
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text("{}")
    (folder / "chat_template.jinja").write_text("{{ messages[-1]['content'] }}")


# Of gateways of tests. What keeps processes in step is as usual, and work that waits is looked for
# as seldom: what is put there wakes its own process.
TIMING = Timing(
    first_look_s=1.0,
    work_watch_s=0.05,
    propagation_poll_s=0.01,
    lease_retry_s=0.02,
    lease_shrink_s=0.1,
    queue_poll_s={},
)
# Of those whose work is tried again, is another process's, or is there when they start.
BUSY = replace(TIMING, first_look_s=0.01, work_poll_s=0.05)


def polling(*queues: str, every_s: float = 0.05, **values: float) -> Timing:
    """Of gateways whose work in these queues is tried again or another process's: each look takes a
    transaction, so the other queues are looked at as seldom as usual."""
    return replace(TIMING, queue_poll_s=dict.fromkeys(queues, every_s), **values)


def settings(database_url: str, data_dir: Path, serving_url: str, **values: Any) -> Settings:
    """Without the dashboard, where it is not asked for: it takes longer to put together than most
    tests take."""
    values = {"dashboard": False, "timing": TIMING, **values}
    values = {
        "database_url": database_url,
        "data_dir": data_dir,
        "serving_url": serving_url,
        **values,
    }
    return GivenSettings(**values)


def impatient(
    database_url: str, data_dir: Path, serving_url: str, timing: Timing, patience_s: float = 3.0
) -> Settings:
    """With little patience: as much as a busy machine needs to answer."""
    return settings(
        database_url,
        data_dir,
        serving_url,
        first_byte_timeout_s=patience_s,
        idle_timeout_s=patience_s,
        body_timeout_s=patience_s,
        settle_timeout_s=patience_s,
        max_body_bytes=64 << 10,
        timing=timing,
    )


class GivenSettings(Settings):
    """What a test says, and else the defaults, whatever the environment holds: to look there for
    each of a hundred settings takes as long as some tests."""

    profile: Literal["cpu", "cpu-small", "cpu-tiny", "gpu"] = PROFILE

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_environment: PydanticBaseSettingsSource,
        **_further: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


@dataclass
class Gateway:
    """The parts of a gateway process behind a real socket, and an account with a key."""

    url: str
    parts: Components
    account: Account
    key: IssuedKey
    http: httpx.AsyncClient

    async def rows(self, count: int = 1) -> list[dict[str, Any]]:
        """The newest usage rows; waits for rows of refused calls, written after their response."""
        for _ in range(1000):
            async with self.parts.database.transaction() as session:
                rows = await list_usage(session, account_id=None, limit=1000)
            if len(rows) >= count:
                break
            await asyncio.sleep(0.02)
        assert len(rows) == count, f"{len(rows)} rows instead of {count}"
        return [usage_to_json(row) for row in rows]

    async def reconciled(self) -> ReconciliationResult:
        """The findings of `maas reconcile`, which has no time limit, unlike a gateway's queries."""
        url = self.parts.settings.database_url
        assert url is not None
        async with (
            POOLS.apart(url.get_secret_value()) as database,
            database.transaction() as session,
        ):
            return await reconcile(session)

    async def caught_up(self) -> None:
        """Wait until this process has read the newest change of keys, limits and models."""
        async with self.parts.database.transaction() as session:
            epoch = await read_epoch(session)
        assert await self.parts.propagation.wait(epoch)

    async def row(self) -> dict[str, Any]:
        return (await self.rows(1))[0]

    async def chat(self, prompt: str, **values: Any) -> httpx.Response:
        message = {"role": "user", "content": prompt}
        body = {"model": CHAT, "messages": [message], "max_tokens": 5, **values}
        return await self.http.post("/v1/chat/completions", json=body)

    async def until(self, status: int, prompt: str = "one", **values: Any) -> httpx.Response:
        """Repeat a call until it returns the status: changes of keys or limits take a moment."""
        async with asyncio.timeout(20):
            while (answer := await self.chat(prompt, **values)).status_code != status:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return answer


# Makes a gateway whose account has other terms.
Limited = Callable[..., AbstractAsyncContextManager[Gateway]]


@asynccontextmanager
async def run_gateway(
    configured: Settings,
    clock: Clock | None = None,
    terms: AccountLimits = PLENTY,
    catalog: Catalog = CATALOG,
) -> AsyncIterator[Gateway]:
    """Serve on a free port until the block ends, with an account under these terms."""
    write_secret(configured.data_dir)
    parts = build_parts(configured, clock or SystemClock(), catalog)
    allowed = AllowedAddresses(configured.webhook_networks, names.resolve)
    rules = AddressRules(allowed, configured.robot_hosts)
    parts = replace(
        parts,
        webhook_poster=SignedPoster(allowed),
        notifications=replace(parts.notifications, rules=rules),
    )
    account, key = await customer(parts.database, configured, terms=terms)
    async with serve(parts) as url:
        headers = {"authorization": f"Bearer {key.secret}"}
        async with client(url, headers) as http:
            yield Gateway(url, parts, account, key, http)


def client(url: str, headers: Mapping[str, str]) -> httpx.AsyncClient:
    """An HTTP client with a long timeout, because the real engine is slow on a busy machine."""
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=120, verify=NO_TLS)


def parts_like(gateway: Gateway) -> Components:
    """The parts of another process with the same settings."""
    return build_parts(gateway.parts.settings, gateway.parts.clock, CATALOG)


async def customer(
    database: Database, configured: Settings, name: str = NAME, terms: AccountLimits = PLENTY
) -> tuple[Account, IssuedKey]:
    """A new account with a key."""
    usual = (name, terms) == (NAME, PLENTY)
    if usual and (restored := FIRST_CUSTOMER.restore(configured)) is not None:
        return restored
    async with database.transaction() as session:
        currency = configured.currency
        account = await open_account(session, SystemClock(), name, currency, terms)
        pepper = secret_key(configured)
        return account, await create_key(session, SystemClock(), pepper, account.id, "test")
