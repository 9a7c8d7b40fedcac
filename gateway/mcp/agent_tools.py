"""Tools on agents: what other programs can ask of them, as the Agent2Agent protocol offers it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import exists
from sqlmodel import col, select

from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.access.key_permissions import KeyPermission, may_use
from gateway.agents.requests.chains import CHAIN_HEADER, parse_chain
from gateway.agents.skills.arguments import SCHEMAS
from gateway.agents.skills.calls import call_skill
from gateway.agents.skills.parts import SkillParts
from gateway.agents.skills.values import SKILLS, Skill, SkillCaller
from gateway.identity.audit_log import Actor
from gateway.inference.admission import parse_max_cost
from gateway.mcp.tools import Tool, ToolAnswer, ToolCaller, object_schema, result_schema
from gateway.tables.agents import Agent, AgentStatus
from infra import ids

_LISTS = ("agents", "decisions", "actions")
_CHAIN = {"type": "array", "items": {"type": "string"}}


class AgentTools:
    """The tools on an account's agents; there are none without an agent or the permission."""

    kind = "agent"

    def __init__(self, parts: SkillParts) -> None:
        self._parts = parts

    async def list_tools(self, caller: ToolCaller) -> list[Tool]:
        """Return the tools if the key may use agents and the account has one."""
        if not may_use(caller.principal, KeyPermission.AGENTS):
            return []
        has_agents = select(
            exists().where(
                col(Agent.account_id) == caller.principal.account_id,
                col(Agent.status) != AgentStatus.DELETED,
            )
        )
        async with self._parts.database.transaction() as session:
            found = (await session.scalars(has_agents)).one()
        return [_tool(skill) for skill in SKILLS.values()] if found else []

    async def call(
        self, caller: ToolCaller, name: str, arguments: Mapping[str, Any]
    ) -> ToolAnswer | None:
        """Call one of the tools. Raises the errors of the skill."""
        if name not in SKILLS:
            return None
        return ToolAnswer(await call_skill(self._parts, _caller(caller), name, arguments))


def _caller(caller: ToolCaller) -> SkillCaller:
    """Return who asks for a skill. Raises AgentChainInvalid, ParameterInvalid."""
    headers, key = caller.headers, ids.format_id(KEY_PREFIX, caller.principal.key_id)
    request_key = headers.get(b"idempotency-key")
    return SkillCaller(
        principal=caller.principal,
        actor=Actor.from_api_key(key, caller.address),
        protocol="mcp",
        chain=parse_chain(headers.get(CHAIN_HEADER.encode(), b"").decode("latin-1")),
        request_key=None if request_key is None else request_key.decode("latin-1"),
        most_nano=parse_max_cost(headers),
    )


def _tool(skill: Skill) -> Tool:
    """Return the tool of a skill."""
    properties, required = SCHEMAS[skill.name]
    shape = {"type": "array" if skill.result in _LISTS else "object"}
    return Tool(
        name=skill.name,
        title=skill.title,
        description=skill.description,
        input_schema=object_schema(properties, required),
        output_schema=result_schema(
            {skill.result: shape, "agent_chain": _CHAIN}, [skill.result, "agent_chain"]
        ),
        is_billed=skill.is_billed,
        is_read_only=skill.is_read_only,
        is_destructive=skill.is_destructive,
        is_idempotent=skill.is_idempotent,
    )
