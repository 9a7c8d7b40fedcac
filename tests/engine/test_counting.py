"""The engine's token counters and usage rows: equal for complete calls, bounded for others."""

import asyncio
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI

from billing.metering.usage import UsageRecord, insert_usage
from billing.rating.quantities import Quantities
from billing.reconciliation.usage_and_quotas import (
    EngineComparison,
    EngineCount,
    compare_engines,
    load_recorded_tokens,
)
from billing.tables import Settlement
from gateway.operations.engine_counters import fetch_engine_counts
from infra import ids
from tests.support.builders import CHAT, Gateway
from tests.support.maas_process import run
from tests.support.pricing import list_price

QUESTION: Any = {"role": "user", "content": "Name one reason why a bearing runs hot."}


@dataclass
class Engine:
    """The engine of a gateway, with counters relative to the start of the test."""

    gateway: Gateway
    url: str
    base: EngineCount
    began: datetime

    async def count(self) -> EngineCount:
        now = await ask(self.url)
        return replace(
            now,
            prompt_tokens=now.prompt_tokens - self.base.prompt_tokens,
            generated_tokens=now.generated_tokens - self.base.generated_tokens,
            first_start=self.began,
            last_start=self.began,
        )

    async def compared(self) -> EngineComparison:
        """Compare as `maas reconcile` does, in the same order."""
        database = self.gateway.parts.database
        async with database.transaction() as session:
            before = await load_recorded_tokens(session)
        count = await self.count()
        async with database.transaction() as session:
            (compared,) = await compare_engines(session, [count], before)
        return compared


async def ask(url: str) -> EngineCount:
    (found,) = await asyncio.to_thread(fetch_engine_counts, {CHAT: [url]})
    assert isinstance(found, EngineCount), found
    return found


async def settled(url: str) -> EngineCount:
    """Wait until the engine is idle; returns its count. Aborted earlier calls may still end."""
    last = await ask(url)
    while True:
        await asyncio.sleep(0.3)
        now = await ask(url)
        if now == last:
            return now
        last = now


@pytest.fixture
async def engine(real: Gateway, serving_url: str) -> Engine:
    return Engine(real, serving_url, await settled(serving_url), datetime.now(UTC))


async def left_in_the_middle(openai: AsyncOpenAI) -> int:
    """Abort a long stream after some tokens; returns the token count that the client received."""
    told = 0
    stream = await openai.chat.completions.create(
        model=CHAT,
        messages=[QUESTION],
        max_tokens=2000,
        stream=True,
        stream_options={"include_usage": True, "continuous_usage_stats": True},  # type: ignore[typeddict-unknown-key]
        extra_body={"ignore_eos": True},
    )
    async for chunk in stream:
        assert chunk.usage is not None
        told = chunk.usage.completion_tokens
        if told >= 20:
            break
    await stream.close()
    return told


async def left_before_the_answer(real: Gateway, url: str) -> None:
    """Abort a long plain call after the engine has generated some tokens."""
    body = {"model": CHAT, "messages": [QUESTION], "max_tokens": 1500, "ignore_eos": True}
    before = (await ask(url)).generated_tokens
    sending = asyncio.create_task(real.http.post("/v1/chat/completions", json=body))
    while (await ask(url)).generated_tokens == before:  # noqa: ASYNC110  # it tells no event
        await asyncio.sleep(0.05)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending


@pytest.mark.alone
class TestCompleteCalls:
    async def test_usage_rows_equal_the_engine_count_to_the_token(
        self, real: Gateway, engine: Engine
    ) -> None:
        several: list[dict[str, Any]] = [
            {"max_tokens": 24},
            {"max_tokens": 24, "stream": True},
            {"max_tokens": 12, "n": 3},
            {"max_tokens": 12, "n": 2, "stream": True},
            {"max_tokens": 40, "stop": ["e", "a"]},
            {"max_tokens": 40, "ignore_eos": True, "stream": True},
        ]
        calls = [real.chat(f"Say something of bearing {n}.", **v) for n, v in enumerate(several)]
        answers = await asyncio.gather(*calls)
        assert {answer.status_code for answer in answers} == {200}
        rows = await real.rows(len(several))
        generated = sum(row["output_tokens"] for row in rows)
        assert await engine.compared() == EngineComparison(CHAT, generated, generated, 0, 0, ())

    async def test_engine_counts_the_prompt_once_per_choice(
        self, real: Gateway, engine: Engine
    ) -> None:
        await real.chat("one two three", max_tokens=4)
        row = await real.row()
        assert (await engine.count()).prompt_tokens == row["input_tokens"]
        await real.chat("one two three", max_tokens=4, n=3)
        assert (await engine.count()).prompt_tokens == 4 * row["input_tokens"]

    async def test_running_calls_are_not_reported_as_differences(
        self, real: Gateway, engine: Engine
    ) -> None:
        """Tokens of calls that run during the comparison are no differences."""
        values = {"max_tokens": 36, "ignore_eos": True}
        calls = [
            asyncio.create_task(real.chat(f"bearing {n}", stream=n % 2 == 0, **values))
            for n in range(4)
        ]
        seen = []
        while not all(call.done() for call in calls):
            seen.append(await engine.compared())
            await asyncio.sleep(0.1)
        assert all(not found.differences for found in seen)
        assert any(found.generated_unbilled and found.explained_by for found in seen)
        assert await engine.compared() == EngineComparison(CHAT, 144, 144, 0, 0, ())


