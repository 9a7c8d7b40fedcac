"""PostgreSQL outage under load: no response without a record, and gateways recover without a
restart.

The server is stopped, as by an operator, or frozen, as when its host fails. The outage lasts until
both gateways have noticed it, in `make chaos` at least 10 s.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from infra.database.database import Database
from infra.database.embedded_postgres import EmbeddedPostgres, start_postgres
from tests.processes.clients import Clients, all_settled, usage_rows, whole_answers_are_billed
from tests.support import builders
from tests.support.builders import CHAT
from tests.support.chaos import in_full
from tests.support.fakes.upstream import FakeUpstream
from tests.support.fleet import Fleet, run_fleet
from tests.support.gateway.errors import error_of
from tests.support.nightly import nightly

AWAY_S = in_full(10, 1)
Gone = Callable[[EmbeddedPostgres], AbstractContextManager[None]]
REFUSALS = {"metering_unavailable", "database_unavailable"}


@dataclass
class Site:
    """Two gateways and a database that a test may stop or freeze."""

    postgres: EmbeddedPostgres
    fleet: Fleet
    database: Database
    secret: str


@pytest.fixture
async def site(data_dir: Path, upstream: FakeUpstream) -> AsyncIterator[Site]:
    postgres = await asyncio.to_thread(start_postgres, data_dir / "postgres")
    database = Database(postgres.url)
    configured = builders.settings(postgres.url, data_dir, upstream.url)
    _, key = await builders.customer(database, configured)
    try:
        async with run_fleet(configured, 2) as fleet:
            yield Site(postgres, fleet, database, key.secret)
    finally:
        await database.close()
        postgres.stop()


@contextmanager
def stopped(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Stop the server as an operator does: connections are closed, new ones refused."""
    postgres._server.stop()
    yield
    postgres._server.ensure_postgres_running()


@contextmanager
def frozen(postgres: EmbeddedPostgres) -> Iterator[None]:
    """Freeze the server: connections stay open without a response."""
    top = psutil.Process(postgres._server.get_pid())
    processes = [top, *top.children()]
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    yield
    for process in processes:
        os.kill(process.pid, signal.SIGCONT)


@pytest.mark.parametrize("gone", [stopped, pytest.param(frozen, marks=nightly)])
async def test_every_complete_response_is_billed_after_a_database_outage(
    site: Site, gone: Gone
) -> None:
    clients = Clients(lambda: site.fleet.urls, site.secret, seed=3)
    async with asyncio.TaskGroup() as group:
        group.create_task(clients.run(each=in_full(3, 1)))
        await clients.another(10)
        with gone(site.postgres):
            went = time.monotonic()
            await _calls_are_refused(site)
            # On a busy machine a client may run late and notice the outage late.
            await clients.until(lambda: clients.seen.refused)
            await asyncio.sleep(max(0.0, went + AWAY_S - time.monotonic()))
        await clients.another(in_full(50, 10))
        clients.stop()
    assert set(clients.seen.refused) <= REFUSALS
    rows = await usage_rows(site.database)
    whole_answers_are_billed(clients.seen, rows)
    await all_settled(site.database)
    sys.stderr.write(
        f"away for {AWAY_S} s: {len(clients.seen.whole)} whole, {clients.seen.broken} broken, "
        f"refused {clients.seen.refused}\n"
    )


async def test_running_call_completes_after_the_database_outage(
    site: Site, upstream: FakeUpstream
) -> None:
    """The end of the response waits for the usage row, and the row for the database."""
    headers = {"authorization": f"Bearer {site.secret}"}
    url = f"{site.fleet.urls[0]}/v1/chat/completions"
    drip = {"role": "user", "content": "drip by drip"}
    body = {"model": CHAT, "messages": [drip], "max_tokens": 40, "stream": True}
    async with httpx.AsyncClient(headers=headers, timeout=180) as http:
        call = asyncio.create_task(http.post(url, json=body))
        async with asyncio.timeout(180):
            while not upstream.running:  # noqa: ASYNC110  # the model server only counts
                await asyncio.sleep(0.02)
            with stopped(site.postgres):
                went = time.monotonic()
                while upstream.running:  # noqa: ASYNC110  # the model server only counts
                    await asyncio.sleep(0.02)
                await asyncio.sleep(max(0.5, went + AWAY_S - time.monotonic()))
                assert not call.done()
        answer = await call
    assert answer.text.endswith("data: [DONE]\n\n")
    (row,) = await usage_rows(site.database)
    assert (row["settlement"], row["output_tokens"]) == ("complete", 40)
    await all_settled(site.database)


async def _calls_are_refused(site: Site) -> None:
    """Wait until every gateway refuses calls with the documented error."""
    headers = {"authorization": f"Bearer {site.secret}"}
    body = {"model": CHAT, "messages": [{"role": "user", "content": "x"}], "max_tokens": 5}
    async with httpx.AsyncClient(headers=headers, timeout=120) as http, asyncio.timeout(180):
        for url in site.fleet.urls:
            # A gateway with quota leases may complete a call before it notices the outage.
            while (answer := await http.post(f"{url}/v1/chat/completions", json=body)).is_success:
                pass
            assert answer.status_code == 503
            assert error_of(answer)["code"] in REFUSALS
            assert (await http.get(f"{url}/health/live")).status_code == 200
            for path in ("/health/ready", "/health/ready?models=false"):
                # It may have checked just before the outage.
                while (ready := await http.get(f"{url}{path}")).is_success:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
                assert ready.status_code == 503
