"""Feedback on decisions, policies and proposed limits of an agent, and its transfer."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from gateway.agents.learning.errors import (
    AgentFeedbackLate,
    AgentPolicyNotReady,
    AgentProposalClosed,
    AgentTransferInvalid,
)
from gateway.agents.learning.feedback import NewFeedback, give_feedback
from gateway.agents.learning.lifecycle import PolicyEditor, lock_agent
from gateway.agents.learning.limits import decide_limit
from gateway.agents.learning.policy_rows import PURPOSE
from gateway.agents.learning.transfer import TransferPlan, carry_policy, plan_transfer
from gateway.agents.public_ids import AGENT
from gateway.agents.store.agents import (
    AgentChange,
    change_definition,
    create_agent,
    find_agent,
    read_definition,
)
from gateway.call.errors import ParameterInvalid
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE
from gateway.dashboard.pages.agents.agent import render_agent
from gateway.dashboard.pages.agents.common import AgentPage, agent_url, provide_agents
from gateway.identity.roles import Permission
from gateway.plant.assets.errors import PlantNodeNotFound
from gateway.tables.agents import Agent
from gateway.tables.agents_learning import FeedbackVerdict
from infra import ids
from infra.secrets.secret_key import secret_key
from infra.secrets.signing_key import SigningKey
from infra.settings import Settings

_Change = Callable[[AgentChange, Agent], Awaitable[object]]
_REFUSED = (AgentFeedbackLate, AgentPolicyNotReady, AgentProposalClosed, ParameterInvalid)


class AgentLearningPages(Controller):
    """Handlers of `/dashboard/agents/…` about what an agent learns."""

    path = "/agents/{agent:str}"
    dependencies = {"agents": Provide(provide_agents)}  # noqa: RUF012  # Litestar's

    @post("/ticks/{tick:str}/feedback", permission=Permission.PLANT)
    async def feedback(
        self,
        agents: NamedDependency[AgentPage],
        request: Request[Any, Any, Any],
        agent: FromPath[str],
        tick: FromPath[str],
    ) -> Response[Any]:
        """Save feedback on a decision."""
        fields = await read_form_fields(request)
        return await _apply(
            agents,
            agent,
            "decisions",
            lambda change, row: give_feedback(change, row, tick, _feedback(fields)),
        )

    @post("/learning/{switch:str}", permission=Permission.CALL)
    async def switch_learning(
        self, agents: NamedDependency[AgentPage], agent: FromPath[str], switch: FromPath[str]
    ) -> Response[Any]:
        """Turn learning on or off: the next version of the agent."""
        if switch not in ("on", "off"):
            raise PageNotFound("Page not found.")
        return await _apply(
            agents,
            agent,
            "learning",
            lambda change, row: _set_learning(change, row, switch == "on"),
        )

    @post("/policies/{policy:str}/promote", permission=Permission.CALL)
    async def promote(
        self,
        agents: NamedDependency[AgentPage],
        settings: NamedDependency[Settings],
        agent: FromPath[str],
        policy: FromPath[str],
    ) -> Response[Any]:
        """Let a policy decide."""
        return await _apply(
            agents,
            agent,
            "learning",
            lambda change, row: PolicyEditor(change, _signing(settings), row).promote(policy),
        )

    @post("/policies/rollback", permission=Permission.CALL)
    async def roll_back(
        self,
        agents: NamedDependency[AgentPage],
        settings: NamedDependency[Settings],
        agent: FromPath[str],
    ) -> Response[Any]:
        """Take back the policy in use."""
        figures = {"reasons": ["by_hand"]}
        return await _apply(
            agents,
            agent,
            "learning",
            lambda change, row: PolicyEditor(change, _signing(settings), row).roll_back(figures),
        )

    @post("/limits/{limit:str}/accept", permission=Permission.CALL)
    async def accept(
        self, agents: NamedDependency[AgentPage], agent: FromPath[str], limit: FromPath[str]
    ) -> Response[Any]:
        """Change the rule to a proposed limit."""
        return await _apply(
            agents, agent, "learning", lambda change, row: decide_limit(change, row, limit, True)
        )

    @post("/limits/{limit:str}/reject", permission=Permission.CALL)
    async def reject(
        self, agents: NamedDependency[AgentPage], agent: FromPath[str], limit: FromPath[str]
    ) -> Response[Any]:
        """Keep the limit of a rule."""
        return await _apply(
            agents, agent, "learning", lambda change, row: decide_limit(change, row, limit, False)
        )

    @get("/transfer", name="dashboard:agent-transfer", permission=Permission.CALL)
    async def transfer(
        self, agents: NamedDependency[AgentPage], agent: FromPath[str]
    ) -> Response[str]:
        """Ask for the asset to which the agent is transferred."""
        return await _render_transfer(agents, agent, EMPTY_FORM, None)

    @post("/transfer", permission=Permission.CALL)
    async def transferred(
        self,
        agents: NamedDependency[AgentPage],
        settings: NamedDependency[Settings],
        request: Request[Any, Any, Any],
        agent: FromPath[str],
    ) -> Response[Any]:
        """Show what carries over, or create the agent if that was seen."""
        fields = await read_form_fields(request)
        asset, name = fields.get("asset", "").strip(), fields.get("name", "").strip()[:120]
        try:
            async with agents.database.transaction() as session:
                row = await find_agent(session, agents.page.account_id, agent)
                change = agents.change(session)
                plan = await plan_transfer(change, row, asset, name)
                if fields.get("create") != "yes":
                    form = FormState(values=fields)
                    return await _render_transfer(agents, agent, form, plan)
                made = await create_agent(change, row.key_id, plan.definition, agents.most)
                await carry_policy(change, _signing(settings), made, plan)
                return agents.page.redirect(agent_url(made.id))
        except (AgentTransferInvalid, PlantNodeNotFound) as error:
            form = with_errors(agents.page, fields, error)
            return await _render_transfer(agents, agent, form, None, UNPROCESSABLE)


async def _apply(agents: AgentPage, agent: str, part: str, edit: _Change) -> Response[Any]:
    """Make a change of a locked agent and show its part of the page."""
    try:
        async with agents.database.transaction() as session:
            row = await find_agent(session, agents.page.account_id, agent)
            locked = await lock_agent(session, row) or row
            await edit(agents.change(session), locked)
    except _REFUSED as error:
        return await render_agent(agents, agent, error)
    return agents.page.redirect(f"{agent_url(row.id)}#{part}")


async def _set_learning(change: AgentChange, row: Agent, enabled: bool) -> Agent:
    """Make a definition that learns, or does not, the next version; other settings are kept."""
    definition = read_definition(row.definition)
    if definition.learning.enabled == enabled:
        return row
    learning = msgspec.structs.replace(definition.learning, enabled=enabled)
    changed = msgspec.structs.replace(definition, learning=learning)
    return await change_definition(change, ids.format_id(AGENT, row.id), changed)


async def _render_transfer(
    agents: AgentPage,
    agent: str,
    form: FormState,
    plan: TransferPlan | None,
    status: int = 200,
) -> Response[str]:
    """Render the page of a transfer."""
    async with agents.database.transaction() as session:
        row = await find_agent(session, agents.page.account_id, agent)
    return agents.page.render(
        "agents/transfer.html",
        status=status,
        agent=row,
        url=agent_url(row.id),
        form=form,
        plan=plan,
    )


def _feedback(fields: dict[str, str]) -> NewFeedback:
    """Return the feedback of a form. Raises ParameterInvalid."""
    try:
        verdict = FeedbackVerdict(fields.get("verdict", ""))
    except ValueError as error:
        raise ParameterInvalid("`verdict` is not known.", param="verdict") from error
    fault = None
    if verdict is FeedbackVerdict.CORRECTED:
        fault = fields.get("fault") == "yes"
    return NewFeedback(verdict, fault, fields.get("found", "").strip())


def _signing(settings: Settings) -> SigningKey:
    """Return the key that signs policies."""
    return SigningKey(secret_key(settings), PURPOSE)
