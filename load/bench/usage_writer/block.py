"""`python -m load.bench.usage_writer.block`: the usage writer of one checkout, in blocks of calls.

Starts an embedded PostgreSQL of its own and prints "ready". For each line of standard input, a
BlockOrder as JSON, calls run through the writer, and a BlockResult is printed as JSON.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg
import uvloop
from pydantic import SecretStr

from billing.metering.quotas import QuotaRef, find_call_quotas
from billing.metering.usage import UsageRecord
from billing.metering.usage_log import IntentRecord
from billing.rating.quantities import Quantities
from billing.tables import Settlement
from gateway.inference.usage.writer import UsageWriter
from gateway.quota.demand import Demand
from gateway.quota.leaser import QuotaLeaser
from gateway.quota.process_heartbeat import ProcessHeartbeat
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from infra.database.direct import DirectConnection
from infra.database.embedded_postgres import start_postgres
from infra.database.migrate import migrate
from infra.settings import Settings
from infra.telemetry.metrics import Metrics, declare_metrics
from load.bench.gateways.processes import cpu_s, postmaster_of
from load.deployment.create_firms import open_firm
from models.catalog import DEFAULT_PROFILE, Task, load_catalog

_TIMEOUT_S, _PRICES = 60.0, {"input_tokens": 2_000, "output_tokens": 6_000}
_WAL_BYTES = "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"


@dataclass(frozen=True, slots=True)
class BlockOrder:
    """So many seconds of calls by concurrent producers; `upstream_ms` is the time of a model."""

    producers: int
    upstream_ms: float
    seconds: float


@dataclass(frozen=True, slots=True)
class BlockResult:
    """CPU in microseconds, statements and bytes of WAL per call; waits for a commit in ms."""

    calls: int
    gateway_us: float
    postgres_us: float
    p50_ms: float
    p99_ms: float
    commits: float
    wal_bytes: float


@dataclass(frozen=True, slots=True)
class _Payer:
    """An account with its key and the quotas of its calls."""

    account_id: UUID
    key_id: UUID
    quotas: Sequence[QuotaRef]


@dataclass(frozen=True, slots=True)
class _Counters:
    """CPU seconds of this process and PostgreSQL, commits of the writer and bytes of WAL."""

    gateway_s: float
    postgres_s: float
    commits: float
    wal_bytes: int


class _Calls:
    """Runs calls through the writer: reserve, open the intent, wait for the model, settle."""

    def __init__(self, writer: UsageWriter, leaser: QuotaLeaser, payers: Sequence[_Payer]) -> None:
        self._writer = writer
        self._leaser = leaser
        self._payers = payers
        self._model = load_catalog(DEFAULT_PROFILE).with_task(Task.TEXT_GENERATION)[0].id
        self.waits_s: list[float] = []

    async def run(self, order: BlockOrder) -> None:
        """Call with all producers until the end of the block; `waits_s` are the commits' waits."""
        self.waits_s, deadline = [], time.perf_counter() + order.seconds
        async with asyncio.TaskGroup() as group:
            for number in range(order.producers):
                payer = self._payers[number % len(self._payers)]
                group.create_task(self._produce(payer, order, deadline, random.Random(number)))

    async def _produce(
        self, payer: _Payer, order: BlockOrder, deadline: float, chance: random.Random
    ) -> None:
        while time.perf_counter() < deadline:
            # Models differ, so that calls do not end together.
            await self._call(payer, order.upstream_ms * (0.5 + chance.random()) / 1000)

    async def _call(self, payer: _Payer, upstream_s: float) -> None:
        demand = Demand(800, 200, 1, 1, 1, _PRICES, payer.quotas)
        reserved = self._leaser.try_reserve(demand)
        _, reservation = reserved or await self._leaser.reserve(demand, _TIMEOUT_S)
        record = self._record(payer)
        intent = self._writer.open_intent(lambda: _intent(record))
        await asyncio.sleep(upstream_s)
        began = time.perf_counter()
        record = replace(record, duration_us=round(upstream_s * 1e6))
        await self._writer.write(record, reservation, intent)
        self.waits_s.append(time.perf_counter() - began)

    def _record(self, payer: _Payer) -> UsageRecord:
        quantities = Quantities(input_tokens=800, output_tokens=100)
        return UsageRecord(
            request_id=ids.new_id(),
            account_id=payer.account_id,
            key_id=payer.key_id,
            operation="chat",
            model=self._model,
            streamed=False,
            settlement=Settlement.COMPLETE,
            status=200,
            error_code=None,
            quantities=quantities,
            cost_nano=800 * _PRICES["input_tokens"] + 100 * _PRICES["output_tokens"],
            currency="CNY",
            started_at=datetime.now(UTC),
            duration_us=0,
            first_chunk_us=None,
            upstream="serving",
        )


