"""Included units over a real socket: calls of an account without credit before and after its
allowance is used."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from gateway.cli.main import build_app
from tests.support.builders import CHAT, EMBEDDING, Gateway, Limited, credit
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.commands import leave_logs_alone
from tests.support.gateway.errors import error_of
from tests.support.gateway.faults import nothing_is_held
from tests.support.stories.included import subscribe

# More than the prompt's upper bound by body size, which is a few hundred tokens.
PLENTY = 100_000


@pytest.fixture
async def penniless(limited: Limited) -> AsyncIterator[Gateway]:
    """An account without credit and with 100 included output tokens."""
    async with limited(credit(0)) as gateway:
        await subscribe(gateway, input_tokens=PLENTY, output_tokens=100)
        yield gateway


class TestCallWithIncludedUnits:
    async def test_call_without_credit_uses_included_units(self, penniless: Gateway) -> None:
        answer = await penniless.chat("one two")
        assert answer.status_code == 200
        assert answer.headers["x-maas-cost"] == "0.000000000"
        assert answer.headers["x-maas-balance"] == "0.000000000"
        row = await penniless.row()
        assert row["included"] == {"input_tokens": 2, "output_tokens": 5}
        assert not (await penniless.reconciled()).differences

    async def test_output_without_credit_is_limited_to_included_tokens(
        self, penniless: Gateway, upstream: FakeUpstream
    ) -> None:
        answer = await penniless.chat("one", max_tokens=None)
        assert (answer.status_code, answer.headers["x-maas-max-tokens"]) == (200, "100")
        assert upstream.received[0]["max_tokens"] == 100
        assert error_of(await penniless.chat("one"))["code"] == "credit_exhausted"

    async def test_stream_without_credit_is_limited_to_included_tokens(
        self, penniless: Gateway, upstream: FakeUpstream
    ) -> None:
        answer = await penniless.chat("one", max_tokens=3_000, stream=True)
        assert (answer.status_code, answer.headers["x-maas-max-tokens"]) == (200, "100")
        assert upstream.received[0]["max_tokens"] == 100

    async def test_unused_included_units_are_returned_after_call(self, penniless: Gateway) -> None:
        """Each call reserves all remaining units and uses 5 of them."""
        for _ in range(4):
            assert (await penniless.chat("brief", max_tokens=5)).status_code == 200
        await nothing_is_held(penniless)
        assert not (await penniless.reconciled()).differences

    async def test_aborted_stream_uses_included_units_for_generated_tokens(
        self, penniless: Gateway
    ) -> None:
        body = {
            "model": CHAT,
            "messages": [{"role": "user", "content": "drip"}],
            "max_tokens": 90,
            "stream": True,
        }
        async with penniless.http.stream("POST", "/v1/chat/completions", json=body) as answer:
            async for _ in answer.aiter_bytes():
                break
        row = await penniless.row()
        assert row["settlement"] == "client_abort"
        assert 0 < row["included"]["output_tokens"] == row["output_tokens"] < 90
        await nothing_is_held(penniless)
        assert not (await penniless.reconciled()).differences

    @pytest.mark.parametrize("verb", ["fault", "die", "rubbish", "too-long"])
    async def test_failed_call_uses_no_included_units(self, penniless: Gateway, verb: str) -> None:
        assert (await penniless.chat(verb)).status_code >= 400
        assert (await penniless.row())["included"] == {}
        await nothing_is_held(penniless)

    async def test_replayed_call_uses_no_included_units(self, penniless: Gateway) -> None:
        headers = {"idempotency-key": "k-1"}
        penniless.http.headers.update(headers)
        first, again = await penniless.chat("one"), await penniless.chat("one")
        assert first.json() == again.json()
        assert [row["included"] for row in await penniless.rows(2)] == [
            {},
            {"input_tokens": 1, "output_tokens": 5},
        ]

    async def test_included_units_do_not_apply_to_another_model(self, penniless: Gateway) -> None:
        body = {"model": EMBEDDING, "input": "one"}
        answer = await penniless.http.post("/v1/embeddings", json=body)
        assert error_of(answer)["code"] == "credit_exhausted"

    async def test_metrics_count_included_units(self, penniless: Gateway) -> None:
        await penniless.chat("one two")
        penniless.parts.call_metrics.flush()
        text = (await penniless.http.get("/metrics")).text
        assert f'maas_included_units_total{{meter="output_tokens",model="{CHAT}"}} 5.0' in text


class TestMaxCostWithIncludedUnits:
    async def test_max_cost_zero_accepts_included_usage(self, penniless: Gateway) -> None:
        penniless.http.headers["x-max-cost"] = "0"
        assert (await penniless.chat("one", max_tokens=50)).status_code == 200

    async def test_max_cost_is_compared_with_cost_beyond_included_units(
        self, gateway: Gateway
    ) -> None:
        """Of 100 tokens 40 are included: the others cost 0.00012."""
        await subscribe(gateway, input_tokens=PLENTY, output_tokens=40)
        gateway.http.headers["x-max-cost"] = "0.000119999"
        answer = await gateway.chat("one", max_tokens=100)
        assert error_of(answer)["code"] == "max_cost_exceeded"
        assert "0.000120000" in error_of(answer)["message"]
        await nothing_is_held(gateway)
        gateway.http.headers["x-max-cost"] = "0.00012"
        assert (await gateway.chat("one", max_tokens=100)).status_code == 200
        assert (await gateway.rows(2))[0]["cost"] == "0.000120000"

    async def test_max_cost_sets_missing_max_tokens_after_included_units(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        await subscribe(gateway, input_tokens=PLENTY, output_tokens=40)
        gateway.http.headers["x-max-cost"] = "0.00002"
        assert (await gateway.chat("one", max_tokens=None)).status_code == 200
        assert upstream.received[0]["max_tokens"] == 50


class TestIncludedUnitsReport:
    async def test_quote_lists_remaining_included_units(self, gateway: Gateway) -> None:
        await subscribe(gateway, input_tokens=PLENTY, output_tokens=40)
        quote = await self._quoted(gateway, 100)
        assert quote["max_cost"] == "0.000120000"
        assert quote["min_cost"] == "0.000000000"
        assert quote["included"]["output_tokens"] == 40
        assert quote["included"]["input_tokens"] == quote["input_tokens"]
        await gateway.chat("one", max_tokens=30)
        after = await self._quoted(gateway, 100)
        assert (after["included"]["output_tokens"], after["max_cost"]) == (10, "0.000180000")

    async def test_limits_command_shows_used_included_units(
        self, penniless: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await penniless.chat("one two")
        leave_logs_alone(monkeypatch)
        url = penniless.parts.settings.database_url.get_secret_value()
        shown = await asyncio.to_thread(
            CliRunner().invoke,
            build_app(),
            ["limits", "show", penniless.account.name, "--json"],
            env={"MAAS_DATABASE_URL": url, "MAAS_DATA_DIR": str(tmp_path)},
        )
        rows = {row["of"]: row for row in json.loads(shown.output)}
        row = rows[f"{CHAT}/output_tokens"]
        assert (row["kind"], row["limit"], row["used"]) == ("included_units", 100, 5)
        # Its periods begin at midnight in Shanghai, with the day that it subscribed on.
        today = penniless.parts.clock.now().astimezone(ZoneInfo("Asia/Shanghai"))
        assert row["month"] == f"{today:%Y-%m}"

    async def _quoted(self, gateway: Gateway, tokens: int) -> dict[str, Any]:
        message = {"role": "user", "content": "one"}
        body = {"model": CHAT, "messages": [message], "max_tokens": tokens}
        quote: dict[str, Any] = (await gateway.http.post("/v1/quote", json=body)).json()
        return quote
