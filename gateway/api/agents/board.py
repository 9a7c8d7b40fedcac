"""`/v1/agents/teams` and `/v1/agents/tasks`: teams with a shared budget, and their task board."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from gateway.agents.board.clock import database_now
from gateway.agents.board.contract_net.values import TASK, TEAM
from gateway.agents.board.holds import team_held_nano
from gateway.agents.board.membership import list_members
from gateway.agents.board.owning import answer_as, cancel_as, change_as, delete_as
from gateway.agents.board.tasks import TaskAnswer, find_task, list_case, list_events, list_tasks
from gateway.agents.board.team_fields import TeamBudget, TeamOscillation, read_team
from gateway.agents.board.teams import create_team, find_team, list_teams
from gateway.agents.board.views import (
    member_json,
    task_json,
    task_with_events_json,
    team_json,
)
from gateway.agents.store.owners import AgentOwner
from gateway.api.agents.bodies import MAX_BODY_BYTES, PATH
from gateway.api.agents.editing import AgentEditing, provide_agent_editing
from gateway.api.idempotency import IdempotencyKey
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.values import Principal
from gateway.plant.store.queries import find_asset
from gateway.tables.agents_board import TaskStatus
from gateway.wire.body import decode_body, decode_body_strict
from infra.database.database import Database


class AgentTeamRequest(msgspec.Struct, kw_only=True):
    """A new team. Agents join it with the section `board` of their definition.

    `budget` is what the calls of all members together may cost. Probabilities that differ by more
    than `disagreement` conflict; `opinions` diagnosticians are asked. A task is stopped at its
    `deadline`, or after `max_leases` leases without a result.
    """

    name: str
    budget: TeamBudget = TeamBudget()
    disagreement: float = 0.4
    opinions: int = 1
    deadline: str = "1h"
    max_leases: int = 8
    oscillation: TeamOscillation = TeamOscillation()


class AgentTeamChangeRequest(msgspec.Struct, kw_only=True):
    """Fields of a team to change; fields that are missing stay. The name cannot be changed."""

    budget: TeamBudget | None = None
    disagreement: float | None = None
    opinions: int | None = None
    deadline: str | None = None
    max_leases: int | None = None
    oscillation: TeamOscillation | None = None


class AgentTaskAnswerRequest(msgspec.Struct, kw_only=True):
    """The answer to a task that waits for a person: planning goes on with it.

    Either `agree_with`, the ID of the agent whose verdict counts, or `probability` of a failure, 0
    to 1. `note` is kept with the task.
    """

    agree_with: str | None = None
    probability: float | None = None
    note: str = ""


_FIELDS = msgspec.json.Decoder(dict[str, Any])
_ANSWER = msgspec.json.Decoder(AgentTaskAnswerRequest)
BODIES: Mapping[str, type[msgspec.Struct]] = {
    f"{PATH}/teams": AgentTeamRequest,
    f"{PATH}/teams/{{team}}": AgentTeamChangeRequest,
    f"{PATH}/tasks/{{task}}/answer": AgentTaskAnswerRequest,
}


class AgentTeamRoutes(Controller):
    """The account's teams of agents, by id `team_…`."""

    path = f"{PATH}/teams"
    request_max_body_size = MAX_BODY_BYTES
    dependencies = {"editing": Provide(provide_agent_editing)}  # noqa: RUF012  # Litestar's

    @get("/", summary="List teams of agents, newest first")
    async def teams(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of teams with their budgets and what was spent."""
        cursor = parse_cursor(TEAM, after)
        async with database.transaction() as session:
            rows = await list_teams(session, principal.account_id, limit + 1, cursor)
            held, now = await team_held_nano(session, rows), await database_now(session)
        return page_json(rows, limit, lambda row: team_json(row, held.get(row.id, 0), now))

    @post("/", status_code=200, summary="Create a team of agents")
    async def create(
        self,
        editing: NamedDependency[AgentEditing],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Create a team without members."""
        document = read_team(_fields(await request.body()))

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Create the team."""
            row = await create_team(owner.change, document)
            return team_json(row, 0, row.created_at)

        return await editing.apply_once(idempotency_key, edit)

    @get("/{team:str}", summary="Retrieve a team of agents with its members")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        team: FromPath[str],
    ) -> dict[str, Any]:
        """Return a team, what its calls cost, and its members."""
        async with database.transaction() as session:
            row = await find_team(session, principal.account_id, team)
            held = await team_held_nano(session, [row])
            members = await list_members(session, principal.account_id, row.id)
            shown = team_json(row, held.get(row.id, 0), await database_now(session))
        return {**shown, "members": [member_json(*one) for one in members]}

    @post("/{team:str}", status_code=200, summary="Change a team of agents")
    async def change(
        self,
        editing: NamedDependency[AgentEditing],
        request: Request[Any, Any, Any],
        team: FromPath[str],
    ) -> dict[str, Any]:
        """Change fields of a team; its running calls keep their holds."""
        fields = _fields(await request.body())

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Change the team."""
            row = await change_as(owner, team, fields)
            held = await team_held_nano(owner.change.session, [row])
            return team_json(row, held.get(row.id, 0), row.updated_at)

        return await editing.apply(edit)

    @delete("/{team:str}", status_code=200, summary="Delete a team of agents")
    async def erase(
        self, editing: NamedDependency[AgentEditing], team: FromPath[str]
    ) -> dict[str, Any]:
        """Delete a team without members and open tasks; its finished tasks are kept."""

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Delete the team."""
            await delete_as(owner, team)
            return {"id": team, "object": "agent.team.deleted", "deleted": True}

        return await editing.apply(edit)


class AgentTaskRoutes(Controller):
    """Tasks on the boards of the account's teams, by id `task_…`."""

    path = f"{PATH}/tasks"
    request_max_body_size = MAX_BODY_BYTES
    dependencies = {"editing": Provide(provide_agent_editing)}  # noqa: RUF012  # Litestar's

    @get("/", summary="List tasks of teams of agents, newest first")
    async def tasks(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
        team: FromQuery[str | None] = None,
        status: FromQuery[TaskStatus | None] = None,
        asset: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of tasks, optionally of a team, a status or an asset (code or ID)."""
        cursor, account_id = parse_cursor(TASK, after), principal.account_id
        team_id, asset_id = None, None
        async with database.transaction() as session:
            if team is not None:
                team_id = (await find_team(session, account_id, team)).id
            if asset is not None:
                asset_id = (await find_asset(session, account_id, asset)).id
            rows = await list_tasks(
                session, account_id, limit + 1, cursor, team_id, status, asset_id
            )
        return page_json(rows, limit, task_json)

    @get("/{task:str}", summary="Retrieve a task with its events")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        task: FromPath[str],
    ) -> dict[str, Any]:
        """Return a task with bids, leases and verdicts, and the other tasks of its case."""
        account_id = principal.account_id
        async with database.transaction() as session:
            row = await find_task(session, account_id, task)
            events = await list_events(session, account_id, row.id)
            case = await list_case(session, account_id, row.case_id)
        return task_with_events_json(row, events, case)

    @post("/{task:str}/cancel", status_code=200, summary="Cancel a task")
    async def cancel(
        self, editing: NamedDependency[AgentEditing], task: FromPath[str]
    ) -> dict[str, Any]:
        """Cancel an open task and its case; what was executed before stays."""

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Cancel the task."""
            return task_json(await cancel_as(owner, task))

        return await editing.apply(edit)

    @post("/{task:str}/answer", status_code=200, summary="Answer a task that waits for a person")
    async def answer(
        self,
        editing: NamedDependency[AgentEditing],
        request: Request[Any, Any, Any],
        task: FromPath[str],
    ) -> dict[str, Any]:
        """Decide between verdicts that disagree, or state a probability."""
        said = decode_body_strict(_ANSWER, await request.body())
        answer = TaskAnswer(
            agree_with=said.agree_with, probability=said.probability, note=said.note
        )

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Answer the task."""
            return task_json(await answer_as(owner, task, answer))

        return await editing.apply(edit)


def _fields(body: bytes) -> dict[str, Any]:
    """Return the fields of a body. Raises the errors of an unreadable body."""
    return decode_body(_FIELDS, body)
