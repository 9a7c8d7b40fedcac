"""Traces: spans of a call at a real collector, and calls while the collector is slow or absent."""

import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture

from infra.telemetry import otlp
from infra.telemetry.tracer_factory import create_tracer
from tests.support import builders
from tests.support.builders import CHAT, Gateway
from tests.support.fakes.otlp_collector import Collector, Span, run_collector
from tests.support.fakes.upstream import FakeUpstream

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SERVER, CLIENT = 2, 3


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans are exported at once and without a proxy."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@asynccontextmanager
async def traced(
    database_url: str, tmp_path: Path, upstream: FakeUpstream, endpoint: str
) -> AsyncIterator[Gateway]:
    configured = builders.settings(database_url, tmp_path, upstream.url, otlp_endpoint=endpoint)
    async with builders.run_gateway(configured) as running:
        yield running


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with run_collector() as running:
        yield running


@pytest.fixture
async def tracing(
    collector: Collector, database_url: str, tmp_path: Path, upstream: FakeUpstream
) -> AsyncIterator[Gateway]:
    async with traced(database_url, tmp_path, upstream, collector.url) as running:
        yield running


def below(collector: Collector, parent: Span) -> list[Span]:
    return sorted((s for s in collector.spans if s.parent == parent.id), key=lambda s: s.began)


