"""Deployment: a gateway completes its running calls before it stops, and the schema is migrated
while gateways run."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

import infra
from billing.reconciliation.usage_and_quotas import reconcile
from infra.database.connect import driver_url
from infra.database.database import Database
from infra.database.migrate import migrate, newest_revision
from tests.processes.clients import Clients, all_settled, usage_rows, whole_answers_are_billed
from tests.support import builders
from tests.support.builders import CHAT
from tests.support.chaos import in_full
from tests.support.fakes.upstream import FakeUpstream
from tests.support.fleet import Fleet, run_fleet


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
async def fleet(database_url: str, tmp_path: Path, upstream: FakeUpstream) -> AsyncIterator[Fleet]:
    upstream.delay_s = 1.0
    configured = builders.settings(database_url, tmp_path, upstream.url, model_concurrency=30)
    async with run_fleet(configured, 1) as fleet:
        yield fleet


async def test_gateway_completes_running_calls_after_sigterm(
    fleet: Fleet, database: Database, upstream: FakeUpstream
) -> None:
    """20 plain calls and 20 streams, some of which are still queued at the model."""
    _, key = await builders.customer(database, fleet.configured)
    (member,) = fleet.members
    headers = {"authorization": f"Bearer {key.secret}"}
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(headers=headers, timeout=60, limits=limits) as http:
        calls = [asyncio.create_task(_call(http, member.url, n % 2 == 0)) for n in range(40)]
        async with asyncio.timeout(120):
            while upstream.running < 30:  # noqa: ASYNC110  # the model server only counts
                await asyncio.sleep(0.02)
        member.child.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*calls)
        with pytest.raises(httpx.ConnectError):
            await http.get(f"{member.url}/health/live")
    # The server ends by the signal itself, after its last call.
    assert await asyncio.to_thread(member.child.wait, 120) in (0, -signal.SIGTERM)
    fleet.members.clear()
    assert all(answers)
    rows = await usage_rows(database)
    assert [row["settlement"] for row in rows] == ["complete"] * 40
    async with database.transaction() as session:
        found = await reconcile(session)
    assert not found.differences
    assert (found.processes, found.held, found.open_calls) == (0, 0, 0)


async def _call(http: httpx.AsyncClient, url: str, stream: bool) -> bool:
    """Make a call; returns whether its response was complete."""
    body = {
        "model": CHAT,
        "messages": [{"role": "user", "content": "drip"}],
        "max_tokens": 60,
        "stream": stream,
    }
    answer = await http.post(f"{url}/v1/chat/completions", json=body)
    if stream:
        return answer.text.endswith("data: [DONE]\n\n")
    return bool(answer.json()["usage"]["completion_tokens"] == 60)


@pytest.fixture
def growing(postgres: str) -> Iterator[str]:
    """A separate migrated database, whose schema a test may change."""
    engine = create_engine(driver_url(postgres), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("create database growing"))
        url = make_url(postgres).set(database="growing").render_as_string(hide_password=False)
        migrate(url)
        yield url
        connection.execute(text("drop database growing with (force)"))
    engine.dispose()


# On a busy machine PostgreSQL may respond after the call's timeout.
_BUSY = {"database_unavailable", "metering_unavailable"}
_TABLES = ("account", "api_key", "quota", "usage")
_ADD = "add column came_later text, add column counted bigint default 0 not null"
_TAKE = "drop column came_later, drop column counted"


def _next_version(folder: Path) -> Path:
    """Our migrations and those of a future version, which adds to each table that calls write, one
    table per migration, and then removes what it added."""
    scripts = folder / "scripts"
    shutil.copytree(Path(infra.__file__).parent / "migrations", scripts)
    before = newest_revision()
    steps = [(table, _ADD, False) for table in _TABLES] + [(one, _TAKE, True) for one in _TABLES]
    for number, (table, change, contract) in enumerate(steps, 9001):
        (scripts / "versions" / f"{number}.py").write_text(
            f"from alembic import op\n\nrevision, down_revision = '{number}', {before!r}\n"
            f"branch_labels = depends_on = None\ncontract = {contract}\n\n"
            f"def upgrade():\n    op.execute('alter table {table} {change}')\n"
        )
        before = str(number)
    return scripts


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        await database.close()


async def test_upgrade_under_load_drops_no_call(
    growing: str, tmp_path: Path, upstream: FakeUpstream
) -> None:
    """As in the chart: expand, replace each gateway, contract, while clients continue to call.

    The list of addresses acts as the load balancer: a gateway is removed from it before it stops.
    """
    configured = builders.settings(growing, tmp_path, upstream.url)
    scripts = _next_version(tmp_path)
    waiting = ("9005", "9006", "9007", "9008")
    async with opened(growing) as database, run_fleet(configured, 2) as fleet:
        _, key = await builders.customer(database, configured)
        clients = Clients(lambda: fleet.urls, key.secret, seed=9)
        async with asyncio.TaskGroup() as group:
            group.create_task(clients.run(each=in_full(2, 1)))
            await clients.another(in_full(12, 6))
            assert await asyncio.to_thread(migrate, growing, scripts=scripts) == waiting
            await clients.another(in_full(12, 6))
            for old in list(fleet.members):
                await fleet.start()
                fleet.members.remove(old)
                await clients.heard()
                await asyncio.to_thread(old.stop)
                await clients.another(in_full(12, 6))
            contracted = asyncio.to_thread(migrate, growing, contract=True, scripts=scripts)
            assert await contracted == ()
            await clients.another(in_full(12, 6))
            clients.stop()
        await all_settled(database, processes=2)
        assert clients.seen.broken == 0
        assert set(clients.seen.refused) <= (set() if in_full(1, 0) else _BUSY)
        whole_answers_are_billed(clients.seen, await usage_rows(database))
