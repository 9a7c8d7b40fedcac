"""Token counters of the engines, and their comparison in `maas reconcile`."""

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.reconciliation.usage_and_quotas import EngineCount
from gateway.operations.engine_counters import (
    EngineCountsUnavailable,
    EngineNotCompared,
    fetch_engine_counts,
    parse_engine_counts,
)
from serving.text.prometheus import render_uncounted_engines
from tests.support.builders import CHAT, Gateway
from tests.support.fakes.upstream import FakeUpstream, run_fake_upstream
from tests.support.gateway.commands import invoke, leave_logs_alone
from tests.support.maas_process import free_port

SINCE = datetime(2020, 1, 1, tzinfo=UTC)
# Metrics of vLLM 0.29's API server after one call, without most metrics of the same forms.
VLLM = Path(__file__).with_name("vllm_metrics.txt").read_text()


def counters(generated: int, prompt: int = 0, model: str = CHAT, engine: int = 0) -> str:
    """Metrics in the form of our own serving."""
    labels = f'{{engine="{engine}",model_name="{model}"}}'
    return (
        f"vllm:generation_tokens_created{labels} {SINCE.timestamp()}\n"
        f"vllm:generation_tokens_total{labels} {generated}.0\n"
        f"vllm:prompt_tokens_total{labels} {prompt}.0\n"
    )


class TestMetricsParser:
    def test_vllm_metrics_are_parsed(self) -> None:
        since = datetime(2026, 11, 25, 9, 23, 52, 653964, UTC)
        assert parse_engine_counts(VLLM) == {CHAT: EngineCount(CHAT, 2, 17, since, since)}

    def test_counts_of_engines_of_one_server_are_summed(self) -> None:
        found = parse_engine_counts(
            counters(5, 7) + counters(6, 8, engine=1) + counters(9, model="m")
        )
        assert found[CHAT] == EngineCount(CHAT, 15, 11, SINCE, SINCE)
        assert found["m"] == EngineCount("m", 0, 9, SINCE, SINCE)

    def test_model_with_uncounted_engines_has_no_count(self) -> None:
        """The sum of the other engines is less than was generated, so there is no count."""
        text = (
            counters(5, 7)
            + counters(9, model="m")
            + render_uncounted_engines(CHAT, 1)
            + render_uncounted_engines("m", 0)
            + render_uncounted_engines("n", 2)
        )
        found = parse_engine_counts(text)
        assert found["m"] == EngineCount("m", 0, 9, SINCE, SINCE)
        for model in (CHAT, "n"):
            assert isinstance(found[model], EngineCountsUnavailable)

    def test_exponent_notation_keeps_all_digits(self) -> None:
        text = counters(0).replace(" 0.0", " 1.2345678e+07")
        assert parse_engine_counts(text)[CHAT].generated_tokens == 12_345_678

    def test_start_time_defaults_to_process_start(self) -> None:
        """Used if the server exports no `_created` metrics."""
        text = counters(5).split("\n", 1)[1]
        started = f"process_start_time_seconds {SINCE.timestamp()}\n"
        assert parse_engine_counts(text + started)[CHAT].first_start == SINCE
        with pytest.raises(EngineCountsUnavailable, match="no start time"):
            parse_engine_counts(text)

    @pytest.mark.parametrize(
        "text",
        [
            "<html>no</html>",
            '{"error": "no"}',
            'vllm:generation_tokens_total{model_name="m"',
            'vllm:generation_tokens_total{model_name="m"} many',
            'vllm:generation_tokens_total{model_name="m"} NaN',
            'vllm:generation_tokens_total{model_name="m"} +Inf',
            'vllm:generation_tokens_created{model_name="m"} 1e300',
            'vllm:generation_tokens_created{model_name="m"} NaN',
            "# TYPE",
            "# HELP a\n# TYPE a b c d",
            "\x00{}{}",
        ],
    )
    def test_malformed_metrics_raise_only_counts_unavailable(self, text: str) -> None:
        self._read(text)

    @given(st.text())
    def test_arbitrary_text_raises_only_counts_unavailable(self, text: str) -> None:
        self._read(text)

    @given(st.integers(0, len(VLLM)), st.text(max_size=3))
    def test_corrupted_response_raises_only_counts_unavailable(self, place: int, text: str) -> None:
        self._read(VLLM[:place] + text + VLLM[place + 1 :])

    def _read(self, text: str) -> None:
        """Check that the text is parsed or raises EngineCountsUnavailable."""
        with suppress(EngineCountsUnavailable):
            for model, count in parse_engine_counts(text).items():
                assert isinstance(count, EngineCountsUnavailable) or count.model == model


