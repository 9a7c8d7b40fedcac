"""The constant upstream: requested token counts, timing, and release of slots."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from load.constant_upstream.engine import Engine, UpstreamSpeed, token_counts
from load.constant_upstream.server import create_application
from tests.support.fakes.listening import listening


@pytest.fixture
async def engine() -> Engine:
    return Engine(UpstreamSpeed())


@pytest.fixture
async def http(engine: Engine) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        listening(create_application(engine), leaves=True) as url,
        aiohttp.ClientSession(url) as session,
    ):
        yield session


def asked(stream: bool) -> dict[str, object]:
    options = {"include_usage": True, "continuous_usage_stats": True}
    return {
        "model": "m",
        "messages": [{"role": "user", "content": "one two three"}],
        "max_tokens": 20,
        **({"stream": True, "stream_options": options} if stream else {}),
    }


@pytest.mark.usefixtures("network")
class TestResponses:
    async def test_plain_chat_returns_the_requested_tokens(
        self, http: aiohttp.ClientSession
    ) -> None:
        async with http.post("/v1/chat/completions", json=asked(False)) as answer:
            sent = await answer.json()
        assert sent["usage"] == {"prompt_tokens": 3, "completion_tokens": 20, "total_tokens": 23}
        assert len(sent["choices"][0]["message"]["content"].split()) == 20

    async def test_streamed_chat_sends_the_requested_tokens_and_usage(
        self, http: aiohttp.ClientSession
    ) -> None:
        async with http.post("/v1/chat/completions", json=asked(True)) as answer:
            events = (await answer.text()).split("\n\n")
        assert events[-2:] == ["data: [DONE]", ""]
        chunks = [json.loads(event[6:]) for event in events[:-2]]
        text = "".join(one["choices"][0]["delta"]["content"] for one in chunks if one["choices"])
        assert len(text.split()) == 20
        assert [one["usage"]["completion_tokens"] for one in chunks][-2:] == [20, 20]
        assert chunks[-1]["choices"] == []

    async def test_embeddings_return_one_vector_per_input(
        self, http: aiohttp.ClientSession
    ) -> None:
        async with http.post("/v1/embeddings", json={"model": "m", "input": ["a b", "c"]}) as one:
            sent = await one.json()
        assert [len(each["embedding"]) for each in sent["data"]] == [384, 384]
        assert sent["usage"]["prompt_tokens"] == 3


class TestEngine:
    @given(st.integers(1, 3000), st.floats(0, 0.2))
    def test_token_counts_increase_to_the_total(self, tokens: int, token_s: float) -> None:
        counts = token_counts(tokens, token_s)
        assert counts[-1] == tokens
        assert counts == sorted(set(counts))

    async def test_running_generations_are_limited_to_the_slots_and_slots_are_released(
        self,
    ) -> None:
        engine = Engine(UpstreamSpeed(token_s=0.001, slots=2))
        most = 0

        async def run(leaves: bool) -> None:
            nonlocal most
            async with aclosing(engine.generate(1, 30)) as tokens:
                async for _ in tokens:
                    most = max(most, engine.running)
                    if leaves:
                        return

        await asyncio.gather(*(run(leaves=n % 2 == 0) for n in range(8)))
        assert most == 2
        assert (engine.running, engine.waiting) == (0, 0)

    def test_unloaded_time_is_prompt_time_plus_token_time(self) -> None:
        assert UpstreamSpeed(1000, 0.01).unloaded_s(500, 10) == pytest.approx(0.6)
        assert UpstreamSpeed().unloaded_s(500, 10) == 0
