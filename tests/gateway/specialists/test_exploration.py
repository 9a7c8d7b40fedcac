"""Exploration through real ticks: rate, limits, logged propensities, and off-policy evaluation."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlmodel import col, select

from gateway.agents.learning.cycle import Learner, learn
from gateway.agents.learning.history import load_history
from gateway.agents.learning.policy_rows import PURPOSE
from gateway.agents.running.runner import AgentRunner
from gateway.agents.store.agents import read_definition
from gateway.tables import Agent, AgentDecision, AgentTick
from infra.secrets.secret_key import secret_key
from infra.secrets.signing_key import SigningKey
from models.policies.bandits.off_policy import evaluate_policy
from models.policies.learned.outcomes import ACTIONS
from tests.support.builders import Gateway
from tests.support.gateway.milling import MILL_PREDICTION, machine, send, start
from tests.support.nightly import nightly

TICKS, RATE, MAX_MORE = 84, 0.2, 300.0
# At a probability near 0 waiting costs nearly nothing, inspecting 250 and stopping 1,000.
COSTS = {"planned_stop": 1000, "unplanned_stop": 3000, "inspection": 200}
LEARNING = {"enabled": True, "exploration": RATE, "explore_within": MAX_MORE}


async def tick_often(gateway: Gateway, agent: Agent) -> None:
    """Run ticks with predictions through the runner, each due at a time of its own."""
    runner: AgentRunner = gateway.parts.agent_runner
    process_id = gateway.parts.heartbeat.process_id
    first = gateway.parts.clock.now()
    for number in range(TICKS):
        if number % 18 == 0:
            await send(gateway, 38.0 + number / 9)
        async with gateway.parts.database.transaction() as session:
            row = await session.get_one(Agent, agent.id)
            row.process_id, row.due_at = process_id, first + timedelta(milliseconds=number)
        (tick,) = await runner.observed([row])
        await runner.run_one(tick, process_id)


async def settle(gateway: Gateway, agent: Agent) -> list[AgentDecision]:
    """Spread the decisions over months and let their outcomes be known; return them."""
    async with gateway.parts.database.transaction() as session:
        query = select(AgentDecision).where(col(AgentDecision.agent_id) == agent.id)
        rows = list((await session.scalars(query.order_by(col(AgentDecision.tick_id)))).all())
        for number, row in enumerate(rows):
            row.decided_at -= timedelta(days=7 * (TICKS - number))
            row.fault, row.outcome_source = number % 9 == 0, "feedback"
    return rows


@pytest.fixture
async def explorer(real: Gateway) -> Agent:
    """An exploring agent after its ticks, in a gateway whose own runners are stopped."""
    gateway = real
    await gateway.parts.agent_runner.stop()
    await gateway.parts.agents.learning.stop()
    await machine(gateway, 40.0)
    options = {**MILL_PREDICTION["options"], "max_age_s": 86_400}  # type: ignore[dict-item]
    step: dict[str, Any] = {**MILL_PREDICTION, "when": "always", "options": options}
    step.pop("event")
    agent = await start(
        gateway, prediction=step, costs=COSTS, learning=LEARNING, actions=[], autonomy="advise"
    )
    await tick_often(gateway, agent)
    return agent


@nightly
async def test_exploring_agent_keeps_its_rate_and_limits_and_its_propensities_are_evaluated(
    real: Gateway, explorer: Agent
) -> None:
    gateway = real
    rows = await settle(gateway, explorer)
    assert len(rows) == TICKS
    async with gateway.parts.database.transaction() as session:
        query = select(AgentTick).where(col(AgentTick.agent_id) == explorer.id)
        ticks = {one.id: one for one in (await session.scalars(query)).all()}
    explored = 0
    for row in rows:
        assessment = ticks[row.tick_id].assessment
        costs = assessment["costs"]
        within = [one for one in costs if costs[one] <= costs[row.reference] + MAX_MORE]
        others = len(within) - 1
        assert assessment["action"] == row.action
        assert row.action in within  # a stop for 1,000 is never drawn
        is_drawn = row.action != row.reference
        assert row.propensity == pytest.approx(RATE / others if is_drawn else 1 - RATE)
        assert (assessment.get("chosen_by") == 0) is is_drawn
        explored += is_drawn
    # Of 84 draws at 0.2, fewer than 3 or more than 36 happen once in 100,000 runs.
    assert 3 <= explored <= 36
    await is_evaluated(gateway, explorer, explored)


async def is_evaluated(gateway: Gateway, agent: Agent, explored: int) -> None:
    """Check that training evaluates off-policy, and that the propensities weigh the decisions."""
    parts = gateway.parts
    learner = Learner(parts.database, parts.clock, SigningKey(secret_key(parts.settings), PURPOSE))
    assert await learn(learner, gateway.account.id, agent.id) is not None
    answer = await gateway.http.get(f"/v1/agents/agent_{agent.id.hex}/policies")
    (policy,) = answer.json()["data"]
    assert policy["evidence"]["off_policy"] is not None
    async with parts.database.transaction() as session:
        row = await session.get_one(Agent, agent.id)
        history = await load_history(session, row, read_definition(row.definition), TICKS)
    known = history.known(history.rows, None)
    assert (known.propensities < 0.5).sum() == explored

    def always(action: str) -> Any:
        chosen = [float(one.value == action) for one in ACTIONS]
        return lambda contexts: np.tile(chosen, (len(contexts), 1))

    # As many decisions as weights by the logged propensities leave: 1 / 0.2 for one drawn rarely.
    logged = known.logged()
    for action in ("wait", "inspect"):
        found = evaluate_policy(logged, always(action), len(ACTIONS), 1).effective_decisions
        index = next(at for at, one in enumerate(ACTIONS) if one.value == action)
        weights = 1 / known.propensities[logged.actions == index]
        assert found == pytest.approx(weights.sum() ** 2 / (weights**2).sum(), rel=0.05)
