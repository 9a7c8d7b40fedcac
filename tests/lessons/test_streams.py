"""What users of other gateways complain about, first part: aborted and odd streams.

Each test names the threads that it is the lesson of. The rule is in docs/metering.md.
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

# Two words of a prompt at 500 nano-yuan, and each token of the answer at 2000.
PROMPT_COST = 2 * 500


async def leave_after(gateway: Gateway, chunks: int) -> None:
    """Read so many chunks of a slow stream, then close the connection."""
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
    """What the account's credit counts as used, by the database."""
    query = (
        "select q.used + coalesce((select sum(l.used - l.folded) from quota_lease l"
        " where l.quota_id = q.id), 0) from quota q where kind = 'credit'"
    )
    async with gateway.parts.database.transaction() as session:
        return int((await session.execute(text(query))).scalar_one())


class TestTheClientLeaves:
    async def test_a_stream_that_is_left_has_a_row_with_its_tokens(self, gateway: Gateway) -> None:
        """litellm#14457, #35958: usage is lost when a client disconnects."""
        await leave_after(gateway, 5)
        row = await gateway.row()
        assert row["settlement"] == "client_abort"
        assert row["output_tokens"] >= 5

    async def test_the_engine_is_told_to_stop(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        """new-api#5289: users are charged for what nobody reads, since the engine goes on."""
        await leave_after(gateway, 5)
        row = await gateway.row()
        assert upstream.cancelled == 1
        assert upstream.generated - row["output_tokens"] <= 1

    async def test_all_of_the_tokens_are_priced(self, gateway: Gateway) -> None:
        """litellm PR#39893: tokens are recovered but priced as one; new-api#7062: as none."""
        await leave_after(gateway, 5)
        row = await gateway.row()
        assert row["cost"] == f"{(PROMPT_COST + row['output_tokens'] * 2000) / 1e9:.9f}"

    async def test_what_was_held_is_settled_and_not_given_back_whole(
        self, gateway: Gateway
    ) -> None:
        """new-api#5235: the pre-charge of an aborted call is refunded in full."""
        await leave_after(gateway, 5)
        row = await gateway.row()
        assert await spent(gateway) == PROMPT_COST + row["output_tokens"] * 2000

    async def test_a_plain_call_that_is_left_has_a_row_too(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        """litellm#13245: a disconnect from a plain call; production-stack#634: it runs on."""
        with pytest.raises(httpx.ReadTimeout):
            await gateway.http.post(
                "/v1/chat/completions",
                json={"model": CHAT, "messages": [{"role": "user", "content": "hang"}]},
                timeout=0.3,
            )
        row = await gateway.row()
        assert (row["settlement"], row["output_tokens"]) == ("client_abort", None)
        assert upstream.cancelled == 1

    async def test_a_partial_row_is_better_than_none(self, gateway: Gateway) -> None:
        """litellm#36426: also where not one token had been told of."""
        await leave_after(gateway, 0)
        assert (await gateway.row())["settlement"] == "client_abort"


class TestEveryEndSettles:
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
    async def test_with_one_row_and_nothing_held(
        self, gateway: Gateway, prompt: str, settlement: str
    ) -> None:
        """new-api#7241: an end of a kind that nobody thought of is billed as nothing, or never."""
        await gateway.chat(prompt, stream=True)
        assert (await gateway.row())["settlement"] == settlement
        found = await gateway.reconciled()
        assert not found.differences
        assert not found.open_calls

    async def test_no_token_delivered_is_no_prompt_billed(self, gateway: Gateway) -> None:
        """new-api#4168: not one token came, yet a prompt of 2.3 million was charged."""
        assert (await gateway.chat("fault " + "long " * 3000, stream=True)).status_code == 502
        assert (await gateway.row())["cost"] == "0.000000000"
        assert await spent(gateway) == 0

    @pytest.mark.parametrize("prompt", ["die-midway", "no-done", "stall-midway"])
    async def test_a_cut_does_not_look_like_a_whole_answer(
        self, gateway: Gateway, prompt: str
    ) -> None:
        """Portkey-AI/gateway#1797: an upstream's cut looks like a clean 200."""
        answer = await gateway.chat(prompt, stream=True)
        *_, last = [part for part in answer.text.split("\n\n") if part]
        assert set(json.loads(last[6:])["error"]) == {"message", "type", "param", "code"}
        assert "[DONE]" not in answer.text


class TestUsage:
    @pytest.mark.parametrize("asked", [True, False])
    async def test_is_recorded_whether_or_not_it_was_asked_for(
        self, gateway: Gateway, asked: bool
    ) -> None:
        """litellm#6633: include_usage breaks the logs."""
        options = {"stream_options": {"include_usage": True}} if asked else {}
        answer = await gateway.chat("one two", stream=True, **options)
        assert ('"usage":{"prompt_tokens":2' in answer.text) is asked
        assert (await gateway.row())["output_tokens"] == 5

    async def test_in_a_chunk_without_choices_harms_nobody(self, gateway: Gateway) -> None:
        """Portkey-AI/gateway#1072, #1627: the usage chunk brings the whole process down."""
        options = {"include_usage": True}
        calls = [gateway.chat("a b", stream=True, stream_options=options) for _ in range(5)]
        answers = await asyncio.gather(*calls)
        assert all('"choices":[]' in answer.text for answer in answers)
        assert (await gateway.chat("still there")).status_code == 200
