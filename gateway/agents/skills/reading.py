"""Skills that read: agents, their status, decisions and actions."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.agents.actions.deciding import list_actions
from gateway.agents.public_ids import ACTION, AGENT, TICK
from gateway.agents.rules import evaluate_rules
from gateway.agents.running.observing import observe
from gateway.agents.skills.arguments import (
    ActionsArguments,
    AgentArguments,
    ListArguments,
    PageArguments,
    read_arguments,
)
from gateway.agents.skills.parts import SkillParts
from gateway.agents.skills.values import SkillCaller
from gateway.agents.state import read_state
from gateway.agents.store.agents import find_agent, list_agents, read_definition
from gateway.agents.store.ticks import list_ticks
from gateway.agents.views import action_json, agent_json, tick_json
from gateway.call.errors import ParameterInvalid
from gateway.plant.store.queries import find_asset
from gateway.tables.agents import AgentActionStatus
from infra import ids

_MAX_PROPOSALS = 20
Answer = Mapping[str, Any]


async def agents_of(parts: SkillParts, caller: SkillCaller, arguments: Answer) -> Answer:
    """Return a page of agents. Raises PlantNodeNotFound, ParameterInvalid."""
    wanted = read_arguments(arguments, ListArguments)
    account_id, now = caller.principal.account_id, parts.clock.now()
    after = _cursor(AGENT, wanted.after)
    async with parts.database.transaction() as session:
        asset_id = None
        if wanted.asset is not None:
            asset_id = (await find_asset(session, account_id, wanted.asset)).id
        rows = await list_agents(session, account_id, wanted.limit, after, asset_id)
    return {"agents": [agent_json(row, now) for row in rows]}


async def status_of(parts: SkillParts, caller: SkillCaller, arguments: Answer) -> Answer:
    """Return an agent, what its rules see now, its last decision and open proposals."""
    agent = read_arguments(arguments, AgentArguments).agent
    account_id, now = caller.principal.account_id, parts.clock.now()
    async with parts.database.transaction() as session:
        row = await find_agent(session, account_id, agent)
        definition = read_definition(row.definition)
        (readings,) = await observe(session, account_id, [(row.asset_id, definition)])
        ticks = await list_ticks(session, account_id, row.id, 1)
        proposed = await list_actions(
            *(session, account_id, _MAX_PROPOSALS, None, row.id, AgentActionStatus.PROPOSED)
        )
    results = evaluate_rules(definition.rules, readings, read_state(row.state).since, now)
    return {
        "agent": agent_json(row, now),
        "sees": msgspec.to_builtins(results),
        "last_decision": tick_json(ticks[0]) if ticks else None,
        "proposals": [action_json(one) for one in proposed if one.expires_at > now],
    }


async def decisions_of(parts: SkillParts, caller: SkillCaller, arguments: Answer) -> Answer:
    """Return a page of the decisions of an agent."""
    wanted = read_arguments(arguments, PageArguments)
    account_id, after = caller.principal.account_id, _cursor(TICK, wanted.after)
    async with parts.database.transaction() as session:
        row = await find_agent(session, account_id, wanted.agent)
        ticks = await list_ticks(session, account_id, row.id, wanted.limit, after)
    return {"decisions": [tick_json(one) for one in ticks]}


async def actions_of(parts: SkillParts, caller: SkillCaller, arguments: Answer) -> Answer:
    """Return a page of actions. Raises ParameterInvalid for an unknown status."""
    wanted = read_arguments(arguments, ActionsArguments)
    account_id, after = caller.principal.account_id, _cursor(ACTION, wanted.after)
    status = _status(wanted.status)
    async with parts.database.transaction() as session:
        agent_id = None
        if wanted.agent is not None:
            row = await find_agent(session, account_id, wanted.agent, with_deleted=True)
            agent_id = row.id
        rows = await list_actions(session, account_id, wanted.limit, after, agent_id, status)
    return {"actions": [action_json(one) for one in rows]}


def _status(name: str | None) -> AgentActionStatus | None:
    """Return the status of a filter. Raises ParameterInvalid."""
    if name is None:
        return None
    try:
        return AgentActionStatus(name)
    except ValueError as error:
        known = ", ".join(AgentActionStatus)
        raise ParameterInvalid(f"`status` must be one of: {known}.", param="status") from error


def _cursor(prefix: str, after: str | None) -> Any:
    """Return the id after which a page begins. Raises ParameterInvalid."""
    found = None if after is None else ids.parse_id(prefix, after)
    if after is not None and found is None:
        raise ParameterInvalid(f"`after` must be an ID ({prefix}_…).", param="after")
    return found
