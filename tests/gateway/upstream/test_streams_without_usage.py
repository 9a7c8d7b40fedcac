"""Streams of an upstream that reports no usage although the gateway requests it: the client gets
the answer, and neither charge nor cost is known."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing.reports.margin import MarginDimension, MarginFilter, list_margins
from tests.gateway.upstream.bought_model import BOUGHT, Start, stored
from tests.support.billing.making import count_all_usage
from tests.support.fakes.provider import FakeProvider
from tests.support.gateway.faults import nothing_is_held

UNKNOWN = (BOUGHT, "provider", None, 0, "unknown")


@pytest.mark.parametrize(
    "options",
    [{}, {"stream_options": {"include_usage": True}}],
    ids=["not asked", "asked by the client"],
)
async def test_stream_without_usage_is_delivered_and_settled_as_unknown(
    start: Start, provider: FakeProvider, options: dict[str, Any]
) -> None:
    async with start() as gateway:
        provider.untold = True
        answer = await gateway.chat("hello", model=BOUGHT, stream=True, **options)
        assert answer.status_code == 200
        assert "provider" in answer.text
        assert answer.text.endswith("data: [DONE]\n\n")
        assert '"usage"' not in answer.text
        assert provider.received[0]["stream_options"] == {"include_usage": True}
        row = await gateway.row()
        assert (row["input_tokens"], row["output_tokens"]) == (None, None)
        assert (row["status"], row["error_code"]) == (200, None)
        assert await stored(gateway) == [UNKNOWN]
        gateway.parts.call_metrics.flush()
        labels = f'model="{BOUGHT}",operation="chat",settlement="unknown",status="200"'
        assert f"maas_calls_total{{{labels}}} 1.0" in (await gateway.http.get("/metrics")).text
        await nothing_is_held(gateway)


async def test_margin_counts_a_stream_without_usage_as_a_call_of_unknown_cost(
    start: Start, provider: FakeProvider
) -> None:
    async with start() as gateway:
        provider.untold = True
        await gateway.chat("hello", model=BOUGHT, stream=True)
        database, clock = gateway.parts.database, gateway.parts.clock
        await count_all_usage(database, clock)
        day = timedelta(days=1)
        chosen = MarginFilter(clock.now() - day, clock.now() + day, model=BOUGHT)
        async with database.transaction() as session:
            (found,) = await list_margins(
                session, MarginDimension.UPSTREAM, chosen, ZoneInfo("UTC")
            )
        assert (found.value, found.calls, found.uncosted_calls) == ("provider", 1, 1)
        assert (found.charged_nano, found.cost_nano, found.margin_nano) == (0, None, None)


async def test_answer_without_usage_that_is_not_streamed_is_a_platform_fault(
    start: Start, provider: FakeProvider
) -> None:
    async with start() as gateway:
        provider.untold = True
        answer = await gateway.chat("hello", model=BOUGHT)
        assert answer.status_code == 502
        assert await stored(gateway) == [(BOUGHT, None, None, 0, "platform_fault")]
