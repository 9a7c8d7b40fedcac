"""Changes of teams and tasks on behalf of a caller, who may be a restricted key.

A restricted key, or one of a project, changes only teams whose members it could change itself.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from gateway.agents.board.tasks import TaskAnswer, answer_task, cancel_task, find_task
from gateway.agents.board.teams import change_team, delete_team, find_team, list_payers
from gateway.agents.store.owners import AgentOwner
from gateway.tables.agents_board import AgentTask, AgentTeam


async def change_as(owner: AgentOwner, team: str, fields: Mapping[str, Any]) -> AgentTeam:
    """Change fields of a team. Raises AgentTeamNotFound, AgentTeamInvalid, AgentKeyNotAllowed."""
    await _require_team(owner, team)
    return await change_team(owner.change, team, fields)


async def delete_as(owner: AgentOwner, team: str) -> None:
    """Delete a team. Raises AgentTeamNotFound, AgentTeamInUse, AgentKeyNotAllowed."""
    await _require_team(owner, team)
    await delete_team(owner.change, team)


async def cancel_as(owner: AgentOwner, task: str) -> AgentTask:
    """Cancel a task. Raises AgentTaskNotFound, AgentTaskClosed, AgentKeyNotAllowed."""
    await _require_task(owner, task)
    return await cancel_task(owner.change, task)


async def answer_as(owner: AgentOwner, task: str, answer: TaskAnswer) -> AgentTask:
    """Answer a task.

    Raises AgentTaskNotFound, AgentTaskClosed, AgentTaskAnswerInvalid, AgentKeyNotAllowed.
    """
    await _require_task(owner, task)
    return await answer_task(owner.change, task, answer)


async def _require_team(owner: AgentOwner, team: str) -> None:
    """Raise AgentKeyNotAllowed unless the caller may change all members of a team."""
    row = await find_team(owner.change.session, owner.change.account_id, team)
    await _require_payers(owner, row.id)


async def _require_task(owner: AgentOwner, task: str) -> None:
    """Raise AgentKeyNotAllowed unless the caller may change all members of a task's team."""
    row = await find_task(owner.change.session, owner.change.account_id, task)
    await _require_payers(owner, row.team_id)


async def _require_payers(owner: AgentOwner, team_id: UUID) -> None:
    """Raise AgentKeyNotAllowed unless the caller may change agents of all keys that pay."""
    change = owner.change
    for key_id in await list_payers(change.session, change.account_id, team_id):
        await owner.require_payer(key_id)
