"""The trace of a call through the gateway, the real Ray Serve and the real vLLM."""

import asyncio
from pathlib import Path

import pytest

from tests.support import builders
from tests.support.builders import CHAT
from tests.support.engine.spans import Spans
from tests.support.fakes.otlp_collector import Span


async def test_ray_serve_and_engine_spans_join_the_gateway_trace(
    serving_url: str,
    spans: Spans,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    configured = builders.settings(database_url, tmp_path, serving_url, otlp_endpoint=spans.url)
    async with builders.run_gateway(configured) as gateway:
        answer = await gateway.chat("a pump seal leaks")
        assert answer.status_code == 200, answer.text
        sent = await spans.wait_for("upstream")
        engine = await spans.wait_for("llm_request", sent.trace)
        call = await spans.wait_for(f"chat {CHAT}", sent.trace)
        served = await _of_serve(spans, sent.trace, sent.id)
    assert (engine.trace, engine.parent) == (sent.trace, sent.id)
    # Waiting, prefill and decoding of the engine are within the gateway's call.
    assert sent.began <= engine.began <= engine.ended <= sent.ended
    assert engine.service == "maas-serving"
    assert {span.trace for span in served} == {sent.trace}
    assert call.trace == sent.trace
    assert "pump seal" not in repr(await spans.of())


async def _of_serve(spans: Spans, trace: str, parent: str) -> list[Span]:
    """The spans of Ray Serve; the outermost is a child of the gateway's span."""
    async with asyncio.timeout(60):
        while True:
            found = [span for span in await spans.of(trace) if "replica" in span.name]
            if any(span.parent == parent for span in found):
                return found
            await asyncio.sleep(0.1)
