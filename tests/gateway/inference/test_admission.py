"""Admission of calls: reservations, rejections and output limits that follow from credit and rate
limits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI, RateLimitError

from billing.metering.budget_periods import BudgetPeriod
from billing.metering.quotas import add_credit_entry, set_budget, set_limit
from billing.tables import CreditReason, QuotaKind
from gateway.access.key_limits import KeyLimits, change_limits
from gateway.identity.audit_log import CLI_ACTOR
from tests.support.builders import CHAT, PLENTY, SPECIALIST, Gateway, Limited, credit
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.errors import error_of


def _into(sent: list[httpx.Request]) -> Callable[[httpx.Request], Awaitable[None]]:
    """A request hook that appends each request to `sent`."""

    async def keep(request: httpx.Request) -> None:
        sent.append(request)

    return keep


async def stream(gateway: Gateway, prompt: str, **values: Any) -> httpx.Response:
    options = {"include_usage": True}
    return await gateway.chat(prompt, stream=True, stream_options=options, **values)


@pytest.fixture
async def poor(limited: Limited) -> AsyncIterator[Gateway]:
    """An account whose credit does not pay for one token."""
    async with limited(credit(1000)) as gateway:
        yield gateway


class TestCredit:
    async def test_exhausted_credit_rejects_call_before_upstream(
        self, poor: Gateway, upstream: FakeUpstream
    ) -> None:
        answer = await poor.chat("one two")
        assert answer.status_code == 429
        error = error_of(answer)
        assert (error["type"], error["code"]) == ("insufficient_quota", "credit_exhausted")
        assert answer.headers["x-should-retry"] == "false"
        assert upstream.received == []
        row = await poor.row()
        assert (row["settlement"], row["error_code"]) == ("refused", "credit_exhausted")

    async def test_exhausted_credit_is_not_retried_by_openai_client(self, poor: Gateway) -> None:
        sent: list[httpx.Request] = []
        http = httpx.AsyncClient(event_hooks={"request": [_into(sent)]})
        async with AsyncOpenAI(
            base_url=f"{poor.url}/v1", api_key=poor.key.secret, http_client=http
        ) as client:
            with pytest.raises(RateLimitError, match="is available"):
                await client.chat.completions.create(
                    model=CHAT, messages=[{"role": "user", "content": "x"}], max_tokens=5
                )
        assert len(sent) == 1
        assert len(await poor.rows(1)) == 1

    async def test_top_up_lets_calls_through_within_a_second(self, poor: Gateway) -> None:
        assert (await poor.chat("one two")).status_code == 429
        async with poor.parts.database.transaction() as session:
            reason = CreditReason.TOP_UP
            await add_credit_entry(session, poor.parts.clock, poor.account.id, reason, 10**9)
        await poor.until(200, "one two")

    async def test_response_header_has_remaining_balance(self, gateway: Gateway) -> None:
        # 2 x 500 + 5 x 2000 = 11,000 nano-yuan from a credit of 100 yuan, twice.
        assert (await gateway.chat("one two")).headers["x-maas-balance"] == "99.999989000"
        assert (await gateway.chat("one two")).headers["x-maas-balance"] == "99.999978000"

    async def test_unused_reservation_is_returned_after_call(self, limited: Limited) -> None:
        """Each call reserves its whole context; the credit covers one such reservation."""
        async with limited(credit(9_000_000)) as gateway:
            for _ in range(20):
                assert (await gateway.chat("one", max_tokens=4000)).status_code in (200, 429)
            assert not (await gateway.reconciled()).differences

    async def test_lower_credit_limit_rejects_further_calls(self, gateway: Gateway) -> None:
        assert (await gateway.chat("one")).status_code == 200
        async with gateway.parts.database.transaction() as session:
            reason = CreditReason.CREDIT_LIMIT
            clock, account = gateway.parts.clock, gateway.account.id
            await add_credit_entry(session, clock, account, reason, 1 - 100 * 10**9)
        await gateway.until(429)

    async def test_call_waits_for_credit_reserved_by_running_call(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        """Two calls whose upper bounds do not fit into the credit together run one after the
        other."""
        upstream.delay_s = 0.2
        async with limited(credit(300_000), credit_wait_s=5.0) as gateway:
            answers = await asyncio.gather(*(gateway.chat("one", max_tokens=60) for _ in range(2)))
        assert [answer.status_code for answer in answers] == [200, 200]

    async def test_call_is_rejected_after_credit_wait_timeout(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        upstream.delay_s = 2.0
        async with limited(credit(300_000), credit_wait_s=0.2) as gateway:
            answers = await asyncio.gather(*(gateway.chat("one", max_tokens=80) for _ in range(2)))
        codes = sorted(answer.status_code for answer in answers)
        assert codes == [200, 429]
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert error_of(refused)["code"] == "credit_reserved"
        assert refused.headers["retry-after"]

    async def test_exhausted_credit_rejects_predictions(self, poor: Gateway) -> None:
        body = {"model": SPECIALIST, "instances": [{"torque": 1}]}
        answer = await poor.http.post("/v1/predictions", json=body)
        assert error_of(answer)["code"] == "credit_exhausted"

    async def test_key_budget_rejects_call_over_budget(self, gateway: Gateway) -> None:
        async with gateway.parts.database.transaction() as session:
            clock, account = gateway.parts.clock, gateway.account.id
            await set_budget(session, clock, account, gateway.key.row.id, 2000)
        error = error_of(await gateway.until(429, "one two three"))
        assert (error["type"], error["code"]) == ("insufficient_quota", "budget_exhausted")

    async def test_daily_budget_of_the_key_rejects_with_its_name_and_reset(
        self, gateway: Gateway
    ) -> None:
        async with gateway.parts.database.transaction() as session:
            clock, account, key = gateway.parts.clock, gateway.account.id, gateway.key.row
            limits = KeyLimits(daily_budget=2000, total_budget=10**15)
            await change_limits(session, clock, CLI_ACTOR, account, key.id, limits)
        error = error_of(await gateway.until(429, "one two three"))
        assert (error["code"], error["param"]) == ("budget_exhausted", "budget.daily")
        midnight = BudgetPeriod.DAY.end(gateway.parts.clock.now())
        assert f"The daily budget of the key {key.name!r} is used up" in error["message"]
        assert f"It resets at {midnight:%Y-%m-%dT%H:%M:%SZ}." in error["message"]

    async def test_new_budget_counts_usage_earlier_in_the_month(self, gateway: Gateway) -> None:
        """A budget that is set in mid-month includes the month's earlier calls."""
        assert (await gateway.chat("one two")).headers["x-maas-cost"] == "0.000011000"
        async with gateway.parts.database.transaction() as session:
            clock, account = gateway.parts.clock, gateway.account.id
            await set_budget(session, clock, account, gateway.key.row.id, 11_000)
        assert error_of(await gateway.until(429))["code"] == "budget_exhausted"


