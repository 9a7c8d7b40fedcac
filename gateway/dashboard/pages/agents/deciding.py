"""Approve, reject and undo actions of an agent."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Controller, Response, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from gateway.agents.actions.deciding import approve, find_action, reject, undo
from gateway.agents.errors import (
    AgentActionClosed,
    AgentActionNotFound,
    AgentCommandRefused,
)
from gateway.agents.public_ids import ACTION
from gateway.agents.store.agents import AgentChange, find_agent
from gateway.dashboard.pages.agents.agent import render_agent
from gateway.dashboard.pages.agents.common import AgentPage, agent_url, provide_agents
from gateway.identity.roles import Permission
from gateway.tables.agents import AgentAction
from infra import ids

_Decision = Callable[[AgentChange, str], Awaitable[AgentAction]]


class AgentActionPages(Controller):
    """Handlers of `/dashboard/agents/…/actions/…`."""

    path = "/agents/{agent:str}/actions/{action:str}"
    dependencies = {"agents": Provide(provide_agents)}  # noqa: RUF012  # Litestar's

    @post("/approve", permission=Permission.PLANT)
    async def approve_action(
        self, agents: NamedDependency[AgentPage], agent: FromPath[str], action: FromPath[str]
    ) -> Response[Any]:
        """Execute a proposed action."""
        return await _decide(agents, agent, action, approve)

    @post("/reject", permission=Permission.PLANT)
    async def reject_action(
        self, agents: NamedDependency[AgentPage], agent: FromPath[str], action: FromPath[str]
    ) -> Response[Any]:
        """Reject a proposed action."""
        return await _decide(agents, agent, action, reject)

    @post("/undo", permission=Permission.PLANT)
    async def undo_action(
        self, agents: NamedDependency[AgentPage], agent: FromPath[str], action: FromPath[str]
    ) -> Response[Any]:
        """Undo an executed action."""
        return await _decide(agents, agent, action, undo)


async def _decide(agents: AgentPage, agent: str, action: str, decision: _Decision) -> Response[Any]:
    """Decide about an action of the agent and show the agent.

    Raises AgentNotFound, AgentActionNotFound, also for an action of another agent.
    """
    async with agents.database.transaction() as session:
        row = await find_agent(session, agents.page.account_id, agent)
        found = await find_action(session, agents.page.account_id, action)
    if found.agent_id != row.id:
        raise AgentActionNotFound("The agent has no such action.", param="action")
    try:
        # Another transaction, so that the action is read anew under its lock.
        async with agents.database.transaction() as session:
            await decision(agents.change(session), ids.format_id(ACTION, found.id))
    except (AgentActionClosed, AgentCommandRefused) as error:
        return await render_agent(agents, agent, error)
    return agents.page.redirect(f"{agent_url(row.id)}#actions")
