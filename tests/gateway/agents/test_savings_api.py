"""Savings and daily reports of agents: API, command line and e-mail."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from billing.accounts.profiles import update_profile
from gateway.agents.savings import daily
from gateway.agents.savings.daily import send_due_reports
from gateway.agents.store.agents import AgentChange, find_agent, set_status
from gateway.agents.store.days import TickCounts, add_counts
from gateway.identity.audit_log import CLI_ACTOR
from gateway.tables.agents import AgentStatus
from tests.support.billing.making import sql
from tests.support.builders import SPECIALIST, Gateway
from tests.support.clocks import ShiftedClock
from tests.support.gateway.agent_api import PATH, client, create, new_key, post, propose
from tests.support.gateway.agent_rows import add_recommendation
from tests.support.gateway.errors import error_of

STEP = {"model": SPECIALIST, "output": "failure_probability", "event": "pump_failure"}
COSTS = {"planned_stop": 1500, "unplanned_stop": 12_000, "inspection": 120}


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    """The shared gateway: each test has assets of its own."""
    return shared_gateway


@pytest.fixture
async def idle_gateway(gateway: Gateway) -> AsyncIterator[Gateway]:
    """The shared gateway without its agents: their ticks lock rows, which a report then skips."""
    await gateway.parts.agent_runner.stop()
    yield gateway
    await gateway.parts.agent_runner.start()


async def watched(gateway: Gateway, *days_ago: float, **fields: Any) -> tuple[dict[str, Any], str]:
    """Create an agent that recommended inspections some days ago; returns it and its asset."""
    made = await create(gateway, prediction=STEP, costs=COSTS, **fields)
    now = gateway.parts.clock.now()
    async with gateway.parts.database.transaction() as session:
        row = await find_agent(session, gateway.account.id, made["id"])
        for days in days_ago:
            await add_recommendation(session, row, now - timedelta(days=days))
            counts = TickCounts(row.id, row.account_id, predictions=1, cost_nano=1_000_000)
            await add_counts(session, (now - timedelta(days=days)).date(), [counts])
    return made, made["definition"]["asset"]


async def savings(gateway: Gateway, agent: str, query: str = "") -> dict[str, Any]:
    answer = await gateway.http.get(f"{PATH}/{agent}/savings{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def days_before(gateway: Gateway, days: float) -> str:
    return (gateway.parts.clock.now() - timedelta(days=days)).isoformat()


async def report_event(gateway: Gateway, code: str, days_ago: float, **fields: Any) -> None:
    body = {
        "business_key": f"{code}-{days_ago}",
        "event": "pump_failure",
        "subject": code,
        "happened_at": days_before(gateway, days_ago),
    }
    await post(gateway, "/v1/predictions/events", {**body, **fields})


async def add_work_order(gateway: Gateway, code: str, date: str) -> str:
    """Add a work order of an asset that found a failure mode."""
    path, made = "/v1/plant/entities", []
    dated = {"date": {"value": date}}
    for kind, properties in (("work_order", dated), ("failure_mode", {})):
        body = {"kind": kind, "code": f"{kind}-{code}", "name": "Seal", "properties": properties}
        made.append(await post(gateway, path, body))
    order, mode = ({"kind": one["kind"], "id": one["id"]} for one in made)
    for predicate, target in (("on", {"kind": "asset", "id": code}), ("found", mode)):
        relation = {"subject": order, "predicate": predicate, "target": target}
        await post(gateway, "/v1/plant/relations", relation)
    return str(made[0]["id"])


class TestSavings:
    async def test_recommendation_counts_once_within_its_horizon(self, gateway: Gateway) -> None:
        made, _ = await watched(gateway, 3, 2.9, 2)
        found = await savings(gateway, made["id"])
        (one,) = found["recommendations"]
        assert (one["status"], one["expected_saving"]) == ("open", "1139.000000000")
        total = found["total"]
        assert (total["recommendations"], total["ticks"]) == (1, 3)
        assert (total["cost"], total["expected_saving"]) == ("0.003000000", "1139.000000000")
        assert (total["observed_saving"], total["open"]) == (None, 1)

    async def test_observed_savings_are_bounds_by_recorded_events(self, gateway: Gateway) -> None:
        """Of four recommendations 40, 30, 20 and 10 days ago the first is confirmed by a work
        order, the second by a report, the third is denied; of the last nothing is known. An event
        25 days ago was missed: -120 - 120 - 120 - 120 to 2 x (12,000 - 1,500 - 120)."""
        made, code = await watched(gateway, 40, 30, 20, 10)
        await report_event(gateway, code, 28)
        await report_event(gateway, code, 22.5)
        await report_event(gateway, code, 17, happened=False)
        order = await add_work_order(gateway, code, days_before(gateway, 38)[:10])
        found = await savings(gateway, made["id"])
        statuses = [one["status"] for one in found["recommendations"]]
        assert statuses == ["unconfirmed", "denied", "confirmed", "confirmed"]
        events = [one["event"]["source"] for one in found["recommendations"][2:]]
        assert events == ["event", "work_order"]
        assert found["recommendations"][-1]["event"]["id"] == order
        total = found["total"]
        assert total["missed"] == 1
        assert total["observed_saving"] == {"from": "-480.000000000", "to": "20760.000000000"}
        assert total["expected_saving"] == "4556.000000000"

    async def test_rejected_work_order_saves_and_costs_nothing(self, gateway: Gateway) -> None:
        made, code = await watched(gateway, 0.1)
        action = await propose(gateway, made["id"])
        await post(gateway, f"{PATH}/actions/{action}/reject")
        await report_event(gateway, code, 0)
        (one,) = (await savings(gateway, made["id"]))["recommendations"]
        assert (one["status"], one["carried_out"]) == ("confirmed", False)
        assert one["observed_saving"] == {"from": "0.000000000", "to": "0.000000000"}

    async def test_periods_are_days_or_months_and_sum_to_the_total(self, gateway: Gateway) -> None:
        made, _ = await watched(gateway, 70, 40, 10)
        months = await savings(gateway, made["id"])
        days = await savings(gateway, made["id"], "?interval=day")
        assert (len(days["periods"]), months["interval"]) == (91, "month")
        for one in (months, days):
            assert sum(period["recommendations"] for period in one["periods"]) == 3
            assert sum(period["ticks"] for period in one["periods"]) == 3
            assert one["periods"][0]["from"] == one["total"]["from"]
            assert one["periods"][-1]["to"] == one["total"]["to"]

    async def test_recommendation_before_the_range_still_covers_its_event(
        self, gateway: Gateway
    ) -> None:
        made, code = await watched(gateway, 12)
        await report_event(gateway, code, 6)
        first = days_before(gateway, 10)[:10]
        found = await savings(gateway, made["id"], f"?from={first}")
        assert (found["total"]["recommendations"], found["total"]["missed"]) == (0, 0)

    async def test_range_and_account_are_checked(self, gateway: Gateway) -> None:
        made, _ = await watched(gateway)
        path = f"{PATH}/{made['id']}/savings"
        for query in ("from=2026-02-01&to=2026-01-01", "from=2024-01-01&to=2026-01-01", "to=x"):
            assert (await gateway.http.get(f"{path}?{query}")).status_code == 400, query
        assert (await gateway.http.get(f"{path}?interval=hour")).status_code == 400
        for path in (f"{PATH}/agent_0/savings", f"{PATH}/agent_0/report"):
            answer = await gateway.http.get(path)
            assert (answer.status_code, error_of(answer)["code"]) == (404, "agent_not_found")
        key = await new_key(gateway, permissions=("calls",))
        async with client(gateway, key.secret) as http:
            assert (await http.get(f"{PATH}/{made['id']}/savings")).status_code == 403


class TestReport:
    async def test_report_says_what_the_agent_did_since_yesterday_and_why(
        self, gateway: Gateway
    ) -> None:
        made, _ = await watched(gateway, 3, 0.002, 0.001)
        await propose(gateway, made["id"])
        answer = await gateway.http.get(f"{PATH}/{made['id']}/report")
        found = answer.json()
        assert (found["object"], found["ticks"]) == ("agent.report", 2)
        assert [one["ticks"] for one in found["situations"]] == [1, 2]
        assert found["situations"][1]["first"]["assessment"]["raised"] == ["vibration"]
        assert [one["status"] for one in found["acted"]] == ["proposed"]

    async def test_daily_report_is_sent_once_a_day_at_its_local_time(
        self, idle_gateway: Gateway
    ) -> None:
        gateway = idle_gateway
        made, _ = await watched(gateway, 0.5, recipients={"daily_report": "08:00"})
        assert made["definition"]["recipients"] == {"daily_report": "08:00"}
        parts, clock = gateway.parts, ShiftedClock()
        async with parts.database.transaction() as session:
            await update_profile(session, gateway.account.id, email="li@acme.example")
            change = AgentChange(session, clock, CLI_ACTOR, gateway.account.id)
            await set_status(change, made["id"], AgentStatus.ACTIVE)
        day = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)
        # Midnight in UTC is eight in Shanghai, of the same day.
        first, second = (f"{day + timedelta(days=one):%Y-%m-%d}" for one in (0, 1))
        for hours, sent in (
            (-0.1, []),
            (0, [first]),
            (15.5, [first]),
            (16.5, [first]),
            (24, [first, second]),
        ):
            clock.to(day + timedelta(hours=hours))
            await send_due_reports(parts.database, clock)
            found = await letters(gateway, made["id"])
            assert [one for one in found if one >= first] == sent, hours
        assert "每日报告" in found[second]
        assert made["name"] in found[second]

    async def test_report_that_fails_does_not_keep_others_from_being_sent(
        self, idle_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gateway = idle_gateway
        monkeypatch.setattr(daily, "MAX_REPORTS", 1)  # each in a transaction of its own
        damaged, whole = [
            (await watched(gateway, recipients={"daily_report": "08:00"}))[0] for _ in range(2)
        ]
        database, clock = gateway.parts.database, ShiftedClock()
        async with database.transaction() as session:
            await update_profile(session, gateway.account.id, email="li@acme.example")
            rows = [
                await find_agent(session, gateway.account.id, one["id"]) for one in (damaged, whole)
            ]
            for row in rows:
                row.status = AgentStatus.STOPPED
            row = rows[0]
            definition = row.definition
            row.definition = {"recipients": definition["recipients"]}
        clock.to(clock.now().replace(hour=0, minute=0) + timedelta(days=9))
        reports = await send_due_reports(database, clock)
        assert reports.failed == 1
        assert reports.queued >= 1
        assert not await letters(gateway, damaged["id"])
        assert await letters(gateway, whole["id"])
        async with database.transaction() as session:
            (await find_agent(session, gateway.account.id, damaged["id"])).definition = definition
        again = await send_due_reports(database, clock)
        assert (again.queued, again.failed) == (1, 0)
        assert await letters(gateway, damaged["id"])


async def letters(gateway: Gateway, agent: str) -> dict[str, str]:
    """The e-mails of the reports of an agent by day."""
    query = """
        select right(business_key, 10) as day, payload::text as body from outbox
        where action = 'email' and business_key like :key order by id
    """
    found = await sql(gateway.parts.database, query, key=f"email:agent_report:{agent}:%")
    return {row.day: row.body for row in found}
