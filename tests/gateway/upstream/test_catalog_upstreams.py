"""Upstreams of a catalog file: credentials, names, overflow, refusals, costs and reloads."""

import asyncio
import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.upstream.upstream_monitor import UpstreamState
from tests.gateway.upstream.bought_model import (
    BOUGHT,
    CATALOG_TEXT,
    Start,
    stored,
    until,
    with_second,
)
from tests.support.builders import CHAT
from tests.support.fakes.provider import FakeProvider, run_fake_provider
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.errors import error_of


class TestCalls:
    async def test_call_has_our_name_outside_and_theirs_inside_with_the_key(
        self, start: Start, provider: FakeProvider
    ) -> None:
        async with start() as gateway:
            answer = await gateway.chat("hello there", model=BOUGHT)
            assert answer.status_code == 200, answer.text
            assert answer.json()["model"] == BOUGHT
            assert provider.received[0]["model"] == "their-name"
            sent = provider.headers[0]
            assert sent["authorization"] == f"Bearer {provider.key}"
            assert (sent["x-org"], sent["user-agent"]) == ("acme", "maas-gateway")
            assert "traceparent" not in sent
            assert "via" not in answer.headers
            row = await gateway.row()
            assert (row["model"], row["cost"]) == (BOUGHT, "0.000200000")
            assert "upstream" not in row
            assert await stored(gateway) == [(BOUGHT, "provider", 70_000, 200_000, "complete")]

    async def test_stream_has_our_name_and_exact_usage(
        self, start: Start, provider: FakeProvider
    ) -> None:
        async with start() as gateway:
            options = {"stream": True, "stream_options": {"include_usage": True}}
            answer = await gateway.chat("hello there", model=BOUGHT, **options)
            events = [line[6:] for line in answer.text.split("\n\n") if line.startswith("data: {")]
            assert {json.loads(event)["model"] for event in events} == {BOUGHT}
            assert "provider" in answer.text
            assert provider.received[0]["stream_options"] == {"include_usage": True}
            assert await stored(gateway) == [(BOUGHT, "provider", 70_000, 200_000, "complete")]

    async def test_alias_is_answered_and_billed_as_its_model(self, start: Start) -> None:
        async with start() as gateway:
            answer = await gateway.chat("hello", model="gpt-4o-mini")
            assert (answer.status_code, answer.json()["model"]) == (200, BOUGHT)
            assert (await gateway.row())["model"] == BOUGHT
            listed = (await gateway.http.get("/v1/models")).json()["data"]
            alias = next(one for one in listed if one["id"] == "gpt-4o-mini")
            assert alias["alias_of"] == BOUGHT
            one = (await gateway.http.get("/v1/models/gpt-4o-mini")).json()
            assert (one["id"], one["alias_of"]) == ("gpt-4o-mini", BOUGHT)

    @pytest.mark.parametrize("is_partial", [False, True])
    async def test_cost_without_price_is_unknown_not_zero(
        self, start: Start, is_partial: bool
    ) -> None:
        catalog = CATALOG_TEXT[: CATALOG_TEXT.index("[upstream.cost")]
        if is_partial:
            catalog = CATALOG_TEXT.replace('output_tokens = { per = 1, CNY = "0.000006" }', "")
        async with start(catalog) as gateway:
            assert (await gateway.chat("x", model=BOUGHT)).status_code == 200
            assert [row[:3] for row in await stored(gateway)] == [(BOUGHT, "provider", None)]

    async def test_own_servers_come_first_and_have_a_cost_of_their_own(
        self, start: Start, provider: FakeProvider
    ) -> None:
        own_cost = f"""
[[model]]
id = "{CHAT}"
[model.cost]
input_tokens = {{ per = 1, CNY = "0.000001" }}
output_tokens = {{ per = 1, CNY = "0.000002" }}
"""
        async with start(CATALOG_TEXT + own_cost) as gateway:
            answer = await gateway.chat("one two")
            assert (answer.status_code, answer.json()["model"]) == (200, CHAT)
            assert provider.received == []
            assert [row[:3] for row in await stored(gateway)] == [(CHAT, "own", 12_000)]


