"""`/v1/agents/actions`: list, approve, reject and undo actions of agents."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Controller, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from gateway.agents.actions.deciding import approve, find_action, list_actions, reject, undo
from gateway.agents.public_ids import ACTION
from gateway.agents.store.agents import AgentChange, find_agent_id
from gateway.agents.store.owners import AgentOwner
from gateway.agents.views import action_json
from gateway.api.agents.bodies import PATH
from gateway.api.agents.editing import AgentEditing, provide_agent_editing
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.values import Principal
from gateway.tables.agents import AgentAction, AgentActionStatus
from infra.database.database import Database

_Decision = Callable[[AgentChange, str], Awaitable[AgentAction]]


class AgentActionRoutes(Controller):
    """Actions that the account's agents took or proposed, by id `act_…`."""

    path = f"{PATH}/actions"
    dependencies = {"editing": Provide(provide_agent_editing)}  # noqa: RUF012  # Litestar's

    @get("/", summary="List actions of agents, newest first")
    async def actions(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
        agent: FromQuery[str | None] = None,
        status: FromQuery[AgentActionStatus | None] = None,
    ) -> dict[str, Any]:
        """Return a page of actions, optionally of one agent or with one status."""
        cursor, account_id = parse_cursor(ACTION, after), principal.account_id
        async with database.transaction() as session:
            agent_id = await find_agent_id(session, account_id, agent)
            rows = await list_actions(session, account_id, limit + 1, cursor, agent_id, status)
        return page_json(rows, limit, action_json)

    @get("/{action:str}", summary="Retrieve an action of an agent")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        action: FromPath[str],
    ) -> dict[str, Any]:
        """Return an action with the figures that it rests on."""
        async with database.transaction() as session:
            return action_json(await find_action(session, principal.account_id, action))

    @post("/{action:str}/approve", status_code=200, summary="Approve a proposed action")
    async def approve_action(
        self, editing: NamedDependency[AgentEditing], action: FromPath[str]
    ) -> dict[str, Any]:
        """Execute a proposed action, once."""
        return await editing.apply(_decision_edit(approve, action))

    @post("/{action:str}/reject", status_code=200, summary="Reject a proposed action")
    async def reject_action(
        self, editing: NamedDependency[AgentEditing], action: FromPath[str]
    ) -> dict[str, Any]:
        """Reject a proposed action; it is not executed."""
        return await editing.apply(_decision_edit(reject, action))

    @post("/{action:str}/undo", status_code=200, summary="Undo an executed action")
    async def undo_action(
        self, editing: NamedDependency[AgentEditing], action: FromPath[str]
    ) -> dict[str, Any]:
        """Retire the work order of an executed action."""
        return await editing.apply(_decision_edit(undo, action))


def _decision_edit(decide: _Decision, action: str) -> Any:
    """Return the change that decides about an action."""

    async def edit(owner: AgentOwner) -> dict[str, Any]:
        """Decide about the action."""
        return action_json(await decide(owner.change, action))

    return edit
