"""Streams: events that the client receives, and billing when client or model server disconnects."""

import asyncio
import json
from typing import Any

import pytest
from openai import APIError, AsyncOpenAI

from tests.gateway.inference.stream_events import events
from tests.support.builders import CHAT, PLENTY, Gateway, Limited
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.asking import until


class TestCompleteStream:
    async def test_openai_client_reads_all_chunks(self, gateway: Gateway) -> None:
        async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key.secret) as client:
            stream = await client.chat.completions.create(
                model=CHAT,
                messages=[{"role": "user", "content": "one two"}],
                max_tokens=4,
                stream=True,
            )
            texts = [chunk.choices[0].delta.content async for chunk in stream]
        assert texts == [f' "usage":{{{count}}}' for count in range(1, 5)]
        row = await gateway.row()
        # 2 x 500 + 4 x 2000 = 9,000 nano-yuan.
        assert (row["settlement"], row["cost"]) == ("complete", "0.000009000")
        assert (row["input_tokens"], row["output_tokens"], row["streamed"]) == (2, 4, True)
        assert row["first_chunk_ms"] is not None

    async def test_usage_is_removed_if_not_requested(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        answer = await gateway.chat("one two", stream=True)
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-request-id"].startswith("req_")
        *chunks, last = events(answer)
        assert last == "[DONE]"
        assert len(chunks) == 5
        assert not any("usage" in chunk for chunk in chunks)
        assert upstream.received[0]["stream_options"] == {
            "include_usage": True,
            "continuous_usage_stats": True,
        }

    async def test_include_usage_sends_usage_in_last_chunk(self, gateway: Gateway) -> None:
        answer = await gateway.chat("a b", stream=True, stream_options={"include_usage": True})
        *chunks, total, last = events(answer)
        assert last == "[DONE]"
        assert not any("usage" in chunk for chunk in chunks)
        assert (total["choices"], total["usage"]["completion_tokens"]) == ([], 5)

    async def test_continuous_usage_stats_sends_usage_in_every_chunk(
        self, gateway: Gateway
    ) -> None:
        options = {"include_usage": True, "continuous_usage_stats": True}
        *chunks, _ = events(await gateway.chat("a b", stream=True, stream_options=options))
        counts = [chunk["usage"]["completion_tokens"] for chunk in chunks]
        assert counts == [1, 2, 3, 4, 5, 5]

    @pytest.mark.parametrize("prompt", ["no-usage", "bad-usage"])
    async def test_stream_without_engine_usage_is_settled_as_unknown(
        self, gateway: Gateway, prompt: str
    ) -> None:
        """Unknown usage is not zero usage: the row is marked for reconciliation."""
        *_, last = events(await gateway.chat(prompt, stream=True))
        assert last == "[DONE]"
        row = await gateway.row()
        assert (row["settlement"], row["output_tokens"]) == ("unknown", None)


class TestInterruptedStream:
    @pytest.fixture
    def patience_s(self) -> float:
        return 1.0

    @pytest.mark.parametrize(
        ("prompt", "code"),
        [
            ("die-midway", "model_failed"),
            ("error-midway", "model_failed"),
            ("rubbish-midway", "model_failed"),
            ("no-done", "model_failed"),
            ("stall-midway", "model_timeout"),
            ("endless-event", "model_failed"),
        ],
    )
    async def test_fault_midway_sends_error_event_and_is_not_billed(
        self, gateway: Gateway, prompt: str, code: str
    ) -> None:
        answer = await gateway.chat(prompt, stream=True)
        *chunks, last = events(answer)
        assert len(chunks) >= 3
        assert set(last["error"]) == {"message", "type", "param", "code"}
        assert last["error"]["code"] == code
        assert "/opt" not in answer.text
        row = await gateway.row()
        assert (row["settlement"], row["error_code"]) == ("platform_fault", code)
        assert row["cost"] == "0.000000000"
        assert (await gateway.chat("still alive")).status_code == 200

    async def test_openai_client_raises_api_error(self, gateway: Gateway) -> None:
        async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key.secret) as client:
            stream = await client.chat.completions.create(
                model=CHAT, messages=[{"role": "user", "content": "die-midway"}], stream=True
            )
            with pytest.raises(APIError, match="stopped in the middle"):
                async for _ in stream:
                    pass

    async def test_rejection_before_first_token_keeps_its_http_status(
        self, gateway: Gateway
    ) -> None:
        answer = await gateway.chat("refuse-late", stream=True)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "response_format"


class TestClientAbort:
    async def test_aborted_stream_is_billed_for_generated_tokens(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key.secret) as client:
            stream = await client.chat.completions.create(
                model=CHAT,
                messages=[{"role": "user", "content": "drip two three"}],
                max_tokens=1000,
                stream=True,
            )
            async for _ in stream:
                break
            await stream.close()
        row = await gateway.row()
        assert (row["settlement"], row["status"]) == ("client_abort", 499)
        assert row["input_tokens"] == 3
        assert 0 <= upstream.generated - row["output_tokens"] <= 1
        assert row["cost"] == f"{(3 * 500 + row['output_tokens'] * 2000) / 1e9:.9f}"
        await until(lambda: upstream.cancelled == 1)

    async def test_client_that_does_not_read_is_disconnected(self, limited: Limited) -> None:
        """The response is not buffered without bound: the stream waits, then ends as
        client_abort."""
        # The same timeout applies to the model server and the database; neither may exceed it.
        async with limited(PLENTY, idle_timeout_s=4.0) as gateway:
            row = await self._flooded(gateway)
        assert row["settlement"] == "client_abort"
        assert 0 < row["output_tokens"] < 200_000

    async def _flooded(self, gateway: Gateway) -> dict[str, Any]:
        """The usage row of a call whose client does not read."""
        host, port = gateway.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1024)
        body = json.dumps(
            {
                "model": CHAT,
                "messages": [{"role": "user", "content": "flood"}],
                "max_tokens": 200_000,
                "stream": True,
            }
        ).encode()
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
            b"Authorization: Bearer " + gateway.key.secret.encode() + b"\r\n"
            b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
        )
        await writer.drain()
        row = await asyncio.wait_for(self._row(gateway), 30)
        writer.close()
        return row

    async def _row(self, gateway: Gateway) -> dict[str, Any]:
        while True:
            try:
                return await gateway.row()
            except AssertionError:
                await asyncio.sleep(0.1)
