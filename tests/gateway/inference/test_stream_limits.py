"""Streams under a limit: tokens beyond the limit are not delivered, and delivered tokens are
billed.

Prompts of two words cost 1,000 nano-yuan, and each output token 2,000.
"""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.inference.stream_events import events
from tests.support.builders import CHAT, PLENTY, Gateway, Limited, credit, word_tokenizer
from tests.support.fakes.upstream import FakeUpstream

USAGE = {"include_usage": True}


@pytest.fixture(autouse=True)
def counted(tmp_path: Path) -> None:
    """Prompts are counted before a call."""
    word_tokenizer(tmp_path)


def tokens_in(answer: httpx.Response) -> int:
    """The highest count that the fake engine wrote into the texts of the chunks."""
    texts = [
        choice["delta"].get("content") or ""
        for event in events(answer)
        if isinstance(event, dict)
        for choice in event["choices"]
    ]
    return max((int(text.split("{")[1].rstrip("}")) for text in texts if "{" in text), default=0)


async def stream(gateway: Gateway, limit: str | None, **values: Any) -> httpx.Response:
    headers = {} if limit is None else {"x-max-cost": limit}
    body = {
        "model": CHAT,
        "messages": [{"role": "user", "content": "endless words"}],
        "stream": True,
        "stream_options": USAGE,
        **values,
    }
    return await gateway.http.post("/v1/chat/completions", json=body, headers=headers)


class TestUpstreamMaxTokens:
    @pytest.mark.parametrize(("n", "each"), [(1, 1_699), (2, 849)])
    async def test_max_cost_sets_upstream_max_tokens_of_stream(
        self, gateway: Gateway, upstream: FakeUpstream, n: int, each: int
    ) -> None:
        """3,400,000 nano-yuan pay for the prompt and 1,699 tokens over all choices."""
        answer = await stream(gateway, "0.0034", n=n)
        assert upstream.received[-1]["max_tokens"] == each
        assert answer.headers["x-maas-max-tokens"] == str(each)
        row = await gateway.row()
        assert (row["output_tokens"], row["error_code"]) == (each * n, None)

    async def test_remaining_credit_sets_upstream_max_tokens_of_stream(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        async with limited(credit(3_400_000)) as gateway:
            await stream(gateway, None)
            row = await gateway.row()
        assert upstream.received[-1]["max_tokens"] == 1_699
        assert (row["output_tokens"], row["cost"]) == (1_699, "0.003399000")

    async def test_stream_far_from_limits_keeps_requested_max_tokens(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        answer = await stream(gateway, None, max_tokens=9)
        assert upstream.received[-1]["max_tokens"] == 9
        assert "x-maas-max-tokens" not in answer.headers


class TestChunkDelivery:
    """The engine generates 4,000 tokens regardless of max_tokens, in chunks of many tokens."""

    @pytest.mark.parametrize("stride", [1, 7, 100, 1_000, 2_000, 4_000])
    async def test_chunk_beyond_max_cost_is_not_forwarded(
        self, gateway: Gateway, upstream: FakeUpstream, stride: int
    ) -> None:
        upstream.stride, upstream.generates = stride, 4_000
        answer = await stream(gateway, "0.0034")
        *chunks, total, last = events(answer)
        row = await gateway.row()
        delivered = tokens_in(answer)
        assert delivered <= 1_699
        assert delivered > 1_699 - stride
        assert (row["output_tokens"], row["error_code"]) == (delivered, "cut_at_limit")
        assert row["cost"] == f"{(1_000 + delivered * 2_000) / 1e9:.9f}"
        assert chunks[-1]["choices"][0]["finish_reason"] == "length"
        assert total["usage"]["completion_tokens"] == delivered
        assert (total["x_maas_cost"], last) == (row["cost"], "[DONE]")
        assert row["settlement"] == "complete"

    @pytest.mark.parametrize("stride", [1, 100, 1_000])
    async def test_chunk_beyond_credit_is_not_forwarded(
        self, limited: Limited, upstream: FakeUpstream, stride: int
    ) -> None:
        upstream.stride, upstream.generates = stride, 4_000
        async with limited(credit(3_400_000)) as gateway:
            answer = await stream(gateway, None)
            row = await gateway.row()
            assert not (await gateway.reconciled()).differences
        assert row["output_tokens"] == tokens_in(answer) <= 1_699
        assert row["error_code"] == "cut_at_limit"

    async def test_max_cost_applies_to_all_choices_together(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        upstream.stride, upstream.generates = 300, 4_000
        answer = await stream(gateway, "0.0034", n=2)
        row = await gateway.row()
        assert row["output_tokens"] == 1_500
        assert tokens_in(answer) == 900  # of the first choice; of the second, 600
        ends = [one for one in events(answer)[-3]["choices"] if one["finish_reason"] == "length"]
        assert [one["index"] for one in ends] == [0, 1]

    async def test_stream_without_usage_per_chunk_is_reserved_in_full(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        upstream.stride, upstream.untold = 100, True
        answer = await stream(gateway, "0.0034")
        row = await gateway.row()
        assert (row["output_tokens"], row["error_code"]) == (1_699, None)
        assert tokens_in(answer) == 1_699

    async def test_cut_stream_without_include_usage_ends_with_done(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        upstream.stride, upstream.generates = 4_000, 4_000
        answer = await stream(gateway, "0.0034", stream_options=None)
        only, last = events(answer)
        assert (only["choices"][0]["finish_reason"], last) == ("length", "[DONE]")
        row = await gateway.row()
        # The prompt was processed: it is billed, without output tokens.
        assert (row["input_tokens"], row["output_tokens"]) == (2, 0)
        assert row["cost"] == "0.000001000"

    async def test_chunk_beyond_first_reservation_is_forwarded_if_credit_suffices(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        """The chunk exceeds the first reservation window; the credit covers more."""
        upstream.stride, upstream.generates = 2_500, 5_000
        async with limited(PLENTY) as gateway:
            answer = await stream(gateway, None)
            row = await gateway.row()
        most = upstream.received[-1].get("max_tokens")
        assert most is None
        assert json.loads(answer.text.split("\n\n")[0][6:])["choices"][0]["finish_reason"] is None
        assert row["output_tokens"] == tokens_in(answer)
