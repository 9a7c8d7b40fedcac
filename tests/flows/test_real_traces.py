"""One trace of a call through the gateway, the real Ray Serve and the real vLLM."""

from pathlib import Path

import pytest

from tests.support import builders
from tests.support.builders import CHAT
from tests.support.fakes.otlp_collector import Collector, Span

pytestmark = pytest.mark.serving


async def test_serve_and_the_engine_go_on_with_the_gateways_trace(
    serving_url: str,
    spans: Collector,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    configured = builders.settings(database_url, tmp_path, serving_url, otlp_endpoint=spans.url)
    async with builders.run_gateway(configured) as gateway:
        answer = await gateway.chat("a pump seal leaks")
        assert answer.status_code == 200, answer.text
        (sent,) = await spans.wait_for("upstream")
        (engine,) = await spans.wait_for("llm_request")
        served = await _of_serve(spans, sent)
    assert (engine.trace, engine.parent) == (sent.trace, sent.id)
    # What the engine waited, read and wrote fell within the gateway's call.
    assert sent.began <= engine.began <= engine.ended <= sent.ended
    assert engine.service == "maas-serving"
    assert {span.trace for span in served} == {sent.trace}
    assert CHAT in next(span.name for span in spans.spans if span.name.startswith("chat "))
    assert "pump seal" not in repr(spans.spans)


async def _of_serve(spans: Collector, sent: Span) -> list[Span]:
    """Serve's own, of which the outermost hangs below what the gateway sent."""
    await spans.wait_for("llm_request")
    found = [span for span in spans.spans if "replica" in span.name]
    assert any(span.parent == sent.id for span in found), [s.name for s in spans.spans]
    return found
