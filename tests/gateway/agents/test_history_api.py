"""Ticks, days, actions and replay of agents over HTTP."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from billing.outcomes.predictions.model_keys import ModelSigner
from gateway.agents.actions.expiring import expire_proposals
from gateway.agents.dependencies import AgentDependencies
from gateway.agents.rounds.signing import PURPOSE
from gateway.agents.running.runner import AgentRunner
from gateway.agents.running.tick import TickInput
from gateway.agents.store.agents import find_agent
from gateway.agents.store.days import TickCounts, add_counts
from gateway.inference.pipeline_client import PipelineClient
from infra import ids
from infra.clock import Clock
from infra.secrets.secret_key import secret_key
from infra.secrets.signing_key import SigningKey
from tests.support.builders import Gateway
from tests.support.clocks import ShiftedClock
from tests.support.gateway.agent_api import (
    PATH,
    create,
    post,
    propose,
)
from tests.support.gateway.errors import error_of


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    """The shared gateway: each test has assets of its own."""
    return shared_gateway


class FailingRunner(AgentRunner):
    """A runner in whose ticks something unexpected fails."""

    async def run_one(self, tick: TickInput, process_id: UUID) -> None:
        raise OverflowError("too large")


def runner_of(gateway: Gateway, clock: Clock, kind: type[AgentRunner] = AgentRunner) -> AgentRunner:
    """Return a runner beside that of the gateway."""
    parts = gateway.parts
    client = PipelineClient(parts.pipeline, clock)
    signer = ModelSigner(secret_key(parts.settings))
    key = SigningKey(secret_key(parts.settings), PURPOSE)
    place = (clock, parts.database, parts.heartbeat, client, signer, key, parts.metrics.agents)
    return kind(AgentDependencies(*place))


async def test_tick_that_fails_unexpectedly_is_repeated_later(gateway: Gateway) -> None:
    made, parts = await create(gateway), gateway.parts
    process_id, runner = parts.heartbeat.process_id, runner_of(gateway, parts.clock, FailingRunner)
    for failures in (1, 2):
        async with parts.database.transaction() as session:
            row = await find_agent(session, gateway.account.id, made["id"])
            row.process_id = process_id
        (tick,) = await runner.observed([row])
        await runner.run_safely(tick, process_id)
        async with parts.database.transaction() as session:
            row = await find_agent(session, gateway.account.id, made["id"])
        assert (row.process_id, row.failures) == (None, failures)
        assert row.retry_at is not None
        assert row.retry_at > parts.clock.now()


class TestHistory:
    async def test_ticks_show_rules_decision_call_and_cost(self, gateway: Gateway) -> None:
        made = await create(gateway)
        await propose(gateway, made["id"])
        (tick,) = (await gateway.http.get(f"{PATH}/{made['id']}/ticks")).json()["data"]
        assert tick["assessment"] == {"action": "inspect", "basis": "rules"}
        assert tick["rules"][0]["status"] == "raised"
        assert (tick["cost"], tick["error"]) == ("0.002500000", None)
        assert tick["request_id"].startswith("req_")

    async def test_days_between_two_dates_are_listed_with_counts_and_cost(
        self, gateway: Gateway
    ) -> None:
        made = await create(gateway)
        agent_id = ids.parse_id("agent", made["id"])
        assert agent_id is not None
        counts = TickCounts(agent_id, gateway.account.id, raised=2, errors=1, cost_nano=5)
        async with gateway.parts.database.transaction() as session:
            for day in (1, 2, 3, 3):
                await add_counts(session, date(2026, 1, day), [counts])
        path = f"{PATH}/{made['id']}/days"
        found = (await gateway.http.get(f"{path}?from=2026-01-02&to=2026-01-03")).json()["data"]
        assert [(one["day"], one["ticks"], one["raised"], one["cost"]) for one in found] == [
            ("2026-01-02", 1, 2, "0.000000005"),
            ("2026-01-03", 2, 4, "0.000000010"),
        ]

    async def test_days_are_within_bounds(self, gateway: Gateway) -> None:
        made = await create(gateway)
        path = f"{PATH}/{made['id']}/days"
        assert (await gateway.http.get(path)).json()["data"] == []
        for query in ("from=2026-02-01&to=2026-01-01", "from=2024-01-01&to=2026-01-01", "to=x"):
            answer = await gateway.http.get(f"{path}?{query}")
            assert answer.status_code == 400, query


class TestActions:
    async def test_approved_action_is_executed_once_and_undone(self, gateway: Gateway) -> None:
        made = await create(gateway, autonomy="approve", actions=["work_order"])
        action = f"{PATH}/actions/{await propose(gateway, made['id'])}"
        first, second = [await post(gateway, f"{action}/approve") for _ in range(2)]
        assert first == second
        assert (first["status"], first["decided_by"]) == ("executed", made["key"])
        order = await gateway.http.get(f"/v1/plant/entities/{first['entity']}")
        assert order.status_code == 200
        assert first["reason"]["assessment"]["action"] == "inspect"
        assert (await gateway.http.delete(f"{PATH}/{made['id']}")).status_code == 200
        assert (await post(gateway, f"{action}/undo"))["status"] == "undone"
        answer = await gateway.http.post(f"{action}/approve")
        assert (answer.status_code, error_of(answer)["code"]) == (409, "agent_action_closed")

    async def test_rejected_action_is_listed_by_status_and_agent(self, gateway: Gateway) -> None:
        made = await create(gateway)
        actions = [await propose(gateway, made["id"]) for _ in range(3)]
        await post(gateway, f"{PATH}/actions/{actions[0]}/reject")
        query = f"{PATH}/actions?agent={made['id']}"
        rejected = (await gateway.http.get(f"{query}&status=rejected")).json()["data"]
        assert [one["id"] for one in rejected] == [actions[0]]
        page = (await gateway.http.get(f"{query}&limit=2")).json()
        assert ([one["id"] for one in page["data"]], page["has_more"]) == (actions[:0:-1], True)
        rest = (await gateway.http.get(f"{query}&after={actions[1]}")).json()["data"]
        assert [one["id"] for one in rest] == [actions[0]]
        assert (await gateway.http.get(f"{query}&status=done")).status_code == 400

    async def test_proposal_expires_when_its_time_is_over(self, gateway: Gateway) -> None:
        made = await create(gateway)
        action, now = await propose(gateway, made["id"]), gateway.parts.clock.now()
        path = f"{PATH}/actions/{action}"
        for days, status in ((2, "proposed"), (4, "expired")):
            async with gateway.parts.database.transaction() as session:
                await expire_proposals(session, now + timedelta(days=days))
            assert (await gateway.http.get(path)).json()["status"] == status
        answer = await gateway.http.post(f"{path}/approve")
        assert (answer.status_code, error_of(answer)["code"]) == (409, "agent_action_closed")

    async def test_runner_marks_expired_proposals_once_a_minute(self, gateway: Gateway) -> None:
        made = await create(gateway)
        clock = ShiftedClock()
        runner = runner_of(gateway, clock)
        await runner.expire_due()
        action = await propose(gateway, made["id"])
        clock.to(clock.now() + timedelta(days=4))
        await runner.expire_due()
        answer = await gateway.http.get(f"{PATH}/actions/{action}")
        assert answer.json()["status"] == "expired"


class TestReplay:
    async def test_replay_without_readings_says_that_nothing_was_covered(
        self, gateway: Gateway
    ) -> None:
        made = await create(gateway, every="1h")
        found = await post(gateway, f"{PATH}/{made['id']}/replay")
        assert (found["ticks"], found["covered"]) == (720, {"vibration": 0.0})
        assert found["predictions"] == {"needed": 0, "made": 0, "failed": 0, "cost": "0.000000000"}
        assert found["outcomes"] is None

    async def test_replay_with_a_known_failure_states_what_was_saved(
        self, gateway: Gateway
    ) -> None:
        made = await create(gateway, every="1h")
        now = gateway.parts.clock.now().replace(microsecond=0)
        tag = made["definition"]["rules"][0]["tag"]
        values = [(10, 2.0), (9, 2.0), (8, 9.0), (7, 9.0), (6, 2.0)]
        readings = [
            {"tag": tag, "time": (now - timedelta(hours=hours)).isoformat(), "value": value}
            for hours, value in values
        ]
        await post(gateway, "/v1/plant/readings", {"readings": readings})
        body = {
            "from": (now - timedelta(hours=10)).isoformat(),
            "to": (now - timedelta(hours=5)).isoformat(),
            "failures": [(now - timedelta(hours=6)).isoformat()],
        }
        found = await post(gateway, f"{PATH}/{made['id']}/replay", body)
        assert found["episode_count"] == 1
        assert found["covered"] == {"vibration": 1.0}
        outcomes = found["outcomes"]
        assert (outcomes["caught"], outcomes["missed"], outcomes["false_alarms"]) == (1, 0, 0)
        assert outcomes["saved"] == 10_000 - 50 - 1000

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
            ({"from": "2000-01-01T00:00:00Z"}, "from"),
            ({"from": "2026-01-01T00:00:00"}, "from"),
            ({"failures": ["soon"]}, "failures[0]"),
            ({"max_cost": "-1"}, "max_cost"),
            ({"max_cost": "much"}, "max_cost"),
        ],
    )
    async def test_replay_that_cannot_be_made_is_refused_by_field(
        self, gateway: Gateway, body: dict[str, Any], param: str
    ) -> None:
        made = await create(gateway)
        answer = await gateway.http.post(f"{PATH}/{made['id']}/replay", json=body)
        assert (answer.status_code, error_of(answer)["param"]) == (400, param)
