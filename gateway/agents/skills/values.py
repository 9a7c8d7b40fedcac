"""A skill of agents, who asks for it, and the skills that there are."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.call.values import Principal
from gateway.identity.audit_log import Actor


@dataclass(frozen=True, slots=True)
class SkillCaller:
    """Who asks. protocol: `a2a` or `mcp`. chain: agents that wait for the answer.

    request_key: of idempotency, None without one. most_nano: of X-Max-Cost.
    """

    principal: Principal
    actor: Actor
    protocol: str
    chain: tuple[str, ...] = ()
    request_key: str | None = None
    most_nano: int | None = None


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill as clients see it. is_billed: a call may cost something."""

    name: str
    title: str
    description: str
    result: str
    is_read_only: bool = True
    is_destructive: bool = False
    is_idempotent: bool = True
    is_billed: bool = False


SKILLS: Mapping[str, Skill] = {
    one.name: one
    for one in (
        Skill(
            "list_agents",
            "List agents",
            "Lists the account's agents with status, asset and budget, newest first.",
            "agents",
        ),
        Skill(
            "agent_status",
            "Status of an agent",
            "Returns the status of an agent, what its rules see now on its asset, its last "
            "decision with reason, and its open proposals.",
            "agent",
        ),
        Skill(
            "agent_decisions",
            "Recent decisions of an agent",
            "Lists decisions with rules, expected costs, prediction, call and cost, newest first.",
            "decisions",
        ),
        Skill(
            "agent_actions",
            "List actions of agents",
            "Lists actions that agents took or proposed. `status` filters: proposed, executed, "
            "rejected, expired, undone, failed.",
            "actions",
        ),
        Skill(
            "run_agent",
            "Run an agent now",
            "Runs one tick of an active agent outside of its schedule, with the actions that its "
            "autonomy permits. A prediction is billed to the caller's key and counts in the "
            "agent's budget.",
            "run",
            is_read_only=False,
            # A new request without an idempotency key is another tick.
            is_idempotent=False,
            is_billed=True,
        ),
        Skill(
            "replay_agent",
            "Replay an agent",
            "Returns what an agent would have recommended on stored readings, by default of the "
            "last 30 days. Costs nothing unless `max_cost` allows predictions.",
            "replay",
            is_idempotent=False,
            is_billed=True,
        ),
        Skill(
            "approve_agent_action",
            "Approve an action",
            "Executes a proposed action of an agent. Ask the person in charge first.",
            "action",
            is_read_only=False,
        ),
        Skill(
            "reject_agent_action",
            "Reject an action",
            "Rejects a proposed action of an agent; it is not executed.",
            "action",
            is_read_only=False,
            is_destructive=True,
        ),
        Skill(
            "undo_agent_action",
            "Undo an action",
            "Undoes an executed action of an agent: its work order is retired.",
            "action",
            is_read_only=False,
            is_destructive=True,
        ),
    )
}
"""Skills by name; `result` is the field of the answer."""
