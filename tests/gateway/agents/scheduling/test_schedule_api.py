"""A schedule from stored readings to proposals, a learned policy, promotion and rollback."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import col, select

from gateway.agents.public_ids import AGENT
from gateway.agents.scheduling.policy_store import POLICY
from gateway.tables.agents import AgentAction
from gateway.tables.agents_schedule import AgentScheduleDay, AgentSchedulePolicy
from infra import ids
from tests.support.builders import Gateway
from tests.support.gateway.agent_api import PATH, post
from tests.support.gateway.command_limits import add_limits
from tests.support.gateway.errors import error_of
from tests.support.gateway.tank_api import (
    learn_all,
    read_now,
    scheduler,
    shadow_days,
    tank,
    tick,
    today,
)
from tests.support.gateway.tanks import PUMPS, schedule
from tests.support.nightly import nightly
from tests.support.plant.commands import point

DAYS = 18


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    """The shared gateway: the test has an asset of its own."""
    return shared_gateway


async def test_schedule_proposes_set_points_learns_and_is_promoted(gateway: Gateway) -> None:
    code = await tank(gateway, DAYS)
    agent = (await scheduler(gateway, code))["id"]
    await read_now(gateway, code, 150.0, 0)
    await tick(gateway, agent)
    # Below the lower level both pumps start: one proposal for each, which expires with its slot.
    listed = (await gateway.http.get(f"{PATH}/actions?agent={agent}")).json()["data"]
    assert [one["content"]["value"] for one in listed] == [1.0, 1.0]
    assert {one["content"]["point"] for one in listed} == {f"{code}.{tag}" for tag in PUMPS}
    assert {one["kind"] for one in listed} == {"set_point"}
    unsigned = await gateway.http.post(f"{PATH}/actions/{listed[0]['id']}/approve")
    assert error_of(unsigned)["code"] == "agent_command_refused"
    await add_limits(
        gateway, *(point(tag=f"{code}.{tag}", unit="", minimum=0.0, maximum=1.0) for tag in PUMPS)
    )
    approved = await post(gateway, f"{PATH}/actions/{listed[0]['id']}/approve")
    assert (approved["status"], approved["entity"]) == ("executed", None)
    undone = await gateway.http.post(f"{PATH}/actions/{listed[0]['id']}/undo")
    assert error_of(undone)["code"] == "agent_action_closed"
    ticks = (await gateway.http.get(f"{PATH}/{agent}/ticks")).json()["data"]
    assert ticks[0]["assessment"]["schedule"]["pumps_wanted"] == 2

    # A second tick in the slot proposes nothing again, and what is not wanted any more expires.
    await tick(gateway, agent, hours=2)
    assert len((await gateway.http.get(f"{PATH}/actions?agent={agent}")).json()["data"]) == 2
    await read_now(gateway, code, 400.0, 0)
    await tick(gateway, agent, hours=3)
    listed = (await gateway.http.get(f"{PATH}/actions?agent={agent}")).json()["data"]
    assert sorted(one["status"] for one in listed) == ["executed", "expired"]

    # The first tick of a day states what the day before cost.
    days = (await gateway.http.get(f"{PATH}/{agent}/schedule/days")).json()["data"]
    assert [one["day"] for one in days] == [(today() - timedelta(days=1)).isoformat()]
    assert float(days[0]["cost"]) > 0
    assert days[0]["reason"] is None

    queued = await post(gateway, f"{PATH}/{agent}/schedule/learn", {"days": DAYS})
    again = await gateway.http.post(f"{PATH}/{agent}/schedule/learn", json={})
    assert error_of(again)["code"] == "agent_schedule_learning"
    await learn_all(gateway)
    path = f"{PATH}/{agent}/schedule/policies/{queued['id']}"
    learned = (await gateway.http.get(path)).json()
    assert learned["status"] == "shadow", learned
    assert learned["report"]["replay"]["saving"]["low"] > 0.08
    assert learned["shadow"]["reasons"] == ["shadow_too_short"]
    file = await gateway.http.get(f"{path}/file")
    assert file.json()["asset"].endswith(learned["asset"])

    refused = await gateway.http.post(f"{path}/promote")
    assert error_of(refused)["code"] == "agent_schedule_policy_not_promotable"
    await shadow_days(gateway, agent, queued["id"], 20.0)
    assert (await post(gateway, f"{path}/promote"))["status"] == "active"
    plan = (await gateway.http.get(f"{PATH}/{agent}/schedule")).json()
    assert (plan["policy"], plan["policy_error"]) == (queued["id"], "")
    assert len(plan["plan"]) == 48
    assert all(100 <= slot["level_m3"] <= 600 for slot in plan["plan"])

    # A definition with other levels is another plant to the file: two-level control decides.
    section = schedule(low=240.0)
    definition = (await gateway.http.get(f"{PATH}/{agent}")).json()["definition"]
    definition["schedule"]["level"]["maximum"] = 590
    definition["schedule"]["high"] = section["low"] + 200
    await post(gateway, f"{PATH}/{agent}", {"definition": definition})
    plan = (await gateway.http.get(f"{PATH}/{agent}/schedule")).json()
    assert (plan["policy"], plan["policy_error"]) == ("hysteresis", "schedule_policy_refused")

    back = await post(gateway, f"{PATH}/{agent}/schedule/rollback")
    assert back["status"] == "rolled_back"
    none = await gateway.http.post(f"{PATH}/{agent}/schedule/rollback")
    assert error_of(none)["code"] == "agent_schedule_policy_not_found"


async def test_schedule_without_readings_switches_nothing_and_refuses_to_learn(
    gateway: Gateway,
) -> None:
    code = await tank(gateway, 3, silent_days=1)  # in the first hour of a day, yesterday is recent
    made = await scheduler(gateway, code, autonomy="act")
    agent = made["id"]
    await tick(gateway, agent)
    ticks = (await gateway.http.get(f"{PATH}/{agent}/ticks")).json()["data"]
    assert ticks[0]["error"] in ("level_stale", "pump_state_unknown")
    assert ticks[0]["assessment"]["schedule"]["set_points"] == []
    async with gateway.parts.database.transaction() as session:
        agent_id = ids.parse_id(AGENT, agent)
        query = select(AgentAction).where(col(AgentAction.agent_id) == agent_id)
        assert (await session.scalars(query)).all() == []
    refused = await gateway.http.post(f"{PATH}/{agent}/schedule/learn", json={"days": 20})
    assert error_of(refused)["code"] == "agent_schedule_log_insufficient"
    assert "3 of the last 20 days" in error_of(refused)["message"]


@nightly
async def test_active_schedule_that_costs_more_is_taken_back_by_the_next_day(
    gateway: Gateway,
) -> None:
    code = await tank(gateway, DAYS)
    agent = (await scheduler(gateway, code, autonomy="act"))["id"]
    queued = await post(gateway, f"{PATH}/{agent}/schedule/learn", {"days": DAYS})
    await learn_all(gateway)
    await shadow_days(gateway, agent, queued["id"], 20.0)
    path = f"{PATH}/{agent}/schedule/policies/{queued['id']}"
    await post(gateway, f"{path}/promote")
    policy_id = ids.parse_id(POLICY, queued["id"])
    async with gateway.parts.database.transaction() as session:
        policy = await session.get_one(AgentSchedulePolicy, policy_id)
        policy.active_at = datetime.now(UTC) - timedelta(days=10)
        for back in range(2, 8):
            session.add(
                AgentScheduleDay(
                    agent_id=policy.agent_id,
                    day=today() - timedelta(days=back),
                    account_id=gateway.account.id,
                    currency="CNY",
                    policy_id=policy.id,
                    saved_nano=-500_000_000_000 - back,
                )
            )
    await read_now(gateway, code, 400.0, 0)
    await tick(gateway, agent)
    assert (await gateway.http.get(path)).json()["status"] == "rolled_back"
