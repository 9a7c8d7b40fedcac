"""Skills that change: run an agent, and decide about its actions."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.actions.deciding import approve, find_action, reject, undo
from gateway.agents.errors import AgentActionNotFound
from gateway.agents.requests.store import RunRequest
from gateway.agents.requests.views import run_json
from gateway.agents.skills.arguments import ActionArguments, RunArguments, read_arguments
from gateway.agents.skills.parts import SkillParts
from gateway.agents.skills.values import SkillCaller
from gateway.agents.store.agents import AgentChange, find_agent
from gateway.agents.store.owners import AgentOwner
from gateway.agents.views import action_json
from gateway.inference.admission import parse_max_cost
from gateway.inference.idempotency import parse_idempotency_key
from gateway.tables.agents_a2a import AgentRun
from infra import ids

_DECISIONS = {"approve": approve, "reject": reject, "undo": undo}
Answer = Mapping[str, Any]


async def request_run_of(parts: SkillParts, caller: SkillCaller, arguments: Answer) -> Answer:
    """Run an agent and return the run once it has ended, or as it is after `wait_s`."""
    wait_s = read_arguments(arguments, RunArguments).wait_s
    async with parts.database.transaction() as session:
        run = await queue_run(parts, session, caller, arguments)
    return {"run": run_json(await parts.runs.wait(run, wait_s))}


async def queue_run(
    parts: SkillParts, session: AsyncSession, caller: SkillCaller, arguments: Answer
) -> AgentRun:
    """Queue a run of the caller's key. Raises the errors of `request_run`, AgentKeyNotAllowed."""
    wanted = read_arguments(arguments, RunArguments)
    key = wanted.idempotency_key or caller.request_key
    request = RunRequest(
        agent=wanted.agent,
        key_id=caller.principal.key_id,
        request_key=ids.new_id().hex if key is None else parse_idempotency_key(key),
        most_nano=_most(caller, wanted.max_cost),
        chain=(*caller.chain, wanted.agent),
    )
    owner = owner_of(parts, session, caller)
    await owner.require_allowed(wanted.agent)
    return await parts.runs.request(owner.change, request)


def owner_of(parts: SkillParts, session: AsyncSession, caller: SkillCaller) -> AgentOwner:
    """Return what makes the caller's changes in a transaction."""
    change = AgentChange(session, parts.clock, caller.actor, caller.principal.account_id)
    return AgentOwner(change, parts.catalog, parts.most, caller.principal)


def decide_action(
    decision: str,
) -> Callable[[SkillParts, SkillCaller, Answer], Awaitable[Answer]]:
    """Return the skill that decides about an action."""

    async def decide(parts: SkillParts, caller: SkillCaller, arguments: Answer) -> Answer:
        """Decide; a repeated decision changes nothing. Raises AgentActionClosed."""
        wanted = read_arguments(arguments, ActionArguments)
        async with parts.database.transaction() as session:
            change = owner_of(parts, session, caller).change
            if wanted.agent is not None:
                await _require_of_agent(change, wanted.action, wanted.agent)
            row = await _DECISIONS[decision](change, wanted.action)
        return {"action": action_json(row)}

    return decide


async def _require_of_agent(change: AgentChange, action: str, agent: str) -> None:
    """Raise AgentActionNotFound for an action of another agent."""
    row = await find_agent(change.session, change.account_id, agent, with_deleted=True)
    found = await find_action(change.session, change.account_id, action)
    if found.agent_id != row.id:
        raise AgentActionNotFound("The agent has no such action.", param="action")
    change.session.expunge(found)  # it is read anew under its lock


def _most(caller: SkillCaller, max_cost: str | None) -> int | None:
    """Return the most that a call may cost: of the argument and X-Max-Cost the lower one."""
    given = [caller.most_nano]
    if max_cost is not None:
        given.append(parse_max_cost({b"x-max-cost": max_cost.encode()}))
    stated = [one for one in given if one is not None]
    return min(stated) if stated else None
