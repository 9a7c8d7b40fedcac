"""Pages of teams and their task board: budgets, members, tasks, answers and cancellations."""

from typing import Any

import pytest

from gateway.identity.roles import Role
from tests.support.billing.making import sql
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import looker, words
from tests.support.gateway.board_rows import TEAM_NAME
from tests.support.gateway.watched_pumps import add_agent, add_board, import_pump

BOARD = "/dashboard/agents/board"
LIMITS: dict[str, Any] = {
    "budget.per_call": "1", "budget.per_day": "5", "budget.per_month": "50",
    "disagreement": "0.3", "opinions": "2", "deadline": "2h", "max_leases": "4",
    "oscillation.changes": "3", "oscillation.window": "30m",
}  # fmt: skip


@pytest.fixture
async def works(office: Firm) -> Firm:
    """An account with a pump."""
    await import_pump(office.gateway)
    return office


async def waiting(firm: Firm) -> tuple[str, dict[str, str]]:
    """Create an agent, and a task that waits for a person; returns their ids."""
    agent = await add_agent(firm.gateway)
    return agent, await add_board(firm.gateway, agent)


async def post(firm: Firm, path: str, expected: int = 303, **fields: Any) -> Any:
    answer = await firm.owner.send(path, **fields)
    assert answer.status_code == expected, words(answer.text)
    return answer


async def test_team_is_created_changed_and_deleted(works: Firm) -> None:
    assert "No teams yet" in words(await works.owner.page(BOARD))
    bad = {**LIMITS, "name": "Mills", "budget.per_day": "a lot", "max_leases": "x"}
    shown = words((await post(works, f"{BOARD}/teams/new", 422, **bad)).text)
    assert "Enter a number from 1 to 100." in shown
    made = await post(works, f"{BOARD}/teams/new", **{**LIMITS, "name": "Mills"})
    team = made.headers["location"]
    page = await works.owner.page(team)
    assert 'value="0.3"' in page
    assert "No members yet" in words(page)
    await post(works, f"{BOARD}/teams/new", 422, **{**LIMITS, "name": "Mills"})
    await post(works, team, **{**LIMITS, "budget.per_month": "60"})
    assert 'value="60"' in await works.owner.page(team)
    await post(works, team, 422, **{**LIMITS, "budget.per_day": "70"})
    await post(works, f"{team}/delete")
    rows = await sql(works.gateway.parts.database, "select action from audit_entry")
    actions = {row[0] for row in rows}
    assert actions >= {f"agent.team_{one}" for one in ("created", "changed", "deleted")}


async def test_task_that_waits_names_both_verdicts_and_is_answered(works: Firm) -> None:
    agent, made = await waiting(works)
    task = f"{BOARD}/tasks/{made['task']}"
    board = words(await works.owner.page(BOARD))
    for said in (TEAM_NAME, "Further opinion", "Waits for a person", "The verdicts disagree."):
        assert said in board
    shown = words(await works.owner.page(task))
    assert "failure probability 80 %" in shown
    assert "failure probability 10 %" in shown
    await post(works, f"{task}/answer", 422)
    await post(works, f"{task}/answer", 422, probability="often")
    await post(works, f"{task}/answer", agree_with=agent, note="Heard it.")
    shown = words(await works.owner.page(task))
    assert "Done" in shown
    assert "Heard it." in shown
    await post(works, f"{task}/answer", 422, probability="0.5")


async def test_open_task_is_cancelled_and_its_team_lists_it(works: Firm) -> None:
    _, made = await waiting(works)
    await post(works, f"{BOARD}/tasks/{made['task']}/cancel")
    assert "Cancelled" in words(await works.owner.page(f"{BOARD}?team={made['team']}"))
    await post(works, f"{BOARD}/teams/{made['team']}/delete")


async def test_viewer_sees_tasks_but_changes_nothing(works: Firm) -> None:
    _, made = await waiting(works)
    task = f"{BOARD}/tasks/{made['task']}"
    gateway = works.gateway
    viewing = looker(gateway.url, gateway.parts, gateway.account.id, Role.VIEWER)
    async with viewing as viewer:
        assert "/answer" not in await viewer.page(task)
        assert (await viewer.send(f"{task}/cancel")).status_code == 403
        assert (await viewer.send(f"{BOARD}/teams/{made['team']}/delete")).status_code == 403
