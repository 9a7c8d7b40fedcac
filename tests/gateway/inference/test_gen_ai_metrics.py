"""Metrics of calls under OpenTelemetry's GenAI names, as exposed to Prometheus."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.parser import text_string_to_metric_families

from gateway.inference.call_metrics import AttemptOutcome, CallMetrics, observe_all
from infra.telemetry.metrics import declare_metrics
from models.catalog import Task
from tests.support import builders
from tests.support.builders import CATALOG, CHAT, Gateway
from tests.support.fakes.upstream import FakeUpstream

CALL = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "maas"}
OURS = {**CALL, "gen_ai_request_model": CHAT}
SERVER = "gen_ai_server_request_duration_seconds"
CLIENT = "gen_ai_client_operation_duration_seconds"
FIRST = "gen_ai_server_time_to_first_token_seconds"


async def read(gateway: Gateway) -> dict[str, list[tuple[Mapping[str, str], float]]]:
    text = (await gateway.http.get("/metrics")).text
    found: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


async def value(gateway: Gateway, name: str, **labels: str) -> float | None:
    for known, number in (await read(gateway)).get(name, []):
        if known == labels:
            return number
    return None


async def stream(gateway: Gateway, prompt: str, **values: Any) -> None:
    body = {"model": CHAT, "stream": True, "max_tokens": 5, **values}
    body["messages"] = [{"role": "user", "content": prompt}]
    async with gateway.http.stream("POST", "/v1/chat/completions", json=body) as answer:
        async for _ in answer.aiter_bytes():
            pass
    await asyncio.sleep(0.05)  # what follows the answer's last byte


class TestCallMetrics:
    async def test_plain_call_counts_tokens_and_duration(self, gateway: Gateway) -> None:
        await gateway.chat("one two three")
        tokens = "gen_ai_client_token_usage"
        assert await value(gateway, f"{tokens}_sum", **OURS, gen_ai_token_type="input") == 3
        assert await value(gateway, f"{tokens}_sum", **OURS, gen_ai_token_type="output") == 5
        assert await value(gateway, f"{SERVER}_count", **OURS, error_type="") == 1
        assert await value(gateway, f"{CLIENT}_count", **OURS, error_type="") == 1
        assert await value(gateway, f"{FIRST}_count", **OURS) is None

    async def test_stream_records_time_to_first_token_and_per_token(self, gateway: Gateway) -> None:
        await stream(gateway, "one two")
        found = await read(gateway)
        for name in (
            FIRST,
            "gen_ai_server_time_per_output_token_seconds",
            "gen_ai_client_operation_time_to_first_chunk_seconds",
        ):
            assert found[f"{name}_count"] == [(OURS, 1.0)], name
        whole = dict((n, found[f"{n}_sum"][0][1]) for n in (SERVER, CLIENT))
        assert whole[CLIENT] < whole[SERVER]

    async def test_rejected_call_is_labelled_with_its_error_code(self, gateway: Gateway) -> None:
        refused = await gateway.http.post("/v1/chat/completions", json={"model": "no-such"})
        code = refused.json()["error"]["code"]
        none = {**CALL, "gen_ai_request_model": "", "error_type": code}
        assert await value(gateway, f"{SERVER}_count", **none) == 1
        assert f"{CLIENT}_count" not in await read(gateway)

    async def test_unreachable_model_counts_attempts_and_calls(
        self, database_url: str, tmp_path: Path
    ) -> None:
        configured = builders.settings(database_url, tmp_path, "http://127.0.0.1:9")
        async with builders.run_gateway(configured) as gateway:
            for _ in range(3):
                code = (await gateway.chat("one")).json()["error"]["code"]
            assert await value(gateway, f"{CLIENT}_count", **OURS, error_type=code) == 2
            assert await value(gateway, f"{SERVER}_count", **OURS, error_type=code) == 3


class TestMetricLabels:
    async def test_model_label_has_only_catalog_models(self, gateway: Gateway) -> None:
        for number in range(5):
            await gateway.http.post("/v1/chat/completions", json={"model": f"made-up-{number}"})
        known = {"", *CATALOG.models}
        for samples in (await read(gateway)).values():
            for labels, _ in samples:
                assert labels.get("gen_ai_request_model", "") in known
                assert labels.get("model", "") in known

    def test_error_type_label_has_bounded_cardinality(self) -> None:
        metrics = declare_metrics()
        figures = CallMetrics(None, metrics)  # type: ignore[arg-type]
        for number in range(1000):
            figures.record_upstream_attempt(
                "chat", CHAT, 0.0, 1.0, AttemptOutcome(f"made_up_{number}")
            )
        told = {
            sample.labels["error_type"]
            for family in metrics.registry.collect()
            for sample in family.samples
            if family.name == CLIENT
        }
        assert len(told) == 65
        assert "_OTHER" in told


class TestProcessGauges:
    async def test_gauges_report_models_pools_and_waiting_calls(self, gateway: Gateway) -> None:
        gateway.parts.gauges.update_process_gauges()
        found = await read(gateway)
        up = {labels["model"]: number for labels, number in found["maas_model_up"]}
        assert up == dict.fromkeys(CATALOG.models, 1.0)
        assert found["maas_records_failing"] == [({}, 0.0)]
        sizes = {labels["pool"]: number for labels, number in found["maas_database_pool_size"]}
        assert sizes == {"calls": 2.0, "handlers": 4.0, "imports": 1.0, "quotas": 1.0}
        engines = {m.id for m in CATALOG.models.values() if m.base is None}
        assert {labels["model"] for labels, _ in found["maas_calls_waiting"]} == engines

    async def test_model_without_healthy_server_is_reported_down(
        self, database_url: str, tmp_path: Path
    ) -> None:
        configured = builders.settings(database_url, tmp_path, "http://127.0.0.1:9")
        async with builders.run_gateway(configured) as gateway:
            for _ in range(3):
                await gateway.chat("one")
            gateway.parts.gauges.update_process_gauges()
            assert await value(gateway, "maas_model_up", model=CHAT) == 0
            other = CATALOG.with_task(Task.EMBEDDING)[0].id
            assert await value(gateway, "maas_model_up", model=other) == 1

    async def test_database_gauges_report_read_time_and_workers(self, gateway: Gateway) -> None:
        for _ in range(400):
            found = await read(gateway)
            if found["maas_platform_read_timestamp_seconds"][0][1]:
                break
            await asyncio.sleep(0.05)
        now = gateway.parts.clock.now().timestamp()
        assert now - 60 < found["maas_platform_read_timestamp_seconds"][0][1] <= now
        assert found["maas_workers"] == [({}, 0.0)]


class TestMetricsToken:
    async def test_metrics_with_token_reject_other_credentials(
        self, database_url: str, tmp_path: Path, upstream: FakeUpstream
    ) -> None:
        token = "an operator's own"
        configured = builders.settings(database_url, tmp_path, upstream.url, metrics_token=token)
        async with builders.run_gateway(configured) as gateway:
            for shown in (None, "", "Bearer", f"Bearer {gateway.key.secret}", token, "Bearer \xff"):
                headers = {} if shown is None else {"authorization": shown.encode("latin-1")}
                refused = await gateway.http.get("/metrics", headers=headers)
                assert refused.status_code == 401
                assert refused.json()["error"]["code"] == "metrics_refused"
            headers = {"authorization": f"Bearer {token}".encode()}
            assert (await gateway.http.get("/metrics", headers=headers)).status_code == 200
            assert (await gateway.http.get("/health/live")).status_code == 200


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)


def test_values_observed_together_count_as_those_observed_one_by_one() -> None:
    values, registries = [0.0, 0.5, 0.5, 1.0, 3.0, 1e9], []
    for observe in (observe_all, lambda histogram, values: [*map(histogram.observe, values)]):
        registry = CollectorRegistry()
        observe(Histogram("x", "x", buckets=(0.5, 1, 2), registry=registry), values)
        samples = [sample for metric in registry.collect() for sample in metric.samples]
        registries.append([one for one in samples if not one.name.endswith("_created")])
    assert registries[0] == registries[1]