class TestCallSpans:
    async def test_each_stage_is_a_child_span_of_the_call(
        self, tracing: Gateway, collector: Collector
    ) -> None:
        answer = await tracing.chat("one two three")
        whole = (await collector.wait_for(f"chat {CHAT}"))[0]
        assert (whole.parent, whole.kind, whole.service) == ("", SERVER, "maas-gateway")
        assert not whole.failed
        stages = below(collector, whole)
        names = ["authenticate", "admit", "wait", "upstream", "meter"]
        assert [span.name for span in stages] == names
        assert all(whole.began <= s.began <= s.ended <= whole.ended for s in stages)
        assert whole.attributes == {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "maas",
            "gen_ai.request.model": CHAT,
            "gen_ai.usage.input_tokens": 3,
            "gen_ai.usage.output_tokens": 5,
            "http.response.status_code": 200,
            "maas.request_id": answer.headers["x-request-id"],
            "maas.settlement": "complete",
        }

    async def test_trace_context_is_propagated_from_client_to_upstream(
        self, tracing: Gateway, collector: Collector, upstream: FakeUpstream
    ) -> None:
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "maker=x"}
        body = {"model": CHAT, "messages": [{"role": "user", "content": "a"}], "max_tokens": 1}
        await tracing.http.post("/v1/chat/completions", json=body, headers=headers)
        whole = (await collector.wait_for(f"chat {CHAT}"))[0]
        sent = (await collector.wait_for("upstream"))[0]
        assert (whole.trace, whole.parent) == (TRACE, PARENT)
        assert (sent.kind, sent.attributes["server.address"]) == (CLIENT, upstream.url)
        received = {name.lower(): value for name, value in upstream.headers[0].items()}
        assert received["traceparent"] == f"00-{TRACE}-{sent.id}-01"
        assert received["tracestate"] == "maker=x"

    async def test_unsampled_trace_is_not_exported_and_stays_unsampled_upstream(
        self, tracing: Gateway, collector: Collector, upstream: FakeUpstream
    ) -> None:
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
        body = {"model": CHAT, "messages": [{"role": "user", "content": "a"}], "max_tokens": 1}
        await tracing.http.post("/v1/chat/completions", json=body, headers=headers)
        received = {name.lower(): value for name, value in upstream.headers[0].items()}
        assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-00", received["traceparent"])
        await tracing.chat("the next one is")
        await collector.wait_for("meter")
        assert not [span for span in collector.spans if span.trace == TRACE]

    async def test_invalid_traceparent_starts_a_new_trace(
        self, tracing: Gateway, collector: Collector
    ) -> None:
        body = {"model": CHAT, "messages": [{"role": "user", "content": "a"}], "max_tokens": 1}
        for sent in ("00-zz", "", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "\xff"):
            headers = {"traceparent": sent.encode("latin-1")}
            answer = await tracing.http.post("/v1/chat/completions", json=body, headers=headers)
            assert answer.status_code == 200
        whole = await collector.wait_for(f"chat {CHAT}", 4)
        assert {span.parent for span in whole} == {""}
        assert len({span.trace for span in whole}) == 4

    async def test_failed_span_has_error_code_and_no_request_content(
        self, tracing: Gateway, collector: Collector
    ) -> None:
        refused = await tracing.http.post(
            "/v1/chat/completions", json={"model": "secret words", "messages": []}
        )
        code = refused.json()["error"]["code"]
        whole = (await collector.wait_for("chat"))[0]
        assert whole.failed
        assert whole.attributes["error.type"] == code
        await tracing.chat("refuse")
        failed = (await collector.wait_for("upstream"))[0]
        assert "secret" not in repr(collector.spans)
        assert tracing.key.secret not in repr(collector.spans)
        assert tracing.account.id.hex not in repr(collector.spans)
        assert failed.attributes.keys() <= {"server.address", "error.type"}

    async def test_log_lines_have_request_id_and_trace_id(
        self, tracing: Gateway, collector: Collector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept = LogCapture()
        log = structlog.wrap_logger(
            None, processors=[structlog.contextvars.merge_contextvars, kept]
        )
        monkeypatch.setattr(tracing.parts.pipeline, "_log", log)

        def fail(*_: object) -> None:
            raise RuntimeError("planted")

        monkeypatch.setattr(tracing.parts.parser, "parse", fail)
        answer = await tracing.chat("x")
        whole = (await collector.wait_for("chat"))[0]
        assert whole.attributes["error.type"] == "internal_error"
        line = kept.entries[0]
        assert line["request_id"] == answer.headers["x-request-id"]
        assert line["trace_id"] == whole.trace


class TestUnavailableCollector:
    """Calls do not depend on the collector."""

    @pytest.fixture(autouse=True)
    def _short_shutdown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(otlp, "_SHUTDOWN_TIMEOUT_S", 0.5)

    @pytest.mark.parametrize("hangs", [True, False], ids=["hanging", "away"])
    async def test_calls_succeed_and_gateway_stops(
        self, hangs: bool, database_url: str, tmp_path: Path, upstream: FakeUpstream
    ) -> None:
        async with run_collector(hangs=True) as collector:
            endpoint = collector.url if hangs else "http://127.0.0.1:9"
            async with traced(database_url, tmp_path, upstream, endpoint) as gateway:
                for _ in range(30):
                    assert (await gateway.chat("one")).status_code == 200
                assert len(await gateway.rows(30)) == 30
                metered = (await gateway.http.get("/metrics")).text
                assert 'settlement="complete",status="200"} 30.0' in metered
            assert (collector.requests > 0) is hangs

    @pytest.mark.usefixtures("network")
    async def test_spans_over_queue_limit_are_dropped(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The queue is bounded: 10,000 spans do not fill more of it while the collector is
        unavailable."""
        monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100")
        monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "50")
        async with run_collector(hangs=True) as collector:
            tracer = create_tracer(collector.url, "test")
            for number in range(10_000):
                tracer.start_call({}, 0.0).end(f"call {number}", {}, None)
            batch = tracer._provider._active_span_processor._span_processors[0]._batch_processor  # type: ignore[attr-defined]
            assert len(batch._queue) <= 100
            await tracer.stop()


class TestDisabledTracing:
    async def test_traceparent_is_not_forwarded_upstream(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        body = {"model": CHAT, "messages": [{"role": "user", "content": "a"}], "max_tokens": 1}
        await gateway.http.post("/v1/chat/completions", json=body, headers=headers)
        assert "traceparent" not in {name.lower() for name in upstream.headers[0]}

    @pytest.mark.usefixtures("processes")
    def test_opentelemetry_is_not_imported(self) -> None:
        code = "import sys, gateway.app; print([m for m in sys.modules if 'opentelemetry' in m])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout == "[]\n", done.stderr
