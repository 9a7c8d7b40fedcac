"""Run an agent now, and replay it on the readings of the last 30 days."""

from typing import Any

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from gateway.agents.public_ids import RUN
from gateway.agents.replay.replaying import USUAL_PERIOD, AgentReplayer, ReplayRequest
from gateway.agents.requests.errors import AgentNotActive, AgentRunLimitReached, AgentRunning
from gateway.agents.requests.store import RunRequest
from gateway.agents.skills.parts import SkillParts
from gateway.agents.store.agents import find_agent, read_definition
from gateway.dashboard.forms import read_form_fields
from gateway.dashboard.pages.agents.agent import render_agent
from gateway.dashboard.pages.agents.common import (
    AgentPage,
    agent_url,
    load_account,
    provide_agents,
)
from gateway.dashboard.pages.agents.replay_view import parse_failures, replay_view
from gateway.identity.roles import Permission
from infra import ids
from infra.errors import AppError

_WAIT_S = 20.0
_MAX_TOKEN = 64


class AgentRunPages(Controller):
    """Handlers of `/dashboard/agents/…/run` and `/replay`."""

    path = "/agents/{agent:str}"
    dependencies = {"agents": Provide(provide_agents)}  # noqa: RUF012  # Litestar's

    @post("/run", permission=Permission.CALL)
    async def run(
        self,
        agents: NamedDependency[AgentPage],
        agent_skills: NamedDependency[SkillParts],
        request: Request[Any, Any, Any],
        agent: FromPath[str],
    ) -> Response[Any]:
        """Run the agent once for each form that was shown, and show what it decided."""
        shown = (await read_form_fields(request)).get("request", "")[:_MAX_TOKEN]
        key = f"page:{shown or ids.new_id().hex}"
        try:
            async with agents.database.transaction() as session:
                row = await find_agent(session, agents.page.account_id, agent)
                wanted = RunRequest(agent, row.key_id, key, chain=(agent,))
                run = await agent_skills.runs.request(agents.change(session), wanted)
        except (AgentRunning, AgentNotActive, AgentRunLimitReached) as error:
            return await render_agent(agents, agent, error)
        run = await agent_skills.runs.wait(run, _WAIT_S)
        return agents.page.redirect(f"{agent_url(run.agent_id)}?run={ids.format_id(RUN, run.id)}")

    @post("/replay", permission=Permission.CALL)
    async def replay(
        self,
        agents: NamedDependency[AgentPage],
        agent_replayer: NamedDependency[AgentReplayer],
        request: Request[Any, Any, Any],
        agent: FromPath[str],
    ) -> Response[str]:
        """Show what the agent would have done in the last 30 days, by its rules."""
        end, text = agents.clock.now(), (await read_form_fields(request)).get("failures", "")
        async with agents.database.transaction() as session:
            row = await find_agent(session, agents.page.account_id, agent)
            zone, _ = await load_account(session, agents.page.account_id)
        try:
            asked = ReplayRequest(end - USUAL_PERIOD, end, parse_failures(text, zone))
            definition = read_definition(row.definition)
            replayed = await agent_replayer.replay(row, definition, row.key_id, asked)
        except AppError as error:
            return await render_agent(agents, agent, error, values={"failures": text})
        return await render_agent(agents, agent, replay=replay_view(replayed, asked, text))