class TestReasoning:
    CATALOG = CATALOG_TEXT.replace(
        "[model.meters]", "reasoning = { low = 8, medium = 9, high = 10 }\n[model.meters]", 1
    )

    async def test_effort_is_sent_without_the_budget_of_own_servers(
        self, start: Start, provider: FakeProvider
    ) -> None:
        async with start(self.CATALOG) as gateway:
            for stream in (False, True):
                answer = await gateway.chat(
                    "x", model=BOUGHT, reasoning_effort="low", stream=stream, max_tokens=40
                )
                assert answer.status_code == 200, answer.text
        assert [one["reasoning_effort"] for one in provider.received] == ["low", "low"]
        assert not any("thinking_token_budget" in one for one in provider.received)

    @pytest.mark.parametrize("given", [{}, {"reasoning_effort": "none"}])
    async def test_no_effort_is_sent_while_reasoning_is_off(
        self, start: Start, provider: FakeProvider, given: dict[str, str]
    ) -> None:
        async with start(self.CATALOG) as gateway:
            answer = await gateway.chat("x", model=BOUGHT, **given)
            assert answer.status_code == 200, answer.text
        assert "reasoning_effort" not in provider.received[0]


class TestOverflow:
    async def test_unreachable_own_server_is_replaced_by_the_upstream(
        self, start: Start, provider: FakeProvider
    ) -> None:
        async with start(servers=f"{CHAT}=http://127.0.0.1:9,http://127.0.0.1:9") as gateway:
            answer = await gateway.chat("one")
            assert (answer.status_code, answer.json()["model"]) == (200, CHAT)
            assert provider.received[0]["model"] == "their-chat"
            assert [row[:2] for row in await stored(gateway)] == [(CHAT, "provider")]

    async def test_full_own_server_overflows_except_for_flex(
        self, start: Start, provider: FakeProvider, upstream: FakeUpstream
    ) -> None:
        async with start(model_concurrency=1) as gateway:
            upstream.delay_s = 0.5
            first = asyncio.create_task(gateway.chat("own"))
            await until(lambda: upstream.running == 1)
            overflow = await gateway.chat("over")
            assert overflow.status_code == 200
            assert [one["model"] for one in provider.received] == ["their-chat"]
            assert (await first).status_code == 200
            provider.status = 429
            upstream.delay_s = 0.05
            held = asyncio.create_task(gateway.chat("own"))
            await until(lambda: upstream.running == 1)
            waited = await gateway.chat("waits")
            assert ((await held).status_code, waited.status_code) == (200, 200)
            assert sorted(row[1] for row in await stored(gateway, 4)) == ["own"] * 3 + ["provider"]