class TestEngineCountsRequest:
    async def ask(self, *servers: str) -> EngineCount | EngineNotCompared:
        (found,) = await asyncio.to_thread(fetch_engine_counts, {CHAT: servers})
        return found

    @pytest.mark.parametrize("path", ["/v2/metrics", "/metrics"])
    async def test_counts_are_read_from_either_metrics_path(
        self, upstream: FakeUpstream, path: str
    ) -> None:
        upstream.counters[path] = counters(5, 7)
        assert await self.ask(upstream.url) == EngineCount(CHAT, 7, 5, SINCE, SINCE)

    async def test_counts_of_several_servers_are_summed(self, upstream: FakeUpstream) -> None:
        async with run_fake_upstream() as other:
            upstream.counters["/v2/metrics"] = counters(5, 7)
            later = counters(6, 1).replace(str(SINCE.timestamp()), str(SINCE.timestamp() + 60))
            other.counters["/metrics"] = later
            found = await self.ask(upstream.url, other.url)
        assert isinstance(found, EngineCount)
        assert (found.prompt_tokens, found.generated_tokens) == (8, 11)
        assert (found.last_start - found.first_start).total_seconds() == 60

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (None, "it has no metrics endpoint"),
            ("", "it reports no token counts for this model"),
            (counters(5, model="another"), "it reports no token counts for this model"),
            ("<html>", "its metrics cannot be parsed"),
            (
                counters(5) + render_uncounted_engines(CHAT, 1),
                "not all engines of this model report token counts yet",
            ),
        ],
    )
    async def test_server_without_counts_is_reported_with_a_reason(
        self, upstream: FakeUpstream, text: str | None, reason: str
    ) -> None:
        if text is not None:
            upstream.counters["/v2/metrics"] = text
        assert await self.ask(upstream.url) == EngineNotCompared(CHAT, f"{upstream.url}: {reason}")

    async def test_unreachable_server_makes_the_model_not_comparable(
        self, upstream: FakeUpstream
    ) -> None:
        """Without one server's counts, the sum cannot be compared."""
        upstream.counters["/v2/metrics"] = counters(5)
        away = f"http://127.0.0.1:{free_port()}"
        found = await self.ask(upstream.url, away)
        assert found == EngineNotCompared(CHAT, f"{away}: it does not respond")

    async def test_model_without_a_server_is_not_compared(self) -> None:
        assert await self.ask() == EngineNotCompared(CHAT, "no server is configured for this model")


class TestReconcileCommand:
    """`maas reconcile` with a gateway that has served calls."""

    @pytest.fixture(autouse=True)
    def _logs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        leave_logs_alone(monkeypatch)

    async def reconcile(self, gateway: Gateway, upstream: FakeUpstream) -> tuple[int, Any]:
        settings = gateway.parts.settings
        assert settings.database_url is not None
        environment = {
            "MAAS_DATA_DIR": str(settings.data_dir),
            "MAAS_DATABASE_URL": settings.database_url.get_secret_value(),
            "MAAS_SERVING_URL": upstream.url,
        }
        code, said = await invoke(environment, "reconcile", "--json")
        return code, json.loads(said.splitlines()[-1])

    async def test_equal_counts_report_no_differences(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        await gateway.chat("two words", max_tokens=5)
        upstream.counters["/v2/metrics"] = counters(5, 2)
        code, said = await self.reconcile(gateway, upstream)
        assert (code, said["differences"]) == (0, [])
        assert said["engines"] == [
            {
                "model": CHAT,
                "generated": 5,
                "recorded": 5,
                "generated_unbilled": 0,
                "explained_by": 0,
            }
        ]

    @pytest.mark.parametrize(
        ("generated", "check"),
        [
            (4, "Engine counts cover the usage rows"),
            (6, "Usage rows cover what the engine generated"),
        ],
    )
    async def test_different_counts_are_reported_with_exit_code_1(
        self, gateway: Gateway, upstream: FakeUpstream, generated: int, check: str
    ) -> None:
        await gateway.chat("two words", max_tokens=5)
        upstream.counters["/v2/metrics"] = counters(generated, 2)
        code, said = await self.reconcile(gateway, upstream)
        assert code == 1
        assert said["differences"] == [
            {"check": check, "subject": CHAT, "recorded": 5, "expected": generated}
        ]

    async def test_unavailable_engine_counts_are_not_a_difference(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        code, said = await self.reconcile(gateway, upstream)
        assert (code, said["differences"]) == (0, [])
        assert said["engines"] == [
            {"model": CHAT, "not_asked": f"{upstream.url}: it has no metrics endpoint"}
        ]


async def test_gateway_does_not_expose_engine_metrics(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    upstream.counters.update({"/v2/metrics": "secret", "/metrics": "secret"})
    paths = ("/v2/metrics", "/v2/metrics/", "/v1/metrics", "/v2/models/../metrics", "/v2/%6detrics")
    for path in (*paths, "/metrics"):
        assert "secret" not in (await gateway.http.get(path)).text