@pytest.mark.alone
class TestAbortedCalls:
    async def test_aborted_stream_bills_recorded_tokens_and_explains_unbilled_ones(
        self, real: Gateway, openai: AsyncOpenAI, engine: Engine
    ) -> None:
        """Each chunk has the token count so far; the engine generates at most a few more tokens.
        How many, and how far the gateway reads ahead of its client, depends on the load."""
        told = await left_in_the_middle(openai)
        row = await real.row()
        assert (row["settlement"], row["status"]) == ("client_abort", 499)
        assert told <= row["output_tokens"]
        assert row["cost"] == list_price(row, CHAT)
        await settled(engine.url)
        found = await engine.compared()
        assert found.differences == ()
        assert found.recorded == row["output_tokens"]
        assert found.recorded + found.generated_unbilled < 1000, "the generation was not cancelled"
        assert found.explained_by == (1 if found.generated_unbilled else 0)
        assert (await real.chat("hi", max_tokens=2)).status_code == 200

    async def test_aborted_plain_call_explains_unbilled_generated_tokens(
        self, real: Gateway, engine: Engine
    ) -> None:
        """No token count was delivered before the abort."""
        await left_before_the_answer(real, engine.url)
        assert (await real.row())["output_tokens"] is None
        await settled(engine.url)
        found = await engine.compared()
        assert (found.recorded, found.explained_by, found.differences) == (0, 1, ())
        assert 0 < found.generated_unbilled < 1500


@pytest.mark.alone
class TestCountDifferences:
    async def test_extra_row_and_direct_engine_call_are_reported(
        self, real: Gateway, engine: Engine
    ) -> None:
        await real.chat("hello", max_tokens=6, ignore_eos=True)
        await self._plant(real, 1)
        (found,) = (await engine.compared()).differences
        assert (found.subject, found.recorded, found.expected) == (CHAT, 7, 6)
        async with httpx.AsyncClient(base_url=engine.url, timeout=120) as straight:
            body = {"model": CHAT, "prompt": "hello", "max_tokens": 8, "ignore_eos": True}
            assert (await straight.post("/v1/completions", json=body)).status_code == 200
        compared = await engine.compared()
        assert (compared.generated_unbilled, compared.explained_by) == (7, 0)
        (found,) = compared.differences
        assert (found.recorded, found.expected) == (7, 14)

    async def _plant(self, real: Gateway, tokens: int) -> None:
        record = UsageRecord(
            request_id=ids.new_id(),
            account_id=real.account.id,
            key_id=real.key.row.id,
            operation="chat",
            model=CHAT,
            streamed=False,
            settlement=Settlement.COMPLETE,
            status=200,
            error_code=None,
            quantities=Quantities(0, None, tokens),
            cost_nano=0,
            currency="CNY",
            started_at=datetime.now(UTC),
            duration_us=1,
            first_chunk_us=None,
        )
        async with real.parts.database.transaction() as session:
            await insert_usage(session, [record])


@pytest.mark.alone
async def test_reconcile_command_reads_the_engine_count(real: Gateway, engine: Engine) -> None:
    """With an empty database the command reports tokens generated by other tests. Customers have
    no access to the metrics address."""
    await real.chat("hello", max_tokens=2)
    configured = real.parts.settings
    assert configured.database_url is not None
    environment = {
        **os.environ,
        "MAAS_DATA_DIR": str(configured.data_dir),
        "MAAS_DATABASE_URL": configured.database_url.get_secret_value(),
        "MAAS_SERVING_URL": engine.url,
    }
    _, said = await run(environment, "reconcile", "--json")
    (shown,) = said["engines"]
    generated = (await ask(engine.url)).generated_tokens
    assert (shown["model"], shown["generated"]) == (CHAT, generated)
    async with httpx.AsyncClient(base_url=engine.url) as straight:
        assert "vllm:" in (await straight.get("/v2/metrics")).text
        assert (await straight.post("/v2/metrics")).status_code == 405
    answer = await real.http.get("/v2/metrics")
    assert (answer.status_code, "vllm:" in answer.text) == (404, False)
