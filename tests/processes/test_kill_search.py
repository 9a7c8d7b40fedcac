"""`kill -9` between the search and the response of a chat, or during its second answer: no call is
billed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from infra.database.database import Database
from infra.settings import Settings
from tests.processes.clients import all_settled, usage_rows
from tests.support import builders
from tests.support.billing.making import sql
from tests.support.builders import CHAT
from tests.support.fakes.upstream import FakeUpstream
from tests.support.fleet import run_fleet
from tests.support.nightly import nightly


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def configured(database_url: str, tmp_path: Path, upstream: FakeUpstream) -> Settings:
    return builders.settings(database_url, tmp_path, upstream.url)


async def _until_chats_are_sent(upstream: FakeUpstream, count: int = 1) -> None:
    async with asyncio.timeout(180):
        while sum("messages" in body for body in upstream.received) < count:  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.02)


async def _until_intents_are_durable(database: Database, count: int = 1) -> None:
    query = "select 1 from intent where operation = 'chat'"
    async with asyncio.timeout(180):
        while len(await sql(database, query)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@nightly
async def test_search_of_a_chat_whose_gateway_is_killed_is_not_billed(
    configured: Settings, database: Database, upstream: FakeUpstream
) -> None:
    _, key = await builders.customer(database, configured)
    headers = {"authorization": f"Bearer {key.secret}"}
    async with run_fleet(configured, 2) as fleet:
        victim = fleet.members[0]
        async with httpx.AsyncClient(base_url=victim.url, headers=headers, timeout=60) as http:
            store = (await http.post("/v1/vector_stores", json={"name": "empty"})).json()["id"]
            body = {
                "model": CHAT,
                "messages": [
                    {"role": "user", "content": "which grease"},
                    {"role": "assistant", "content": "hang"},
                ],
                "tools": [{"type": "file_search", "vector_store_ids": [store]}],
                "max_tokens": 5,
            }
            calling = asyncio.create_task(http.post("/v1/chat/completions", json=body))
            await _until_chats_are_sent(upstream)
            await _until_intents_are_durable(database)
            victim.kill()
            with suppress(httpx.HTTPError):
                await calling
        fleet.members.remove(victim)
        await all_settled(database, processes=1)
    (row,) = await usage_rows(database)
    assert (row["operation"], row["settlement"], row["cost_nano"]) == ("chat", "unknown", 0)
    assert any("input" in sent for sent in upstream.received)
    async with database.transaction() as session:
        used = await session.execute(text("select sum(used) from quota where kind = 'credit'"))
        assert used.scalar_one() == 0


@nightly
async def test_answers_of_a_gateway_killed_during_the_second_one_are_not_billed(
    configured: Settings, database: Database, upstream: FakeUpstream
) -> None:
    _, key = await builders.customer(database, configured)
    headers = {"authorization": f"Bearer {key.secret}"}

    def reply(_model: str, _prompt: str) -> str:
        """The second answer takes a minute."""
        is_second = sum("messages" in body for body in upstream.received) > 1
        upstream.delay_s = 60.0 if is_second else 0.0
        return "It lasts 600 h."

    async with run_fleet(configured, 2) as fleet:
        victim = fleet.members[0]
        async with httpx.AsyncClient(base_url=victim.url, headers=headers, timeout=60) as http:
            store = await _store(http)
            upstream.replies = reply
            body = {
                "model": CHAT,
                "messages": [{"role": "user", "content": "How long does the grease last?"}],
                "tools": [{"type": "file_search", "vector_store_ids": [store]}],
                "max_tokens": 5,
            }
            calling = asyncio.create_task(http.post("/v1/chat/completions", json=body))
            await _until_chats_are_sent(upstream, 2)
            await _until_intents_are_durable(database, 2)
            victim.kill()
            with suppress(httpx.HTTPError):
                await calling
        fleet.members.remove(victim)
        await all_settled(database, processes=1)
    rows = [row for row in await usage_rows(database) if row["operation"] == "chat"]
    assert [(row["settlement"], row["cost_nano"]) for row in rows] == [("unknown", 0)] * 2
    first = next(row for row in rows if row["parent_id"] is None)
    second = next(row for row in rows if row["parent_id"] is not None)
    assert second["parent_id"] == first["request_id"]


async def _store(http: httpx.AsyncClient) -> str:
    """A store with one file, once it is indexed."""
    files = {"file": ("grease.txt", b"The grease lasts 500 h.")}
    file = (await http.post("/v1/files", files=files, data={"purpose": "user_data"})).json()["id"]
    body = {"name": "grease", "file_ids": [file]}
    store: str = (await http.post("/v1/vector_stores", json=body)).json()["id"]
    async with asyncio.timeout(180):
        while True:
            found = (await http.get(f"/v1/vector_stores/{store}")).json()
            if found["file_counts"]["completed"]:
                return store
            await asyncio.sleep(0.1)
