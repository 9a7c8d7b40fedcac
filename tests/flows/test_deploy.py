"""A deploy drops no call: a gateway that is told to stop ends those that it has taken."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from billing.checks.reconciliation import reconcile
from infra.db import Database
from tests import builders
from tests.builders import CHAT
from tests.fakes.upstream import FakeUpstream
from tests.fleet import Fleet, run_fleet
from tests.flows.clients import usage_rows


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


async def test_calls_that_were_taken_are_answered(
    fleet: Fleet, database: Database, upstream: FakeUpstream
) -> None:
    """20 plain calls and 20 streams, some of which still wait for their turn at the model."""
    _, key = await builders.customer(database, fleet.configured)
    (member,) = fleet.members
    headers = {"authorization": f"Bearer {key.secret}"}
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(headers=headers, timeout=60, limits=limits) as http:
        calls = [asyncio.create_task(_call(http, member.url, n % 2 == 0)) for n in range(40)]
        async with asyncio.timeout(20):
            while upstream.running < 30:  # noqa: ASYNC110  # the model server only counts
                await asyncio.sleep(0.02)
        member.child.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*calls)
        with pytest.raises(httpx.ConnectError):
            await http.get(f"{member.url}/health/live")
    # The server ends by the signal itself, once it has done all.
    assert await asyncio.to_thread(member.child.wait, 30) in (0, -signal.SIGTERM)
    fleet.members.clear()
    assert all(answers)
    rows = await usage_rows(database)
    assert [row["settlement"] for row in rows] == ["complete"] * 40
    async with database.transaction() as session:
        found = await reconcile(session)
    assert not found.differences
    assert (found.processes, found.held, found.open_calls) == (0, 0, 0)


async def _call(http: httpx.AsyncClient, url: str, stream: bool) -> bool:
    """Whether the answer came whole."""
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