class TestRefusals:
    @pytest.mark.parametrize("status", [401, 402, 403])
    async def test_rejected_credentials_are_told_to_operators_only(
        self, start: Start, provider: FakeProvider, status: int
    ) -> None:
        async with start() as gateway:
            provider.status = status
            with capture_logs() as logs:
                answer = await gateway.chat("x", model=BOUGHT)
            assert (answer.status_code, error_of(answer)["code"]) == (503, "model_unavailable")
            assert provider.key not in answer.text + str(logs)
            (told,) = [one for one in logs if one["event"] == "upstream_credentials_rejected"]
            assert (told["upstream"], told["reason"]) == ("provider", f"status {status} to a call")
            (status_now,) = gateway.parts.upstream_monitor.statuses
            assert status_now.state is UpstreamState.CREDENTIALS_REJECTED
            exposed = gateway.parts.metrics.exposition()[0].decode()
            line = 'maas_upstream_credentials_rejected_total{upstream="provider"} 1.0'
            assert line in exposed
            assert provider.key not in exposed + repr(status_now)
            provider.status = 200
            await gateway.until(200, model=BOUGHT)
            assert gateway.parts.upstream_monitor.statuses[0].state is UpstreamState.WORKING

    async def test_wrong_key_is_found_by_the_check_before_a_call(
        self, start: Start, provider: FakeProvider
    ) -> None:
        provider.check_status = 401
        async with start() as gateway:
            monitor = gateway.parts.upstream_monitor
            state = UpstreamState.CREDENTIALS_REJECTED
            await until(lambda: monitor.statuses[0].state is state)
            provider.check_status = 403  # a key that may not list models may call one
            await monitor.check_all()
            assert monitor.statuses[0].state is UpstreamState.WORKING

    async def test_upstream_that_does_not_answer_the_check_is_unreachable(
        self, start: Start, provider: FakeProvider
    ) -> None:
        async with start(CATALOG_TEXT.replace("{url}", "http://127.0.0.1:9")) as gateway:
            monitor = gateway.parts.upstream_monitor
            await until(lambda: monitor.statuses[0].state is UpstreamState.UNREACHABLE)
            answer = await gateway.chat("x", model=BOUGHT)
            assert (answer.status_code, error_of(answer)["code"]) == (503, "model_unavailable")

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (429, "model_overloaded"),
            (503, "model_overloaded"),
            (404, "service_unavailable"),
            (302, "model_failed"),
            (500, "model_failed"),
        ],
    )
    async def test_error_of_the_provider_is_a_documented_error_without_its_text(
        self, start: Start, provider: FakeProvider, status: int, code: str
    ) -> None:
        async with start() as gateway:
            provider.status = status
            answer = await gateway.chat("x", model=BOUGHT)
            assert error_of(answer)["code"] == code
            assert provider.key not in answer.text
            assert len(provider.received) == 1
            assert [row[1:4] for row in await stored(gateway)] == [(None, None, 0)]

    async def test_next_upstream_answers_when_the_first_is_busy(
        self, start: Start, provider: FakeProvider
    ) -> None:
        async with run_fake_provider() as second:
            async with start(with_second(second)) as gateway:
                for status in (429, 401, 404):
                    provider.status = status
                    assert (await gateway.chat("x", model=BOUGHT)).status_code == 200
                assert {one["model"] for one in second.received} == {"other-name"}
                provider.status = 200
                await gateway.until(200, model=BOUGHT)

    async def test_missing_secret_disables_the_upstream_only(
        self, start: Start, tmp_path: Path
    ) -> None:
        (tmp_path / "secrets" / "maas_secret_org").unlink()
        async with start() as gateway:
            (status,) = gateway.parts.upstream_monitor.statuses
            assert (status.state, status.detail) == (UpstreamState.SECRET_MISSING, "org")
            answer = await gateway.chat("x", model=BOUGHT)
            assert (answer.status_code, error_of(answer)["code"]) == (404, "model_not_served")
            assert (await gateway.chat("x")).status_code == 200


class TestReload:
    async def test_changed_file_is_applied_with_new_list_prices(
        self, start: Start, provider: FakeProvider, tmp_path: Path
    ) -> None:
        async with start() as gateway:
            assert (await gateway.chat("x", model=BOUGHT)).status_code == 200
            changed = CATALOG_TEXT.replace('"0.00002"', '"0.00003"').replace(
                '"gpt-4o-mini"', '"renamed"'
            )
            (tmp_path / "operator.toml").write_text(changed.replace("{url}", provider.url))
            await until(lambda: "renamed" in gateway.parts.catalog.aliases)
            assert (await gateway.chat("x", model="renamed")).status_code == 200
            assert (await gateway.chat("x", model="gpt-4o-mini")).status_code == 404
            rows = await stored(gateway, 3)
            assert [row[3] for row in rows] == [200_000, 250_000, 0]
            reconciled = await gateway.reconciled()
            assert reconciled.differences == ()

    async def test_invalid_file_is_refused_and_the_old_catalog_stays(
        self, start: Start, provider: FakeProvider, tmp_path: Path
    ) -> None:
        async with start() as gateway:
            reloader = gateway.parts.catalog_reloader
            (tmp_path / "operator.toml").write_text("[nonsense]")
            await until(lambda: reloader.status.refused_at is not None)
            (problem,) = reloader.status.problems
            assert "`nonsense` is an unknown section" in problem.text
            exposed = gateway.parts.metrics.exposition()[0].decode()
            assert 'maas_catalog_reloads_total{result="refused"} 1.0' in exposed
            assert (await gateway.chat("x", model=BOUGHT)).status_code == 200
            text_again = CATALOG_TEXT.replace("{url}", provider.url)
            (tmp_path / "operator.toml").write_text(text_again)
            await until(lambda: reloader.status.refused_at is None)

    async def test_changed_secret_is_used_without_restart(
        self, start: Start, provider: FakeProvider, tmp_path: Path
    ) -> None:
        async with start() as gateway:
            provider.key = "sk-rotated"
            (tmp_path / "secrets" / "maas_secret_provider").write_text("sk-rotated")
            await gateway.until(200, model=BOUGHT)
            assert provider.headers[-1]["authorization"] == "Bearer sk-rotated"
