"""`kill -9` of a gateway while records are appended to the prediction ledger.

The chain stays whole, no acknowledged record is lost, and none is there twice although each request
that got no answer is repeated. One kill here, thirty in `make chaos`.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.database.database import Database
from infra.settings import Settings
from tests.processes.clients import all_settled, usage_rows
from tests.support import builders
from tests.support.builders import CHAT
from tests.support.chaos import in_full
from tests.support.fakes.upstream import FakeUpstream
from tests.support.fleet import Fleet, run_fleet
from tests.support.nightly import nightly

_KILLS = in_full(30, 1)
_WRITERS = 4
_BEFORE_KILL = 15  # acknowledged requests
_BATCH = 3
_RECORDS = "/v1/predictions/records"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def configured(database_url: str, tmp_path: Path, upstream: FakeUpstream) -> Settings:
    return builders.settings(database_url, tmp_path, upstream.url)


@dataclass
class Writers:
    """Programs of an account that append records, each again until it is acknowledged.

    url: the gateway now; digests: of acknowledged records by idempotency key.
    """

    http: httpx.AsyncClient
    request_id: str
    url: str
    digests: dict[str, str] = field(default_factory=dict)
    sent: int = 0
    is_over: bool = False
    repeated: int = 0

    async def write(self, writer: int) -> None:
        """Append batches of records until the test is over."""
        number = 0
        while not self.is_over:
            keys = [f"{writer}-{number}-{one}" for one in range(_BATCH)]
            for key, record in zip(keys, await self._append(keys), strict=True):
                self.digests[key] = record["digest"]
            self.sent += 1
            number += 1

    async def _append(self, keys: list[str]) -> list[dict[str, Any]]:
        """Append records, again with the same keys while there is no answer."""
        until = (datetime.now(UTC) + timedelta(days=7)).isoformat()
        body = {"records": [self._record(key, until) for key in keys]}
        while True:
            try:
                answer = await self.http.post(self.url + _RECORDS, json=body)
            except httpx.TransportError:
                self.repeated += 1
                await asyncio.sleep(0.2)
                continue
            if answer.status_code == 503:
                await asyncio.sleep(0.1)
                continue
            assert answer.status_code == 200, answer.text
            return list(answer.json()["data"])

    def _record(self, key: str, until: str) -> dict[str, Any]:
        return {
            "subject": f"M{len(key)}",
            "event": "pump_failure",
            "from": datetime(2026, 1, 1, tzinfo=UTC).isoformat(),
            "to": until,
            "model": CHAT,
            "verdict": "yes",
            "probability": 0.8,
            "request_ids": [self.request_id],
            "idempotency_key": key,
        }

    async def acknowledged(self, count: int) -> None:
        """Wait until so many more requests were acknowledged."""
        until = self.sent + count
        async with asyncio.timeout(120):
            while self.sent < until:  # noqa: ASYNC110  # writers tell nobody
                await asyncio.sleep(0.01)


async def _call(http: httpx.AsyncClient, url: str, database: Database) -> str:
    """Make the call that the records name."""
    body = {"model": CHAT, "messages": [{"role": "user", "content": "Will the pump fail?"}]}
    answer = await http.post(f"{url}/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    await all_settled(database, processes=1)
    (row,) = await usage_rows(database)
    return str(row["request_id"])


async def _kill_and_write(fleet: Fleet, writers: Writers) -> None:
    """Kill the gateway while records are appended, and start another one, again and again."""
    async with asyncio.TaskGroup() as running:
        for number in range(_WRITERS):
            running.create_task(writers.write(number))
        for _ in range(_KILLS):
            await writers.acknowledged(_BEFORE_KILL)
            (victim,) = fleet.members
            victim.kill()
            fleet.members.remove(victim)
            writers.url = (await fleet.start()).url
        await writers.acknowledged(_BEFORE_KILL)
        writers.is_over = True


@nightly
async def test_ledger_of_a_killed_gateway_loses_and_doubles_no_record(
    configured: Settings, database: Database
) -> None:
    _, key = await builders.customer(database, configured)
    headers = {"authorization": f"Bearer {key.secret}"}
    async with run_fleet(configured, 1) as fleet, builders.client("", headers) as http:
        url = fleet.members[0].url
        writers = Writers(http, await _call(http, url, database), url)
        await _kill_and_write(fleet, writers)
        state = (await http.get(f"{writers.url}/v1/predictions/verification")).json()
        ledger = await _ledger(http, writers.url)
    assert (state["valid"], state["position"]) == (True, len(writers.digests))
    assert ledger == writers.digests
    assert writers.repeated >= _KILLS
    sys.stderr.write(f"{_KILLS} kills, {len(ledger)} records, {writers.repeated} repeated\n")


async def _ledger(http: httpx.AsyncClient, url: str) -> dict[str, str]:
    """Return the digests of all records by idempotency key; each key is there once."""
    found: dict[str, str] = {}
    query: dict[str, Any] = {"limit": 100}
    while True:
        page = (await http.get(url + _RECORDS, params=query)).json()
        for one in page["data"]:
            assert one["idempotency_key"] not in found
            found[one["idempotency_key"]] = one["digest"]
        if not page["has_more"]:
            return found
        query["after"] = page["data"][-1]["id"]
