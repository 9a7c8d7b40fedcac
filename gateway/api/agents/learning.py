"""`/v1/agents/{agent}/…`: feedback on decisions, policies, proposed limits, and transfer."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.learning.feedback import NewFeedback, give_feedback, list_feedback
from gateway.agents.learning.lifecycle import PolicyEditor, lock_agent
from gateway.agents.learning.limits import decide_limit, list_limits
from gateway.agents.learning.policy_rows import PURPOSE, find_policy, list_policies
from gateway.agents.learning.steps import list_steps
from gateway.agents.learning.transfer import carry_policy, plan_json, plan_transfer
from gateway.agents.learning.views import (
    feedback_json,
    learning_json,
    limit_json,
    policy_json,
)
from gateway.agents.public_ids import TICK
from gateway.agents.store.agents import find_agent, read_definition
from gateway.agents.store.owners import AgentOwner
from gateway.api.agents.bodies import MAX_BODY_BYTES, PATH
from gateway.api.agents.editing import AgentEditing, provide_agent_editing
from gateway.api.idempotency import IdempotencyKey
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.values import Principal
from gateway.tables.agents import Agent
from gateway.tables.agents_learning import AgentLearning, FeedbackVerdict
from gateway.wire.body import decode_body_strict
from infra.database.database import Database
from infra.secrets.secret_key import secret_key
from infra.secrets.signing_key import SigningKey
from infra.settings import Settings
from infra.telemetry.metrics import Metrics

_Instant = Annotated[datetime, msgspec.Meta(tz=True)]
_Text = Annotated[str, msgspec.Meta(max_length=2_000)]


class AgentFeedbackRequest(msgspec.Struct, kw_only=True):
    """What became of a decision. `fault` is needed with `corrected`, and only there.

    `cost` is what the action really cost. `observed` is the observed result of the specialist's
    call, for own models.
    """

    verdict: FeedbackVerdict
    fault: bool | None = None
    found: _Text = ""
    found_at: _Instant | None = None
    cost: float | None = None
    observed: float | str | bool | None = None


class AgentPolicyFile(msgspec.Struct, kw_only=True):
    """An exported policy: `content` and `signature` as `GET …/policies/{policy}` returns them."""

    content: str
    signature: str


class AgentTransferRequest(msgspec.Struct, kw_only=True):
    """The other asset, by code or ID; with `dry_run` nothing is created.

    `key` is the API key that pays for the new agent; default: that of the agent.
    """

    asset: str
    name: Annotated[str, msgspec.Meta(max_length=120)] = ""
    key: str | None = None
    dry_run: bool = False


_FEEDBACK = msgspec.json.Decoder(AgentFeedbackRequest)
_FILE = msgspec.json.Decoder(AgentPolicyFile)
_TRANSFER = msgspec.json.Decoder(AgentTransferRequest)
BODIES: Mapping[str, type[msgspec.Struct]] = {
    f"{PATH}/{{agent}}/ticks/{{tick}}/feedback": AgentFeedbackRequest,
    f"{PATH}/{{agent}}/policies": AgentPolicyFile,
    f"{PATH}/{{agent}}/transfer": AgentTransferRequest,
}
_PolicyEdit = Callable[[PolicyEditor], Awaitable[dict[str, Any]]]


class AgentLearningRoutes(Controller):
    """What an agent learned, and feedback on its decisions."""

    path = f"{PATH}/{{agent:str}}"
    request_max_body_size = MAX_BODY_BYTES
    dependencies = {"editing": Provide(provide_agent_editing)}  # noqa: RUF012  # Litestar's

    @post("/ticks/{tick:str}/feedback", status_code=200, summary="Give feedback on a decision")
    async def give(
        self,
        editing: NamedDependency[AgentEditing],
        metrics: NamedDependency[Metrics],
        request: Request[Any, Any, Any],
        agent: FromPath[str],
        tick: FromPath[str],
    ) -> dict[str, Any]:
        """Save feedback on a tick; it replaces earlier feedback on the tick."""
        body = await request.body()

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Save the feedback."""
            row = await owner.require_allowed(agent)
            new = parse_agent_feedback(body)
            return feedback_json(await give_feedback(owner.change, row, tick, new))

        shown = await editing.apply(edit)
        metrics.agents.feedback.labels(shown["verdict"]).inc()
        return shown

    @get("/feedback", summary="List feedback on an agent's decisions, newest decisions first")
    async def feedback(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        agent: FromPath[str],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of feedback; `after` is the ID of a tick."""
        cursor, account_id = parse_cursor(TICK, after), principal.account_id
        async with database.transaction() as session:
            row = await find_agent(session, account_id, agent)
            rows = await list_feedback(session, account_id, row.id, limit + 1, cursor)
        found = [feedback_json(one) for one in rows[:limit]]
        return {"object": "list", "data": found, "has_more": len(rows) > limit}

    @get("/learning", summary="Retrieve how an agent learns")
    async def learning(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        agent: FromPath[str],
    ) -> dict[str, Any]:
        """Return settings, known outcomes, what a training waits for, and steps of policies."""
        account_id = principal.account_id
        async with database.transaction() as session:
            row = await find_agent(session, account_id, agent)
            state = await session.get(AgentLearning, row.id)
            steps = await list_steps(session, account_id, row.id)
        return learning_json(row, read_definition(row.definition).learning, state, steps)

    @get("/policies", summary="List the policies of an agent, newest first")
    async def policies(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        agent: FromPath[str],
    ) -> dict[str, Any]:
        """Return all policies with their evidence."""
        account_id = principal.account_id
        async with database.transaction() as session:
            row = await find_agent(session, account_id, agent)
            found = await list_policies(session, account_id, row.id)
        return page_json(found, len(found), policy_json)

    @get("/policies/{policy:str}", summary="Retrieve a policy with its file")
    async def policy(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        agent: FromPath[str],
        policy: FromPath[str],
    ) -> dict[str, Any]:
        """Return a policy with `content` and `signature`, which can be imported again."""
        async with database.transaction() as session:
            row = await find_agent(session, principal.account_id, agent)
            return policy_json(await find_policy(session, row, policy), with_file=True)

    @post("/policies", status_code=200, summary="Import a policy; it begins in shadow")
    async def add(
        self,
        editing: NamedDependency[AgentEditing],
        settings: NamedDependency[Settings],
        request: Request[Any, Any, Any],
        agent: FromPath[str],
    ) -> dict[str, Any]:
        """Import an exported policy of this agent; one of another plant is refused."""
        body = await request.body()

        async def edit(editor: PolicyEditor) -> dict[str, Any]:
            """Import the file."""
            file = decode_body_strict(_FILE, body)
            return policy_json(await editor.import_file(file.content.encode(), file.signature))

        return await editing.apply(_policy_edit(settings, agent, edit))

    @post("/policies/{policy:str}/promote", status_code=200, summary="Promote a policy")
    async def promote(
        self,
        editing: NamedDependency[AgentEditing],
        settings: NamedDependency[Settings],
        agent: FromPath[str],
        policy: FromPath[str],
    ) -> dict[str, Any]:
        """Let a policy that passed its shadow period decide."""

        async def edit(editor: PolicyEditor) -> dict[str, Any]:
            """Promote the policy."""
            return policy_json(await editor.promote(policy))

        return await editing.apply(_policy_edit(settings, agent, edit))

    @post("/policies/rollback", status_code=200, summary="Roll back the policy in use")
    async def roll_back(
        self,
        editing: NamedDependency[AgentEditing],
        settings: NamedDependency[Settings],
        agent: FromPath[str],
    ) -> dict[str, Any]:
        """Let the policy before it decide again, or the expected cost."""

        async def edit(editor: PolicyEditor) -> dict[str, Any]:
            """Roll back."""
            return policy_json(await editor.roll_back({"reasons": ["by_hand"]}))

        return await editing.apply(_policy_edit(settings, agent, edit))

    @get("/limits", summary="List proposed limits of rules, newest first")
    async def proposed_limits(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        agent: FromPath[str],
    ) -> dict[str, Any]:
        """Return limits that were proposed after false alarms, with their figures."""
        account_id = principal.account_id
        async with database.transaction() as session:
            row = await find_agent(session, account_id, agent)
            found = await list_limits(session, account_id, row.id)
        return page_json(found, len(found), limit_json)

    @post("/limits/{proposal:str}/accept", status_code=200, summary="Accept a proposed limit")
    async def accept(
        self,
        editing: NamedDependency[AgentEditing],
        agent: FromPath[str],
        proposal: FromPath[str],
    ) -> dict[str, Any]:
        """Change the rule: the next version of the agent."""
        return await editing.apply(_limit_edit(agent, proposal, True))

    @post("/limits/{proposal:str}/reject", status_code=200, summary="Reject a proposed limit")
    async def reject(
        self,
        editing: NamedDependency[AgentEditing],
        agent: FromPath[str],
        proposal: FromPath[str],
    ) -> dict[str, Any]:
        """Keep the limit as it is."""
        return await editing.apply(_limit_edit(agent, proposal, False))

    @post("/transfer", status_code=200, summary="Transfer an agent to another asset, paused")
    async def transfer(
        self,
        editing: NamedDependency[AgentEditing],
        settings: NamedDependency[Settings],
        request: Request[Any, Any, Any],
        agent: FromPath[str],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Create a paused agent for another asset; says what carries over and what does not."""
        body = await request.body()

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Plan the transfer, and create the agent unless it is a trial."""
            row = await owner.require_allowed(agent)
            wanted = decode_body_strict(_TRANSFER, body)
            plan = await plan_transfer(owner.change, row, wanted.asset, wanted.name)
            if wanted.dry_run:
                return {"object": "agent.transfer", "agent": None, **plan_json(plan)}
            paying = row.key_id if wanted.key is None else await owner.find_key(wanted.key)
            made = await owner.create(paying, plan.definition)
            await carry_policy(owner.change, _signing(settings), made.agent, plan)
            shown = editing.checked_json(made)
            return {"object": "agent.transfer", "agent": shown, **plan_json(plan)}

        return await editing.apply_once(idempotency_key, edit)


def parse_agent_feedback(body: bytes) -> NewFeedback:
    """Return the feedback of a body. Raises ParameterInvalid and those of an unreadable body."""
    read = decode_body_strict(_FEEDBACK, body)
    return NewFeedback(
        read.verdict, read.fault, read.found, read.found_at, read.cost, read.observed
    )


def _policy_edit(settings: Settings, agent: str, edit: _PolicyEdit) -> Any:
    """Return a change of an agent's policies."""

    async def change(owner: AgentOwner) -> dict[str, Any]:
        """Lock the agent and change its policies."""
        row = await _locked(owner.change.session, await owner.require_allowed(agent))
        return await edit(PolicyEditor(owner.change, _signing(settings), row))

    return change


def _limit_edit(agent: str, proposal: str, accepted: bool) -> Any:
    """Return the change that decides about a proposed limit."""

    async def edit(owner: AgentOwner) -> dict[str, Any]:
        """Decide about the limit."""
        row = await owner.require_allowed(agent)
        return limit_json(await decide_limit(owner.change, row, proposal, accepted))

    return edit


async def _locked(session: AsyncSession, agent: Agent) -> Agent:
    """Return an agent, locked."""
    return await lock_agent(session, agent) or agent


def _signing(settings: Settings) -> SigningKey:
    """Return the key that signs policies."""
    return SigningKey(secret_key(settings), PURPOSE)
