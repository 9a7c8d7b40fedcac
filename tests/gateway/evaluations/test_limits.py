"""Limits of evaluation runs: their own cost limit, credit, budgets, rate limits, lost processes."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from billing.metering.quotas import set_budget, set_credit_limit
from gateway.access.api_keys import revoke_key
from gateway.evaluations import answers, runs
from gateway.evaluations.runs import QUEUE
from infra.work_queue import RetryPolicy
from tests.support.builders import CHAT, PLENTY, Gateway, Limited, parts_like, serve
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.errors import error_of
from tests.support.gateway.evaluator import QUESTIONS, Evaluator

MANY: list[dict[str, Any]] = [
    {"id": f"q{n}", "question": f"How much {n}?", "expected": "5 bar"} for n in range(8)
]


async def price_of_one(evaluator: Evaluator) -> int:
    """The highest cost of one of MANY, in nano-units."""
    file = await evaluator.upload(MANY[:1])
    quote = (await evaluator.post("/quote", model=CHAT, file=file, max_tokens=8)).json()
    return round(float(quote["max_cost"]) * 1e9)


class TestCostLimit:
    async def test_run_ends_before_its_limit_is_exceeded(self, evaluator: Evaluator) -> None:
        limit = await price_of_one(evaluator) + 1
        run = await evaluator.evaluate(MANY, max_cost=f"{limit / 1e9:.9f}")
        assert run["status"] == "incomplete"
        assert run["error"]["code"] == "max_cost_reached"
        finished = run["progress"]["finished"]
        assert finished == 1
        rows = await evaluator.gateway.rows(finished)
        assert sum(round(float(row["cost"]) * 1e9) for row in rows) <= limit
        assert len(evaluator.upstream.received) == finished
        refused = await evaluator.post(f"/{run['id']}/resume", max_cost="much")
        assert error_of(refused)["param"] == "max_cost"
        resumed = await evaluator.post(f"/{run['id']}/resume", max_cost="1.00")
        assert resumed.json()["max_cost"] == "1.000000000"
        assert (await evaluator.ended(run["id"]))["status"] == "completed"

    async def test_sufficient_limit_completes_the_run(self, evaluator: Evaluator) -> None:
        limit = await price_of_one(evaluator) * 8
        run = await evaluator.evaluate(MANY, max_cost=f"{limit / 1e9:.9f}")
        assert run["status"] == "completed"


class TestAccountLimits:
    async def test_run_ends_when_credit_is_used_up_and_can_be_continued(
        self, evaluator: Evaluator, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        price = await price_of_one(evaluator)
        await change_credit(gateway, price + 1)
        run = await evaluator.evaluate(MANY)
        assert (run["status"], run["error"]["code"]) == ("incomplete", "credit_exhausted")
        first, asked = run["progress"]["finished"], len(upstream.received)
        assert first == asked == 1
        await change_credit(gateway, price * 100)
        resumed = await evaluator.post(f"/{run['id']}/resume")
        assert resumed.json()["status"] in ("queued", "in_progress")
        run = await evaluator.ended(run["id"])
        assert (run["status"], run["progress"]["finished"]) == ("completed", 8)
        assert len(upstream.received) == 8
        again = await evaluator.post(f"/{run['id']}/resume")
        assert error_of(again)["code"] == "evaluation_run_over"

    async def test_run_ends_when_the_keys_budget_is_used_up(
        self, evaluator: Evaluator, gateway: Gateway
    ) -> None:
        price = await price_of_one(evaluator)
        place = gateway.parts.clock, gateway.account.id, gateway.key.row.id
        async with gateway.parts.database.transaction() as session:
            await set_budget(session, *place, price + 1)
        await gateway.caught_up()
        run = await evaluator.evaluate(MANY)
        assert (run["status"], run["error"]["code"]) == ("incomplete", "budget_exhausted")

    async def test_run_of_a_revoked_key_fails(
        self, evaluator: Evaluator, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        await gateway.parts.evaluation_runner.stop()
        run = await evaluator.create(MANY)
        async with gateway.parts.database.transaction() as session:
            clock, account_id = gateway.parts.clock, gateway.account.id
            await revoke_key(session, clock, account_id, gateway.key.row.id)
        await gateway.parts.evaluation_runner.start()
        async with asyncio.timeout(30):
            while (row := await stored(gateway, run["id"])).finished_at is None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert (row.status, (row.error or {})["code"]) == ("failed", "api_key_revoked")
        assert upstream.received == []

    async def test_run_waits_for_its_share_of_the_request_limit(
        self, limited: Limited, upstream: FakeUpstream
    ) -> None:
        async with limited(replace(PLENTY, requests=12)) as gateway:
            evaluator = Evaluator(gateway, upstream)
            run = await evaluator.create(MANY)
            async with asyncio.timeout(30):
                while (row := await stored(gateway, run["id"])).retry_at is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            assert len(upstream.received) == 3
            assert row.retry_at is not None
            assert (row.retry_at - gateway.parts.clock.now()).total_seconds() > 10

    async def test_unavailable_model_ends_the_run_after_the_last_retry(
        self, evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(runs, "QUEUE", replace(QUEUE, retry=RetryPolicy(max_attempts=2)))
        run = await evaluator.evaluate([{"question": "busy", "expected": "x"}])
        assert run["status"] == "incomplete"
        assert run["error"]["code"] in ("model_unavailable", "model_overloaded")


class TestLostProcess:
    async def test_answer_that_was_billed_and_not_stored_is_replayed(
        self, evaluator: Evaluator, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As after `kill -9` between the usage row's commit and the answer's."""
        stores, lost = answers.store_answer, []

        async def lose_first(*arguments: Any) -> None:
            if not lost:
                lost.append(arguments)
                raise RuntimeError("the process is lost")
            await stores(*arguments)

        monkeypatch.setattr(answers, "store_answer", lose_first)
        policy = RetryPolicy(max_attempts=12)
        monkeypatch.setattr(runs, "QUEUE", replace(QUEUE, retry=policy))
        run = await evaluator.evaluate(MANY[:1])
        assert (run["status"], len(lost)) == ("completed", 1)
        assert len(evaluator.upstream.received) == 1
        rows = {row["settlement"]: row for row in await gateway.rows(2)}
        assert set(rows) == {"complete", "replayed"}
        (answer,) = (await evaluator.items(run["id"]))[0]["answers"]
        assert answer["cost"] == rows["complete"]["cost"] != "0.000000000"
        assert answer["request_id"] == rows["complete"]["request_id"]

    async def test_other_process_goes_on_with_the_run_of_a_stopped_one(
        self, evaluator: Evaluator, gateway: Gateway, upstream: FakeUpstream
    ) -> None:
        await gateway.parts.evaluation_runner.stop()
        run = await evaluator.create(MANY)
        upstream.delay_s = 0.05
        async with serve(parts_like(gateway)):
            async with asyncio.timeout(30):
                while len(upstream.received) < 5:  # noqa: ASYNC110  # the server tells nobody
                    await asyncio.sleep(0.01)
        await gateway.parts.evaluation_runner.start()
        run = await evaluator.ended(run["id"])
        assert (run["status"], run["progress"]["finished"]) == ("completed", 8)
        assert len(QUESTIONS) < 8 <= len(upstream.received)


async def stored(gateway: Gateway, run_id: str) -> Any:
    """The row of a run."""
    async with gateway.parts.database.transaction() as session:
        return await runs.find_run(session, gateway.account.id, run_id)


async def change_credit(gateway: Gateway, nano: int) -> None:
    """Set the account's credit limit, and wait until this process knows it."""
    async with gateway.parts.database.transaction() as session:
        await set_credit_limit(session, gateway.parts.clock, gateway.account.id, nano)
    await gateway.caught_up()
