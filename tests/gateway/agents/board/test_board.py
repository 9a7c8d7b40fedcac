"""Teams from a monitor's decision to a work order, each task once, with the real database."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from billing.accounts.profiles import update_profile
from gateway.agents.board.holds import HeldCall, reserve
from gateway.agents.store.agents import AgentChange, change_definition, read_definition, set_status
from gateway.identity.audit_log import CLI_ACTOR
from gateway.tables import AgentStatus
from infra import ids
from tests.support.billing.making import sql
from tests.support.builders import Gateway, customer
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.agent_api import client
from tests.support.gateway.team import (
    PREDICTION,
    add_machine,
    add_member,
    add_team,
    award,
    predicting,
    send,
    tasks,
    tick,
    work,
)


@pytest.fixture
async def board(gateway: Gateway, upstream: FakeUpstream) -> Gateway:
    """A gateway whose runners do only what a test asks for."""
    await gateway.parts.agent_runner.stop()
    await gateway.parts.agents.board_runner.stop()
    predicting(upstream, 0.8)
    await add_machine(gateway)
    return gateway


async def whole_team(gateway: Gateway, **fields: Any) -> None:
    await add_team(gateway, **fields)
    for role in ("monitor", "diagnostician", "planner", "executor"):
        await add_member(gateway, role)


async def summary(gateway: Gateway) -> list[tuple[str, str, str | None]]:
    return [(one.kind, one.status, one.code) for one in await tasks(gateway)]


async def orders(gateway: Gateway) -> list[dict[str, Any]]:
    path = "/v1/plant/entities?kind=work_order"
    return list((await gateway.http.get(path)).json()["data"])


async def test_team_turns_a_raised_rule_into_one_work_order(board: Gateway) -> None:
    await whole_team(board)
    await tick(board)
    await work(board)
    assert await summary(board) == [
        ("diagnose", "done", None),
        ("plan", "done", None),
        ("execute", "done", None),
    ]
    diagnose, plan, execute = await tasks(board)
    assert diagnose.result is not None
    assert diagnose.result["probability"] == pytest.approx(0.8, abs=1e-6)
    assert diagnose.cost_nano > 0
    assert plan.result is not None
    assert plan.result["action"] == "stop"
    assert len(await orders(board)) == 1
    (team,) = await sql(board.parts.database, "select spent_day_nano, id from agent_team")
    assert team.spent_day_nano == diagnose.cost_nano
    assert await sql(board.parts.database, "select 1 from agent_hold") == []
    assert execute.result is not None
    assert [one["status"] for one in execute.result["actions"]] == ["executed"]


async def test_repeated_awards_and_results_change_nothing(board: Gateway) -> None:
    await whole_team(board)
    await tick(board)
    held = await award(board)
    runner = board.parts.agents.board_runner
    for _ in range(2):
        await runner.work(held)
    assert [(one.kind, one.status) for one in await tasks(board)] == [
        ("diagnose", "done"),
        ("plan", "announced"),
    ]
    billed = [row for row in await board.rows(4) if row["settlement"] == "complete"]
    assert [row["operation"] for row in billed].count("predictions") == 1


async def test_call_that_is_repeated_by_the_same_agent_counts_once(board: Gateway) -> None:
    """The only diagnostician is paused during its call, and gets the task again."""
    await whole_team(board)
    await tick(board)
    held, database = await award(board), board.parts.database
    await switch(board, held.agent.id, AgentStatus.PAUSED)
    await board.parts.agents.board_runner.work(held)
    assert await summary(board) == [("diagnose", "announced", "holder_inactive")]
    await switch(board, held.agent.id, AgentStatus.ACTIVE)
    await board.parts.agents.board_runner.work(await award(board))
    (team,) = await sql(database, "select spent_day_nano from agent_team")
    (billed,) = await sql(
        database, "select sum(cost_nano) as nano from usage where operation = 'predictions'"
    )
    assert team.spent_day_nano == billed.nano > 0


async def switch(gateway: Gateway, agent_id: UUID, status: AgentStatus) -> None:
    async with gateway.parts.database.transaction() as session:
        change = AgentChange(session, gateway.parts.clock, CLI_ACTOR, gateway.account.id)
        await set_status(change, ids.format_id("agent", agent_id), status)


async def test_task_of_a_lost_process_goes_to_the_next_bidder_and_both_calls_count(
    board: Gateway,
) -> None:
    """The first process is lost after its call and before its result is recorded."""
    await whole_team(board)
    other = await add_member(board, "diagnostician", name="Other")
    await tick(board)
    lost = await award(board)
    worker_of_lost = board.parts.agents.board_runner
    database = board.parts.database
    await sql(database, "update agent_task set process_id = gen_random_uuid()")
    await worker_of_lost.work(lost)  # its result is dropped
    assert await summary(board) == [("diagnose", "held", None)]
    await sql(database, "update agent_task set lease_until = now() - interval '1 s'")
    taken = await award(board)
    assert taken.takes_over
    assert {taken.agent.id, lost.agent.id} == {other.id, lost.agent.id}
    assert taken.agent.id != lost.agent.id
    await worker_of_lost.work(taken)
    diagnose, _ = await tasks(board)
    rows = [row for row in await board.rows(4) if row["operation"] == "predictions"]
    assert len(rows) == 2
    (team,) = await sql(database, "select spent_day_nano from agent_team")
    (billed,) = await sql(
        database, "select sum(cost_nano) as nano from usage where operation = 'predictions'"
    )
    assert team.spent_day_nano == diagnose.cost_nano == billed.nano > 0


async def test_agent_that_is_edited_while_it_holds_a_task_gets_it_anew(board: Gateway) -> None:
    await whole_team(board)
    await tick(board)
    held = await award(board)
    async with board.parts.database.transaction() as session:
        change = AgentChange(session, board.parts.clock, CLI_ACTOR, board.account.id)
        agreed = read_definition(held.agent.definition)
        changed = msgspec.structs.replace(agreed, name="Changed")
        await change_definition(change, ids.format_id("agent", held.agent.id), changed)
    await board.parts.agents.board_runner.work(held)
    assert await summary(board) == [("diagnose", "announced", "holder_changed")]
    again = await award(board)
    assert (again.agent.version, again.lease) == (2, 2)


@pytest.mark.parametrize("status", [AgentStatus.PAUSED, AgentStatus.DELETED])
async def test_task_of_a_paused_or_deleted_agent_is_offered_to_others(
    board: Gateway, status: AgentStatus
) -> None:
    await whole_team(board)
    await tick(board)
    held = await award(board)
    await switch(board, held.agent.id, status)
    assert await board.parts.agents.board_runner.award(8) == []
    other = await add_member(board, "diagnostician", name="Other")
    await sql(board.parts.database, "update agent_task set retry_at = null")
    assert (await award(board)).agent.id == other.id


async def test_conflict_without_a_third_agent_waits_for_a_person(
    board: Gateway, upstream: FakeUpstream
) -> None:
    await add_team(board)
    monitor = await add_member(board, "monitor", prediction=PREDICTION)
    for role in ("diagnostician", "planner", "executor"):
        await add_member(board, role)
    await tick(board)
    predicting(upstream, 0.1)
    await work(board)
    assert await summary(board) == [
        ("diagnose", "done", None),
        ("review", "waiting", "agent_verdicts_conflict"),
    ]
    review = (await tasks(board))[-1]
    task = f"/v1/agents/tasks/{ids.format_id('task', review.id)}"
    shown = (await board.http.get(task)).json()
    assert [round(one["probability"], 3) for one in shown["verdicts"]] == [0.8, 0.1]
    agreed = {"agree_with": ids.format_id("agent", monitor.id), "note": "Heard it."}
    assert (await board.http.post(f"{task}/answer", json=agreed)).status_code == 200
    refused = await board.http.post(f"{task}/answer", json=agreed)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "agent_task_closed")
    await work(board)
    assert [one[:2] for one in await summary(board)][1:] == [
        ("review", "done"),
        ("plan", "done"),
        ("execute", "done"),
    ]
    assert len(await orders(board)) == 1


async def test_budget_that_is_used_up_mid_case_calls_nothing_and_waits_for_a_person(
    board: Gateway,
) -> None:
    nothing = {"per_call": "0", "per_day": "0", "per_month": "0"}
    await whole_team(board, budget=nothing)
    await tick(board)
    await work(board)
    assert await summary(board) == [("diagnose", "waiting", "agent_team_budget_exhausted")]
    await board.rows(2)  # of the readings
    (task,) = await tasks(board)
    path = f"/v1/agents/tasks/{ids.format_id('task', task.id)}/answer"
    assert (await board.http.post(path, json={"probability": 0.9})).status_code == 200
    await work(board)
    assert len(await orders(board)) == 1


async def test_holds_of_running_calls_share_what_the_budget_leaves(board: Gateway) -> None:
    team = await add_team(board, budget={"per_call": "2", "per_day": "3", "per_month": "5"})
    agent = await add_member(board, "diagnostician")
    got = []
    for key in ("one", "two", "three", "one"):
        async with board.parts.database.transaction() as session:
            call = HeldCall(board.account.id, team.id, agent.id, key, 10 * 10**9)
            got.append(await reserve(session, call))
    assert got == [2 * 10**9, 10**9, 0, 2 * 10**9]
    await sql(board.parts.database, "update agent_hold set created_at = now() - interval '1 h'")
    await board.parts.agents.board_runner.run_due()
    assert await sql(board.parts.database, "select 1 from agent_hold") == []


async def test_task_with_too_many_leases_is_stopped_and_told(board: Gateway) -> None:
    await whole_team(board, max_leases=1)
    async with board.parts.database.transaction() as session:
        await update_profile(session, board.account.id, email="li@acme.example")
    await tick(board)
    await award(board)
    await sql(board.parts.database, "update agent_task set lease_until = now() - interval '1 s'")
    assert await board.parts.agents.board_runner.award(8) == []
    assert await summary(board) == [("diagnose", "stopped", "agent_task_stuck")]
    told = await sql(board.parts.database, "select payload::text from outbox")
    assert any("agent_task_stuck" in row[0] and "M1" in row[0] for row in told)


async def test_clock_of_a_process_that_jumps_takes_no_lease(board: Gateway) -> None:
    """Leases are compared by the time of the database."""
    await whole_team(board)
    await tick(board)
    held = await award(board)
    (row,) = await sql(board.parts.database, "select lease_until - now() as left from agent_task")
    assert 0 < row.left.total_seconds() <= board.parts.settings.timing.task_lease_s
    assert await board.parts.agents.board_runner.award(8) == []
    await sql(board.parts.database, "update agent_task set lease_until = now() + interval '1 d'")
    assert (await award(board)).lease == held.lease + 1  # given before the clock was set back


async def test_monitor_whose_decision_goes_back_and_forth_is_stopped(board: Gateway) -> None:
    await add_team(board, oscillation={"changes": 1, "window": "1h"})
    monitor = await add_member(board, "monitor")
    for torque in (65.0, 30.0, 65.0):
        await send(board, "M1.TQ", torque)
        await sql(board.parts.database, "update agent set due_at = now() - interval '1 s'")
        await tick(board)
    (row,) = await sql(board.parts.database, "select status, stop_code, id from agent")
    assert (row.status, row.stop_code, row.id) == ("stopped", "agent_oscillating", monitor.id)


async def test_other_accounts_see_and_change_nothing(board: Gateway) -> None:
    await whole_team(board)
    await tick(board)
    (task,) = await tasks(board)
    team = ids.format_id("team", task.team_id)
    path, task_id = "/v1/agents", ids.format_id("task", task.id)
    _, key = await customer(board.parts.database, board.parts.settings, "other")
    async with client(board, key.secret) as http:
        for method, rest in (
            ("GET", f"teams/{team}"), ("POST", f"teams/{team}"), ("DELETE", f"teams/{team}"),
            ("GET", f"tasks/{task_id}"), ("POST", f"tasks/{task_id}/cancel"),
            ("POST", f"tasks/{task_id}/answer"),
        ):  # fmt: skip
            body = {"probability": 0.5} if rest.endswith("answer") else {}
            answer = await http.request(method, f"{path}/{rest}", json=body)
            assert answer.status_code == 404, (method, rest)
        for rest in ("teams", "tasks"):
            assert (await http.get(f"{path}/{rest}")).json()["data"] == []
