"""Call a skill: chain of agents, permission and request limit first, then the skill itself."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gateway.access.key_permissions import KeyPermission, require_permission
from gateway.agents.requests.chains import extended
from gateway.agents.requests.errors import AgentCallCycle, AgentChainTooLong
from gateway.agents.skills.changing import decide_action, request_run_of
from gateway.agents.skills.parts import SkillParts
from gateway.agents.skills.reading import actions_of, agents_of, decisions_of, status_of
from gateway.agents.skills.replaying import replay_of
from gateway.agents.skills.values import SKILLS, SkillCaller
from gateway.identity.audit_log import record_audit_event
from infra.errors import AppError

Handler = Callable[[SkillParts, SkillCaller, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
_HANDLERS: Mapping[str, Handler] = {
    "list_agents": agents_of,
    "agent_status": status_of,
    "agent_decisions": decisions_of,
    "agent_actions": actions_of,
    "run_agent": request_run_of,
    "replay_agent": replay_of,
    "approve_agent_action": decide_action("approve"),
    "reject_agent_action": decide_action("reject"),
    "undo_agent_action": decide_action("undo"),
}


async def call_skill(
    parts: SkillParts, caller: SkillCaller, name: str, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the answer of a skill, with the chain that the caller passes on for the agent.

    Raises KeyPermissionMissing, RateLimited, AgentCallCycle, AgentChainTooLong, ParameterInvalid
    and the errors of the skill.
    """
    chain = await admit_call(parts, caller, name, arguments.get("agent"))
    answer = await _HANDLERS[name](parts, caller, arguments)
    return {**answer, "agent_chain": list(chain)}


async def admit_call(
    parts: SkillParts, caller: SkillCaller, name: str, agent: object
) -> tuple[str, ...]:
    """Return the chain with the agent that is asked, if the caller may ask for the skill now.

    Raises KeyPermissionMissing, RateLimited, AgentCallCycle, AgentChainTooLong.
    """
    require_permission(caller.principal, KeyPermission.AGENTS)
    chain = await _extended(parts, caller, agent)
    if not SKILLS[name].is_read_only:
        await parts.request_limits.count_request(caller.principal.quotas)
    return chain


async def _extended(parts: SkillParts, caller: SkillCaller, agent: object) -> tuple[str, ...]:
    """Return the chain with the agent that is asked. Counts and audits what is refused."""
    if not isinstance(agent, str):
        return caller.chain
    try:
        return extended(caller.chain, agent, parts.max_chain)
    except (AgentCallCycle, AgentChainTooLong) as error:
        await _record_refusal(parts, caller, agent, error)
        raise


async def _record_refusal(
    parts: SkillParts, caller: SkillCaller, agent: str, error: AppError
) -> None:
    """Count a refused call of an agent, and record it in the audit log."""
    reason = "cycle" if isinstance(error, AgentCallCycle) else "too_long"
    parts.metrics.loops.labels(caller.protocol, reason).inc()
    details = {"code": error.code, "protocol": caller.protocol, "chain": list(caller.chain)}
    async with parts.database.transaction() as session:
        await record_audit_event(
            *(session, parts.clock, caller.actor, caller.principal.account_id),
            *("agent.call_refused", agent[:100], details),
        )
