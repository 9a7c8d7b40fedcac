"""Learning of agents: feedback, training, shadow period, promotion, rollback, limits, transfer."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from billing.outcomes.predictions.model_keys import ModelSigner
from gateway.agents.dependencies import AgentDependencies
from gateway.agents.learning.cycle import Learner, learn
from gateway.agents.learning.policy_rows import PURPOSE
from gateway.agents.learning.runner import LearningDependencies, LearningRunner
from gateway.agents.running.runner import AgentRunner
from gateway.agents.store.agents import find_agent, read_definition
from gateway.identity.audit_log import list_account_entries
from gateway.inference.pipeline_client import PipelineClient
from gateway.tables import AgentDecision, AgentLearning, AgentStatus
from infra import ids
from infra.secrets.secret_key import secret_key
from infra.secrets.signing_key import SigningKey
from tests.support.builders import Gateway, customer
from tests.support.clocks import ShiftedClock
from tests.support.gateway.agent_api import PATH, asset, client, create, post, propose, rule
from tests.support.gateway.agent_learning import add_decisions, claim_learning
from tests.support.gateway.errors import error_of
from tests.support.nightly import nightly

LEARNING = {"enabled": True, "shadow": "30d", "promotion": "automatic"}
# A false alarm costs 250, and a fault that is not inspected 1,600 more than one that is.
COSTS = {"planned_stop": 1000, "unplanned_stop": 3000, "inspection": 200}


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    """The shared gateway: each test has assets of its own."""
    return shared_gateway


@pytest.fixture
def clock() -> ShiftedClock:
    return ShiftedClock()


class Teacher:
    """An agent whose outcomes and turns of learning a test brings about."""

    def __init__(self, gateway: Gateway, clock: ShiftedClock, agent: str) -> None:
        self.gateway, self.clock, self.agent = gateway, clock, agent
        parsed = ids.parse_id("agent", agent)
        assert isinstance(parsed, UUID)
        self.agent_id = parsed
        signing = SigningKey(secret_key(gateway.parts.settings), PURPOSE)
        self.learner = Learner(gateway.parts.database, clock, signing)

    async def decide(self, days: int, *, wrong: bool = False) -> None:
        """Let days with decisions and known outcomes pass."""
        async with self.gateway.parts.database.transaction() as session:
            row = await find_agent(session, self.gateway.account.id, self.agent)
            await add_decisions(session, row, self.clock.now(), days, wrong=wrong)
        self.clock.to(self.clock.now() + timedelta(days=days))

    async def turn(self) -> str | None:
        return await learn(self.learner, self.gateway.account.id, self.agent_id)

    async def get(self, path: str) -> Any:
        answer = await self.gateway.http.get(f"{PATH}/{self.agent}/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def statuses(self) -> list[str]:
        return [one["status"] for one in (await self.get("policies"))["data"]]


async def teacher(gateway: Gateway, clock: ShiftedClock, **learning: Any) -> Teacher:
    made = await create(gateway, costs=COSTS, learning={**LEARNING, **learning})
    taught = Teacher(gateway, clock, made["id"])
    async with gateway.parts.database.transaction() as session:
        claim_learning(session, gateway.account.id, taught.agent_id)
    return taught


async def tick_of(gateway: Gateway, agent: str) -> str:
    await propose(gateway, agent)
    (tick, *_) = (await gateway.http.get(f"{PATH}/{agent}/ticks")).json()["data"]
    return str(tick["id"])


class TestLifecycle:
    async def test_policy_is_trained_shadowed_promoted_and_rolled_back(
        self, gateway: Gateway, clock: ShiftedClock
    ) -> None:
        taught = await teacher(gateway, clock)
        await taught.decide(5)
        assert await taught.turn() is None
        assert "decisions with known outcome" in (await taught.get("learning"))["waits_for"]
        await taught.decide(400)
        assert await taught.turn() == "shadow"
        assert await taught.turn() is None
        await taught.decide(60)
        assert await taught.turn() == "active"
        await taught.decide(90, wrong=True)
        assert await taught.turn() == "rolled_back"
        shown = await taught.get("learning")
        steps = [one["step"] for one in shown["steps"]]
        assert steps == ["rolled_back", "promoted", "trained"]
        assert shown["steps"][2]["figures"]["replay"]["low"] > 0
        assert shown["steps"][0]["figures"]["saving"]["high"] < 0
        assert await taught.statuses() == ["rolled_back"]
        async with gateway.parts.database.transaction() as session:
            entries = await list_account_entries(session, gateway.account.id)
        found = [one.action for one in entries if one.subject == taught.agent]
        assert found[:3] == [f"agent.policy_{step}" for step in steps]

    async def test_owner_promotes_exports_imports_and_rolls_back_by_hand(
        self, gateway: Gateway, clock: ShiftedClock
    ) -> None:
        taught = await teacher(gateway, clock, promotion="manual")
        await taught.decide(400)
        assert await taught.turn() == "shadow"
        (policy,) = (await taught.get("policies"))["data"]
        path = f"{PATH}/{taught.agent}/policies"
        answer = await gateway.http.post(f"{path}/{policy['id']}/promote")
        assert (answer.status_code, error_of(answer)["code"]) == (409, "agent_policy_not_ready")
        await taught.decide(60)
        assert await taught.turn() == "ready"
        assert (await post(gateway, f"{path}/{policy['id']}/promote"))["status"] == "active"
        assert (await post(gateway, f"{path}/rollback"))["status"] == "rolled_back"
        answer = await gateway.http.post(f"{path}/rollback")
        assert error_of(answer)["code"] == "agent_policy_not_ready"
        file = await taught.get(f"policies/{policy['id']}")
        body = {"content": file["content"], "signature": file["signature"]}
        assert (await post(gateway, path, body))["status"] == "shadow"
        changed = {**body, "content": file["content"].replace('"scale":3', '"scale":4')}
        answer = await gateway.http.post(path, json=changed)
        assert error_of(answer)["code"] == "agent_policy_invalid"
        other = await create(gateway)
        answer = await gateway.http.post(f"{PATH}/{other['id']}/policies", json=body)
        assert (answer.status_code, error_of(answer)["code"]) == (409, "agent_policy_foreign")
        assert "was learned for the asset" in error_of(answer)["message"]

    async def test_active_policy_decides_ticks_and_its_decision_is_logged(
        self, gateway: Gateway, clock: ShiftedClock
    ) -> None:
        taught = await teacher(gateway, clock)
        await taught.decide(400)
        await taught.turn()
        await taught.decide(60)
        assert await taught.turn() == "active"
        now = gateway.parts.clock.now()
        async with gateway.parts.database.transaction() as session:
            row = await find_agent(session, gateway.account.id, taught.agent)
            tag = read_definition(row.definition).rules[0].tag
        reading = {"tag": tag, "time": now.isoformat(), "value": 4.6}
        await post(gateway, "/v1/plant/readings", {"readings": [reading]})
        async with gateway.parts.database.transaction() as session:
            row = await find_agent(session, gateway.account.id, taught.agent)
            row.process_id = gateway.parts.heartbeat.process_id
            # Not due, so that the gateway's own runner leaves it alone.
            row.status, row.due_at = AgentStatus.ACTIVE, now + timedelta(hours=1)
        runner = _runner(gateway)
        (tick,) = await runner.observed([row])
        await runner.run_safely(tick, gateway.parts.heartbeat.process_id)
        (shown, *_) = (await taught.get("ticks"))["data"]
        # The reading is hardly beyond the limit: such alarms were false.
        assert (shown["assessment"]["action"], shown["assessment"]["chosen_by"]) == ("wait", 1)
        async with gateway.parts.database.transaction() as session:
            tick_id = ids.parse_id("tick", shown["id"])
            logged = await session.get_one(AgentDecision, tick_id)
        assert (logged.action, logged.reference, logged.propensity) == ("wait", "inspect", 1.0)


def _runner(gateway: Gateway) -> AgentRunner:
    parts = gateway.parts
    pipeline = PipelineClient(parts.pipeline, parts.clock)
    signer = ModelSigner(secret_key(parts.settings))
    key = SigningKey(secret_key(parts.settings), PURPOSE)
    own = (parts.clock, parts.database, parts.heartbeat)
    return AgentRunner(AgentDependencies(*own, pipeline, signer, key, parts.metrics.agents))


class TestFeedback:
    async def test_feedback_is_given_twice_and_replaced(self, gateway: Gateway) -> None:
        made = await create(gateway)
        path = f"{PATH}/{made['id']}/ticks/{await tick_of(gateway, made['id'])}/feedback"
        first = await post(gateway, path, {"verdict": "confirmed", "found": "worn seal"})
        assert (first["verdict"], first["given_by"]) == ("confirmed", made["key"])
        assert await post(gateway, path, {"verdict": "confirmed", "found": "worn seal"}) == first
        second = await post(gateway, path, {"verdict": "corrected", "fault": False})
        assert (second["fault"], second["created_at"]) == (False, first["created_at"])
        listed = (await gateway.http.get(f"{PATH}/{made['id']}/feedback")).json()["data"]
        assert listed == [second]

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"verdict": "right"}, "verdict"),
            ({"verdict": "corrected"}, "fault"),
            ({"verdict": "confirmed", "fault": True}, "fault"),
            ({"verdict": "confirmed", "found": "a\0b"}, "found"),
            ({"verdict": "confirmed", "found": "x" * 2001}, "found"),
            ({"verdict": "confirmed", "cost": -1}, "cost"),
            ({"verdict": "confirmed", "found_at": "2999-01-01T00:00:00Z"}, "found_at"),
            ({"verdict": "confirmed", "observed": 1}, "observed"),
            ({"verdict": "confirmed", "note": 1}, "note"),
        ],
    )
    async def test_invalid_feedback_is_refused_by_field(
        self, gateway: Gateway, body: dict[str, Any], param: str
    ) -> None:
        made = await create(gateway)
        tick = await tick_of(gateway, made["id"])
        answer = await gateway.http.post(f"{PATH}/{made['id']}/ticks/{tick}/feedback", json=body)
        assert (answer.status_code, error_of(answer)["param"]) == (400, param), answer.text
        assert (await gateway.http.get(f"{PATH}/{made['id']}/feedback")).json()["data"] == []

    async def test_feedback_on_an_old_tick_or_on_anothers_is_refused(
        self, gateway: Gateway, clock: ShiftedClock
    ) -> None:
        made, other = await create(gateway), await create(gateway)
        tick = await tick_of(gateway, made["id"])
        body = {"verdict": "denied"}
        answer = await gateway.http.post(f"{PATH}/{other['id']}/ticks/{tick}/feedback", json=body)
        assert (answer.status_code, error_of(answer)["code"]) == (404, "agent_tick_not_found")
        _, key = await customer(gateway.parts.database, gateway.parts.settings, "Stranger of ticks")
        async with client(gateway, key.secret) as http:
            answer = await http.post(f"{PATH}/{made['id']}/ticks/{tick}/feedback", json=body)
            assert (answer.status_code, error_of(answer)["code"]) == (404, "agent_not_found")
        taught = Teacher(gateway, clock, made["id"])
        async with gateway.parts.database.transaction() as session:
            row = await find_agent(session, gateway.account.id, made["id"])
            (old,) = await add_decisions(session, row, clock.now() - timedelta(days=200), 1, each=1)
        answer = await gateway.http.post(
            f"{PATH}/{taught.agent}/ticks/{ids.format_id('tick', old)}/feedback", json=body
        )
        assert (answer.status_code, error_of(answer)["code"]) == (409, "agent_feedback_late")

    async def test_recommendation_without_reaction_becomes_ignored(
        self, gateway: Gateway, clock: ShiftedClock
    ) -> None:
        taught = await teacher(gateway, clock, ignored_after="2d")
        async with gateway.parts.database.transaction() as session:
            row = await find_agent(session, gateway.account.id, taught.agent)
            await add_decisions(session, row, clock.now(), 1, each=1, known=False)
        for days, expected in ((1, 0), (2, 1)):
            clock.to(clock.now() + timedelta(days=days))
            await taught.turn()
            found = (await taught.get("feedback"))["data"]
            assert [one["verdict"] for one in found] == ["ignored"] * expected
        assert found[0]["given_by"] is None
        path = f"{PATH}/{taught.agent}/ticks/{found[0]['tick']}/feedback"
        assert (await post(gateway, path, {"verdict": "denied"}))["verdict"] == "denied"

    async def test_failures_of_the_ledger_decide_outcomes(
        self, gateway: Gateway, clock: ShiftedClock
    ) -> None:
        prediction = {
            "model": "any", "output": "failure_probability", "event": "pump_failure", "horizon": 3,
        }  # fmt: skip
        made = await create(gateway, learning=LEARNING, prediction=prediction)
        taught, now = Teacher(gateway, clock, made["id"]), gateway.parts.clock.now()
        async with gateway.parts.database.transaction() as session:
            row = await find_agent(session, gateway.account.id, made["id"])
            place = (session, row, now - timedelta(days=20))
            ticks = await add_decisions(*place, 10, each=1, known=False, action="wait")
        event = {
            "business_key": made["id"], "event": "pump_failure", "subject": row.definition["asset"],
            "happened_at": (now - timedelta(days=15)).isoformat(),
        }  # fmt: skip
        await post(gateway, "/v1/predictions/events", event)
        await taught.turn()
        faults = []
        async with gateway.parts.database.transaction() as session:
            for tick in ticks:
                logged = await session.get_one(AgentDecision, tick)
                faults.append((logged.fault, logged.outcome_source))
        assert [one for one, _ in faults] == [False, False, True, True, True, *[False] * 5]
        assert {source for _, source in faults} == {"ledger"}


class TestLimits:
    async def test_false_alarms_propose_a_limit_that_the_owner_accepts(
        self, gateway: Gateway, clock: ShiftedClock
    ) -> None:
        taught = await teacher(gateway, clock)
        async with gateway.parts.database.transaction() as session:
            row = await find_agent(session, gateway.account.id, taught.agent)
            place = (session, row, clock.now() - timedelta(days=9))
            ticks = await add_decisions(*place, 8, each=1, known=False, value=4.7)
        for tick in ticks:
            path = f"{PATH}/{taught.agent}/ticks/{ids.format_id('tick', tick)}/feedback"
            await post(gateway, path, {"verdict": "denied"})
        await taught.turn()
        await taught.turn()
        (proposal,) = (await taught.get("limits"))["data"]
        assert (proposal["before"], proposal["status"]) == (4.5, "proposed")
        assert 4.7 < proposal["after"] < 4.8
        assert (proposal["figures"]["avoided"], proposal["figures"]["false_alarms"]) == (8, 8)
        path = f"{PATH}/{taught.agent}/limits"
        accepted = await post(gateway, f"{path}/{proposal['id']}/accept")
        assert accepted == await post(gateway, f"{path}/{proposal['id']}/accept")
        shown = (await gateway.http.get(f"{PATH}/{taught.agent}")).json()
        assert (shown["version"], shown["definition"]["rules"][0]["above"]) == (
            2,
            proposal["after"],
        )
        answer = await gateway.http.post(f"{path}/{proposal['id']}/reject")
        assert (answer.status_code, error_of(answer)["code"]) == (409, "agent_limit_closed")
        answer = await gateway.http.post(f"{path}/alim_1/accept")
        assert (answer.status_code, error_of(answer)["code"]) == (404, "agent_limit_not_found")


class TestTransfer:
    async def test_rules_by_concept_carry_over_and_the_rest_is_named(
        self, gateway: Gateway
    ) -> None:
        code, other = await asset(gateway), await asset(gateway)
        for one in (code, other):
            await _confirm_concept(gateway, f"{one}.V")
        rules = [rule(code), {**rule(code), "name": "gone", "tag": "NONE"}]
        made = await create(gateway, asset=code, rules=rules)
        path = f"{PATH}/{made['id']}/transfer"
        trial = await post(gateway, path, {"asset": other, "dry_run": True})
        assert trial["agent"] is None
        moved = await post(gateway, path, {"asset": other, "name": "Second pump"})
        assert (moved["carried"], moved["relearned"]) == (trial["carried"], trial["relearned"])
        assert moved["agent"]["status"] == "paused"
        (kept,) = moved["agent"]["definition"]["rules"]
        assert kept["concept"] == "vibration_velocity"
        assert [(one["kind"], one["name"]) for one in moved["carried"]] == [
            ("costs", ""), ("rule", "vibration"),
        ]  # fmt: skip
        assert [(one["kind"], one["name"], one["reason"]) for one in moved["relearned"]] == [
            ("rule", "gone", "no_concept"), ("limit", "vibration", "no_readings"),
        ]  # fmt: skip

    @nightly
    async def test_policy_whose_ranges_overlap_decides_there_in_shadow(
        self, gateway: Gateway, clock: ShiftedClock
    ) -> None:
        code, other = await asset(gateway), await asset(gateway)
        for one in (code, other):
            await _confirm_concept(gateway, f"{one}.V")
        made = await create(gateway, asset=code, rules=[rule(code)], costs=COSTS, learning=LEARNING)
        taught = Teacher(gateway, clock, made["id"])
        await taught.decide(400)
        await taught.turn()
        await taught.decide(60)
        assert await taught.turn() == "active"
        now: datetime = gateway.parts.clock.now()
        readings = [
            {"tag": f"{other}.V", "time": (now - timedelta(hours=hour)).isoformat(), "value": 5.0}
            for hour in range(1, 30)
        ]
        await post(gateway, "/v1/plant/readings", {"readings": readings})
        moved = await post(gateway, f"{PATH}/{made['id']}/transfer", {"asset": other})
        (feature,) = [one for one in moved["carried"] if one["kind"] == "feature"]
        assert feature["figures"]["overlap"] == 1.0
        there = Teacher(gateway, clock, moved["agent"]["id"])
        assert await there.statuses() == ["shadow"]

    async def test_transfer_that_carries_nothing_is_refused(self, gateway: Gateway) -> None:
        made = await create(gateway)
        path = f"{PATH}/{made['id']}/transfer"
        for target in (await asset(gateway), made["definition"]["asset"]):
            answer = await gateway.http.post(path, json={"asset": target})
            assert error_of(answer)["code"] == "agent_transfer_invalid", target
        answer = await gateway.http.post(path, json={"asset": "NOWHERE"})
        assert answer.status_code == 404


async def _confirm_concept(gateway: Gateway, tag: str) -> None:
    points = (await gateway.http.get(f"/v1/plant/points?tag={tag}")).json()["data"]
    (point,) = [one for one in points if one["tag"] == tag]
    mapping = {"point": point["id"], "concept": {"id": "vibration_velocity"}}
    await post(gateway, "/v1/plant/mappings", {"mappings": [mapping]})


async def test_runner_takes_turns_and_waits_without_new_outcomes(
    gateway: Gateway, clock: ShiftedClock
) -> None:
    taught = await teacher(gateway, clock)
    await taught.decide(3)
    parts = gateway.parts
    await parts.agents.learning.stop()  # on a busy machine it may take the turn of the test's own
    dependencies = LearningDependencies(taught.learner, parts.heartbeat, parts.metrics.agents)
    runner = LearningRunner(dependencies)
    async with parts.database.transaction() as session:
        row = await session.get_one(AgentLearning, taught.agent_id)
        row.process_id = parts.heartbeat.process_id
    await runner._work(row)
    async with parts.database.transaction() as session:
        row = await session.get_one(AgentLearning, taught.agent_id)
        assert (row.process_id, row.known) == (None, 6)
        assert row.retry_at is not None
        assert row.retry_at > clock.now()
        row.process_id, row.attempts = parts.heartbeat.process_id, 1
    await runner._failed(row, RuntimeError("broken"))
    await runner._interrupted(row)