class TestOutputLimit:
    async def test_missing_max_tokens_is_set_to_what_credit_covers(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        """The credit pays for some tokens, not for the whole context; the request is sent with that
        limit."""
        async with limited(credit(200_000)) as gateway:
            answer = await gateway.chat("one", max_tokens=None)
            row = await gateway.row()
        assert answer.status_code == 200
        sent = upstream.received[0]["max_tokens"]
        assert answer.headers["x-maas-max-tokens"] == str(sent)
        assert 16 <= sent < 100
        assert row["output_tokens"] == sent

    async def test_stream_at_credit_limit_ends_with_finish_reason_length(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        async with limited(credit(200_000)) as gateway:
            answer = await stream(gateway, "drip", max_tokens=500)
            row = await gateway.row()
            assert not (await gateway.reconciled()).differences
        *_, end, total, done = [part for part in answer.text.split("\n\n") if part]
        assert '"finish_reason":"length"' in end
        assert f'"x_maas_cost":"{row["cost"]}"' in total
        assert done == "data: [DONE]"
        assert row["settlement"] == "complete"
        assert 16 <= row["output_tokens"] < 100
        assert upstream.generated < 200

    async def test_long_stream_extends_its_reservation(self, gateway: Gateway) -> None:
        answer = await stream(gateway, "long", max_tokens=3000)
        row = await gateway.row()
        assert (row["output_tokens"], row["error_code"]) == (3000, None)
        assert answer.text.count('"finish_reason":"length"') == 1  # as the engine itself ends it
        assert not (await gateway.reconciled()).differences

    async def test_max_cost_below_upper_bound_rejects_call(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        gateway.http.headers["x-max-cost"] = "0.0001"
        error = error_of(await gateway.chat("one", max_tokens=4000))
        assert (error["code"], error["param"]) == ("max_cost_exceeded", "X-Max-Cost")
        assert upstream.received == []

    async def test_max_cost_above_upper_bound_accepts_call(self, gateway: Gateway) -> None:
        gateway.http.headers["x-max-cost"] = "0.01"
        assert (await gateway.chat("one", max_tokens=5)).status_code == 200

    async def test_max_cost_sets_missing_max_tokens(
        self, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        gateway.http.headers["x-max-cost"] = "0.0002"
        assert (await gateway.chat("one", max_tokens=None)).status_code == 200
        assert upstream.received[0]["max_tokens"] < 100

    async def test_max_cost_ends_stream_without_max_tokens(self, gateway: Gateway) -> None:
        """0.003 pays for less than 1,500 tokens, which is more than the first reservation. The
        prompt, which cannot be counted here, is taken to be as long as its body."""
        gateway.http.headers["x-max-cost"] = "0.003"
        answer = await stream(gateway, "endless", max_tokens=None)
        row = await gateway.row()
        assert '"finish_reason":"length"' in answer.text
        assert 1024 < row["output_tokens"] < 1500
        assert 0.0028 < float(row["cost"]) <= 0.003
        assert not (await gateway.reconciled()).differences

    @pytest.mark.parametrize("text", ["", "x", "-1", "1e9", "0,5", "1" * 40, "0.0000000001"])
    async def test_invalid_max_cost_is_rejected(self, gateway: Gateway, text: str) -> None:
        gateway.http.headers["x-max-cost"] = text
        assert error_of(await gateway.chat("one"))["param"] == "X-Max-Cost"


class TestRateLimits:
    async def test_requests_per_minute_limit_rejects_excess_calls(self, limited: Limited) -> None:
        async with limited(replace(PLENTY, requests=5)) as gateway:
            answers = [await gateway.chat("one") for _ in range(7)]
            assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        assert answers[0].headers["x-ratelimit-limit-requests"] == "5"
        left = [answer.headers["x-ratelimit-remaining-requests"] for answer in answers]
        assert left == ["4", "3", "2", "1", "0", "0", "0"]
        error = error_of(answers[-1])
        assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 62

    async def test_tokens_per_minute_limit_counts_actual_usage(self, limited: Limited) -> None:
        """Each call reserves up to 400 tokens and uses 6: far more than two fit into 1,000."""
        async with limited(replace(PLENTY, tokens=1000)) as gateway:
            answers = [await gateway.chat("one", max_tokens=5) for _ in range(20)]
        assert all(answer.status_code == 200 for answer in answers)
        assert answers[-1].headers["x-ratelimit-limit-tokens"] == "1000"

    async def test_call_larger_than_token_limit_is_rejected_without_retry(
        self, limited: Limited
    ) -> None:
        async with limited(replace(PLENTY, tokens=50)) as gateway:
            answer = await gateway.chat("one", max_tokens=500)
        assert error_of(answer)["code"] == "call_exceeds_rate_limit"
        assert answer.headers["x-should-retry"] == "false"

    async def test_concurrent_stream_limit_rejects_excess_streams(self, limited: Limited) -> None:
        async with limited(replace(PLENTY, streams=2)) as gateway:
            answers = await asyncio.gather(
                *(stream(gateway, "drip", max_tokens=20) for _ in range(4))
            )
            assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429]
            refused = next(answer for answer in answers if answer.status_code == 429)
            assert error_of(refused)["code"] == "concurrent_streams_exceeded"
            assert (await stream(gateway, "drip", max_tokens=2)).status_code == 200

    async def test_key_rate_limit_applies_to_that_key(self, gateway: Gateway) -> None:
        async with gateway.parts.database.transaction() as session:
            await set_limit(session, gateway.account.id, QuotaKind.REQUESTS, 1, gateway.key.row.id)
        await gateway.caught_up()
        answers = [await gateway.chat("one") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert "for this key" in error_of(answers[1])["message"]