def main() -> None:
    """Start PostgreSQL and run the blocks that standard input orders."""
    with tempfile.TemporaryDirectory(prefix="maas-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL started by root runs as another user
        postgres = start_postgres(folder / "postgres")
        try:
            migrate(postgres.url)
            settings = Settings(database_url=SecretStr(postgres.url), data_dir=folder)
            uvloop.run(_serve(settings))
        finally:
            postgres.stop()


async def _serve(settings: Settings) -> None:
    clock, metrics, url = SystemClock(), declare_metrics(), _database_url(settings)
    database, records = Database(url), DirectConnection(url, _TIMEOUT_S)
    heartbeat = ProcessHeartbeat(database, DirectConnection(url, _TIMEOUT_S), clock, metrics)
    reading = DirectConnection(url, _TIMEOUT_S)
    leaser = QuotaLeaser(database, reading, heartbeat, clock, metrics)
    writer = UsageWriter(records, heartbeat, leaser, clock, metrics, _TIMEOUT_S)
    payers = [await _open_payer(database, settings, f"firm{number}") for number in range(4)]
    await leaser.start()
    await writer.start()
    calls = _Calls(writer, leaser, payers)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while line := await asyncio.to_thread(sys.stdin.readline):
        result = await _measure(calls, BlockOrder(**json.loads(line)), settings, metrics)
        sys.stdout.write(json.dumps(asdict(result)) + "\n")
        sys.stdout.flush()
    await writer.stop()
    await leaser.stop()


async def _measure(
    calls: _Calls, order: BlockOrder, settings: Settings, metrics: Metrics
) -> BlockResult:
    before = _read_counters(settings, metrics)
    await calls.run(order)
    after, waits = _read_counters(settings, metrics), sorted(calls.waits_s)
    number = len(waits)
    return BlockResult(
        calls=number,
        gateway_us=1e6 * (after.gateway_s - before.gateway_s) / number,
        postgres_us=1e6 * (after.postgres_s - before.postgres_s) / number,
        p50_ms=1000 * waits[number // 2],
        p99_ms=1000 * waits[number * 99 // 100],
        commits=(after.commits - before.commits) / number,
        wal_bytes=(after.wal_bytes - before.wal_bytes) / number,
    )


def _read_counters(settings: Settings, metrics: Metrics) -> _Counters:
    with psycopg.connect(_database_url(settings), autocommit=True) as connection:
        row = connection.execute(_WAL_BYTES).fetchone()
    assert row is not None
    commits = metrics.registry.get_sample_value("maas_settle_duration_seconds_count")
    postmaster = postmaster_of(settings.data_dir / "postgres")
    return _Counters(time.process_time(), cpu_s(postmaster), commits or 0.0, int(row[0]))


def _database_url(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


async def _open_payer(database: Database, settings: Settings, name: str) -> _Payer:
    async with database.transaction() as session:
        firm: Mapping[str, str] = await open_firm(session, settings, name)
        account, key = ids.parse_id("acct", firm["account"]), ids.parse_id("key", firm["key_id"])
        assert account is not None
        assert key is not None
        quotas = await find_call_quotas(session, account, key, SystemClock().now())
    return _Payer(account, key, quotas)


def _intent(record: UsageRecord) -> IntentRecord:
    assert record.account_id is not None
    assert record.key_id is not None
    return IntentRecord(
        request_id=record.request_id,
        account_id=record.account_id,
        key_id=record.key_id,
        operation=record.operation,
        model=record.model or "",
        streamed=False,
        held_nano=2 * record.cost_nano,
        currency="CNY",
        started_at=record.started_at,
    )


if __name__ == "__main__":
    main()
