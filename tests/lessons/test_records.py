"""Defects reported for other gateways, part 3: wrong, late or deadlocked usage records, and slow,
growing or crashing gateways.

Each docstring names the issue threads. Kills and outages are in tests/processes/.
"""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from billing.metering.quotas import set_limit
from billing.tables import QuotaKind
from gateway.access.api_keys import create_key
from infra.secrets.secret_key import secret_key
from infra.timing import Timing
from tests.support import builders
from tests.support.builders import CHAT, PLENTY, Gateway, Limited
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.asking import until
from tests.support.nightly import at_length

CROWD = at_length(500, 150)
COST = 500 + 5 * 2000  # one word, five tokens
# For many concurrent calls in one process with gateways, clients and model: on a busy
# machine the gateway may take seconds to read the access epoch or to renew its row.
SLOW = replace(builders.TIMING, trust_s=30.0, database_gone_s=30.0, process_ttl_s=60.0)
PATIENT = {"first_byte_timeout_s": 30.0, "idle_timeout_s": 30.0, "timing": SLOW}


async def scalar(gateway: Gateway, query: str) -> int:
    async with gateway.parts.database.transaction() as session:
        return int((await session.execute(text(query))).scalar_one())


class TestUsageRecords:
    async def test_concurrent_writes_of_two_gateways_lose_no_usage(self, limited: Limited) -> None:
        """litellm#6895, #27989, PR#34887: deadlocks silently dropped spend. Here two gateways and
        four keys of one account lock the same rows."""
        async with (
            limited(PLENTY, **PATIENT) as gateway,
            builders.serve(builders.parts_like(gateway)) as other,
        ):
            secrets = [gateway.key.secret]
            async with gateway.parts.database.transaction() as session:
                for name in "abc":
                    pepper, owner = secret_key(gateway.parts.settings), gateway.account.id
                    made = await create_key(session, gateway.parts.clock, pepper, owner, name)
                    secrets.append(made.secret)
            urls = [gateway.url, other]
            calls = [_call(gateway, urls[n % 2], secrets[n % 4]) for n in range(200)]
            assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}
            rows = await gateway.rows(200)
            assert {row["cost"] for row in rows} == {f"{COST / 1e9:.9f}"}
            assert not (await gateway.reconciled()).differences

    async def test_concurrent_streams_use_few_database_connections(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        """litellm#18708, #11334: connections run out under load and transactions time out."""
        # Open connections of gateways of other tests are idle, and background work
        # of the process is paused.
        quiet = Timing(work_poll_s=3600, gauges_s=3600)
        query = (
            "select count(*) from pg_stat_activity where application_name = 'maas'"
            " and extract(epoch from state_change) * 1000000 > {began}"
        )
        async with limited(PLENTY, **{**PATIENT, "timing": quiet}) as gateway:
            await gateway.chat("x")
            await until(lambda: not gateway.parts.database.in_use)  # start-up work
            began = await scalar(gateway, "select extract(epoch from clock_timestamp()) * 1000000")
            calls = asyncio.gather(*(gateway.chat("drip", stream=True) for _ in range(80)))
            await until(lambda: upstream.running > 0)
            used = await scalar(gateway, query.format(began=began))
            await calls
        assert used <= 7  # four for look-ups, three for all else

    async def test_each_call_has_exactly_one_usage_row(self, gateway: Gateway) -> None:
        """litellm#15740: one call has two rows."""
        answers = await asyncio.gather(*(gateway.chat("x", max_tokens=5) for _ in range(50)))
        rows = await gateway.rows(50)
        ids = [answer.headers["x-request-id"] for answer in answers]
        assert sorted(row["request_id"] for row in rows) == sorted(ids)

    async def test_spend_of_a_key_equals_the_sum_of_its_rows(self, gateway: Gateway) -> None:
        """litellm#37144, #13280, #8514: the key's spend is 0 or $26, its log rows sum to $770."""
        for _ in range(7):
            await gateway.chat("x", max_tokens=5)
        await gateway.rows(7)
        spent = (
            "select q.used + coalesce((select sum(l.used - l.folded) from quota_lease l"
            " where l.quota_id = q.id), 0) from quota q where kind = 'budget'"
        )
        assert await scalar(gateway, spent) == 7 * COST
        assert await scalar(gateway, "select sum(cost_nano) from usage") == 7 * COST

    async def test_failed_call_leaves_its_idempotency_key_reusable(self, gateway: Gateway) -> None:
        """openmeter#5118: the key is stored before the write, the write fails, and the retry is
        treated as a duplicate: it succeeds, but the usage is never metered."""
        headers = {"idempotency-key": "order 7"}
        body = {"model": CHAT, "messages": [{"role": "user", "content": "fault"}]}
        path = "/v1/chat/completions"
        assert (await gateway.http.post(path, json=body, headers=headers)).status_code == 502
        good = {**body, "messages": [{"role": "user", "content": "x"}], "max_tokens": 5}
        assert (await gateway.http.post(path, json=good, headers=headers)).status_code == 200
        newest, _ = await gateway.rows(2)
        assert newest["cost"] == f"{COST / 1e9:.9f}"

    async def test_idempotency_key_with_another_body_is_rejected(self, gateway: Gateway) -> None:
        """flexprice#612: the same id with another payload is treated as a duplicate."""
        gateway.http.headers["idempotency-key"] = "order 8"
        assert (await gateway.chat("x")).status_code == 200
        assert (await gateway.chat("y")).status_code == 422

    async def test_usage_is_kept_when_a_limit_changes(self, gateway: Gateway) -> None:
        """lago#171: usage disappears when the plan changes."""
        await gateway.chat("x", max_tokens=5)
        async with gateway.parts.database.transaction() as session:
            await set_limit(session, gateway.account.id, QuotaKind.TOKENS, 1_000_000)
        await gateway.caught_up()
        answer = await gateway.chat("x", max_tokens=5)
        assert answer.headers["x-maas-balance"] == f"{(100 * 10**9 - 2 * COST) / 1e9:.9f}"
        assert not (await gateway.reconciled()).differences


class TestStreamPerformance:
    async def test_stream_events_are_forwarded_without_batching(self, gateway: Gateway) -> None:
        """ray#59681: streams are batched by 50 ms, which triples the time to the first token."""
        body = {
            "model": CHAT,
            "messages": [{"role": "user", "content": "drip"}],
            "max_tokens": 20,
            "stream": True,
        }
        pieces = 0
        async with gateway.http.stream("POST", "/v1/chat/completions", json=body) as answer:
            async for _ in answer.aiter_raw():
                pieces += 1
        assert pieces >= 15  # 20 events, 20 ms apart; a busy machine may join some

    async def test_each_stream_uses_at_most_two_tasks(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        """ray#52746: the cost per stream and chunk grows with their number."""
        calls = asyncio.gather(*(gateway.chat("drip", stream=True) for _ in range(40)))
        await until(lambda: upstream.running > 0)
        # One task responds, one watches for the client's disconnect; chunks have no own tasks.
        assert len(_tasks_of_calls()) <= 40 * 2
        await calls
        await until(lambda: not _tasks_of_calls())

    async def test_concurrent_first_calls_of_a_cold_process_all_succeed(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        """production-stack#448: a thousand concurrent calls crash the router. Here many calls reach
        a process with empty caches, without even their key."""
        limits = httpx.Limits(max_connections=CROWD)
        body = {"model": CHAT, "messages": [{"role": "user", "content": "x"}], "max_tokens": 5}
        async with limited(PLENTY, **PATIENT) as gateway:
            headers = {"authorization": f"Bearer {gateway.key.secret}"}
            async with httpx.AsyncClient(
                base_url=gateway.url, headers=headers, limits=limits, timeout=60
            ) as http:
                calls = [http.post("/v1/chat/completions", json=body) for _ in range(CROWD)]
                answers = await asyncio.gather(*calls)
        assert {answer.status_code for answer in answers} == {200}
        assert len(upstream.received) == CROWD


def _tasks_of_calls() -> list[asyncio.Task[Any]]:
    """The tasks of calls, without background tasks of the process."""
    names = ("run_asgi", "wait_for_disconnect")
    return [task for task in asyncio.all_tasks() if any(name in repr(task) for name in names)]


async def _call(gateway: Gateway, url: str, secret: str) -> httpx.Response:
    body: dict[str, Any] = {
        "model": CHAT,
        "messages": [{"role": "user", "content": "x"}],
        "max_tokens": 5,
    }
    headers = {"authorization": f"Bearer {secret}"}
    return await gateway.http.post(f"{url}/v1/chat/completions", json=body, headers=headers)


@pytest.mark.parametrize("tier", ["flex", "default"])
async def test_request_with_each_service_tier_is_served(gateway: Gateway, tier: str) -> None:
    assert (await gateway.chat("x", service_tier=tier)).status_code == 200
