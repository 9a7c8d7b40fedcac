"""Defects reported for other gateways, part 1: aborted and irregular streams.

Each docstring names the issue threads. The rule is in docs/metering.md.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.support.builders import CHAT, Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.asking import until

# Two prompt words at 500 nano-yuan; each output token costs 2000.
PROMPT_COST = 2 * 500


async def leave_after(gateway: Gateway, chunks: int) -> None:
    """Read a number of chunks of a slow stream, then close the connection."""
    body = {
        "model": CHAT,
        "messages": [{"role": "user", "content": "drip two"}],
        "max_tokens": 500,
        "stream": True,
    }
    async with gateway.http.stream("POST", "/v1/chat/completions", json=body) as answer:
        lines = _lines(answer)
        for _ in range(chunks):
            await anext(lines)


async def _lines(answer: httpx.Response) -> AsyncIterator[Any]:
    async for line in answer.aiter_lines():
        if line.startswith("data: {"):
            yield json.loads(line[6:])


async def spent(gateway: Gateway) -> int:
    """The used credit of the account in the database."""
    query = (
        "select q.used + coalesce((select sum(l.used - l.folded) from quota_lease l"
        " where l.quota_id = q.id), 0) from quota q where kind = 'credit'"
    )
    async with gateway.parts.database.transaction() as session:
        return int((await session.execute(text(query))).scalar_one())


class TestClientDisconnect:
    async def test_aborted_stream_has_a_usage_row_with_its_tokens(self, gateway: Gateway) -> None:
        """litellm#14457, #35958: usage is lost when a client disconnects."""
        await leave_after(gateway, 5)
        row = await gateway.row()
        assert row["settlement"] == "client_abort"
        assert row["output_tokens"] >= 5

    async def test_aborted_stream_is_cancelled_at_the_engine(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        """new-api#5289: the engine continues after a disconnect; users pay for unread tokens."""
        await leave_after(gateway, 5)
        row = await gateway.row()
        await until(lambda: upstream.cancelled == 1)
        assert upstream.generated - row["output_tokens"] <= 1

    async def test_aborted_stream_is_billed_for_all_recorded_tokens(self, gateway: Gateway) -> None:
        """litellm PR#39893: recovered tokens are priced as one token; new-api#7062: as none."""
        await leave_after(gateway, 5)
        row = await gateway.row()
        assert row["cost"] == f"{(PROMPT_COST + row['output_tokens'] * 2000) / 1e9:.9f}"

    async def test_aborted_stream_settles_its_reservation_at_the_actual_cost(
        self, gateway: Gateway
    ) -> None:
        """new-api#5235: the pre-charge of an aborted call is refunded in full."""
        await leave_after(gateway, 5)
        row = await gateway.row()
        assert await spent(gateway) == PROMPT_COST + row["output_tokens"] * 2000

    async def test_aborted_plain_call_has_a_usage_row_and_is_cancelled(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        """litellm#13245: disconnect from a plain call; production-stack#634: the call runs on."""
        with pytest.raises(httpx.ReadTimeout):
            await gateway.http.post(
                "/v1/chat/completions",
                json={"model": CHAT, "messages": [{"role": "user", "content": "hang"}]},
                timeout=0.3,
            )
        row = await gateway.row()
        assert (row["settlement"], row["output_tokens"]) == ("client_abort", None)
        await until(lambda: upstream.cancelled == 1)

    async def test_stream_aborted_before_the_first_token_has_a_usage_row(
        self, gateway: Gateway
    ) -> None:
        """litellm#36426: usage is lost also when no token was delivered."""
        await leave_after(gateway, 0)
        assert (await gateway.row())["settlement"] == "client_abort"


class TestStreamEnds:
    @pytest.fixture
    def patience_s(self) -> float:
        return 1.0

    @pytest.mark.parametrize(
        ("prompt", "settlement"),
        [
            ("one two", "complete"),
            ("no-usage", "unknown"),
            ("bad-usage", "unknown"),
            ("no-done", "platform_fault"),
            ("die-midway", "platform_fault"),
            ("error-midway", "platform_fault"),
            ("rubbish-midway", "platform_fault"),
            ("stall-midway", "platform_fault"),
            ("too-long", "refused"),
            ("busy", "platform_fault"),
            ("fault", "platform_fault"),
        ],
    )
    async def test_every_stream_end_has_one_row_and_no_open_reservation(
        self, gateway: Gateway, prompt: str, settlement: str
    ) -> None:
        """new-api#7241: an unexpected kind of stream end is billed as 0 or never billed."""
        await gateway.chat(prompt, stream=True)
        assert (await gateway.row())["settlement"] == settlement
        found = await gateway.reconciled()
        assert not found.differences
        assert not found.open_calls

    async def test_stream_failing_before_the_first_token_is_not_billed(
        self, gateway: Gateway
    ) -> None:
        """new-api#4168: a prompt of 2.3 million tokens was charged without any token returned."""
        assert (await gateway.chat("fault " + "long " * 3000, stream=True)).status_code == 502
        assert (await gateway.row())["cost"] == "0.000000000"
        assert await spent(gateway) == 0

    @pytest.mark.parametrize("prompt", ["die-midway", "no-done", "stall-midway"])
    async def test_truncated_stream_ends_with_an_error_event(
        self, gateway: Gateway, prompt: str
    ) -> None:
        """Portkey-AI/gateway#1797: a stream cut off by the upstream looks like a complete 200."""
        answer = await gateway.chat(prompt, stream=True)
        *_, last = [part for part in answer.text.split("\n\n") if part]
        assert set(json.loads(last[6:])["error"]) == {"message", "type", "param", "code"}
        assert "[DONE]" not in answer.text


class TestStreamUsage:
    @pytest.mark.parametrize("asked", [True, False])
    async def test_usage_is_recorded_with_and_without_include_usage(
        self, gateway: Gateway, asked: bool
    ) -> None:
        """litellm#6633: include_usage breaks the logs."""
        options = {"stream_options": {"include_usage": True}} if asked else {}
        answer = await gateway.chat("one two", stream=True, **options)
        assert ('"usage":{"prompt_tokens":2' in answer.text) is asked
        assert (await gateway.row())["output_tokens"] == 5

    async def test_usage_chunk_without_choices_is_forwarded(self, gateway: Gateway) -> None:
        """Portkey-AI/gateway#1072, #1627: the usage chunk crashes the process."""
        options = {"include_usage": True}
        calls = [gateway.chat("a b", stream=True, stream_options=options) for _ in range(5)]
        answers = await asyncio.gather(*calls)
        assert all('"choices":[]' in answer.text for answer in answers)
        assert (await gateway.chat("still there")).status_code == 200
