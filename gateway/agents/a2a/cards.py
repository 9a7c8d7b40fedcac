"""Agent cards: what can be asked, where and how; nothing of an account without its key."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from gateway.agents.a2a.commands import LIST
from gateway.agents.public_ids import AGENT
from gateway.agents.requests.chains import CHAIN_HEADER, METADATA_KEY
from gateway.agents.skills.values import SKILLS, Skill
from gateway.tables.agents import Agent
from infra import ids

PROTOCOL, PATH = "1.0", "/a2a"
CARD_PATH = "/.well-known/agent-card.json"
CHAIN_EXTENSION = "urn:maas:a2a:agent-chain:1"
_JSON, _TEXT = "application/json", "text/plain"
_EXAMPLES = {
    "agent_status": "status",
    "agent_decisions": "decisions limit=5",
    "agent_actions": "actions status=proposed",
    "run_agent": "run max_cost=0.05",
    "replay_agent": '{"skill": "replay_agent", "arguments": {"max_cost": "0"}}',
    "approve_agent_action": "approve act_…",
    "reject_agent_action": "reject act_…",
    "undo_agent_action": "undo act_…",
    "list_agents": "list",
}


def platform_card(base: str) -> dict[str, Any]:
    """Return the public card: the skills that every account has, and none of its agents."""
    return {
        "name": "Model as a Service",
        "description": "Industrial agents that watch assets. An API key shows the account's own.",
        **_common(base, PATH, has_extended=True),
        "skills": [_skill(one) for one in SKILLS.values()],
    }


def account_card(base: str, agents: Sequence[Agent]) -> dict[str, Any]:
    """Return the extended card of an account: its agents are skills besides."""
    card = platform_card(base)
    return {**card, "skills": [*card["skills"], *(_agent_skill(base, row) for row in agents)]}


def agent_card(base: str, row: Agent) -> dict[str, Any]:
    """Return the card of one agent, for keys of its account."""
    return {
        "name": row.name,
        "description": _about(row),
        **_common(base, f"{PATH}/agents/{ids.format_id(AGENT, row.id)}", has_extended=False),
        "skills": [_skill(one) for one in SKILLS.values() if one.name != LIST],
    }


def _common(base: str, path: str, *, has_extended: bool) -> dict[str, Any]:
    """Return the fields that all cards have."""
    return {
        "version": version("maas-gateway"),
        "supportedInterfaces": [
            {"url": f"{base}{path}", "protocolBinding": "JSONRPC", "protocolVersion": PROTOCOL}
        ],
        "provider": {"organization": "Model as a Service", "url": base},
        "documentationUrl": f"{base}/docs",
        "capabilities": {
            "streaming": True,
            "pushNotifications": False,
            "extendedAgentCard": has_extended,
            "extensions": [
                {
                    "uri": CHAIN_EXTENSION,
                    "description": (
                        f"Pass on the header {CHAIN_HEADER} or the metadata {METADATA_KEY}, so "
                        "that agents that call each other end."
                    ),
                    "required": False,
                }
            ],
        },
        "securitySchemes": {
            "apiKey": {"httpAuthSecurityScheme": {"scheme": "Bearer", "description": "An API key"}}
        },
        "securityRequirements": [{"schemes": {"apiKey": {"list": []}}}],
        "defaultInputModes": [_JSON, _TEXT],
        "defaultOutputModes": [_JSON, _TEXT],
    }


def _skill(skill: Skill) -> dict[str, Any]:
    """Return a skill."""
    tags = ["agents", "read" if skill.is_read_only else "change"]
    return {
        "id": skill.name,
        "name": skill.title,
        "description": skill.description,
        "tags": [*tags, "billed"] if skill.is_billed else tags,
        "examples": [_EXAMPLES[skill.name]],
    }


def _agent_skill(base: str, row: Agent) -> dict[str, Any]:
    """Return an agent as a skill, with the address of its own card."""
    public_id = ids.format_id(AGENT, row.id)
    card = f"{base}{PATH}/agents/{public_id}{CARD_PATH}"
    return {
        "id": public_id,
        "name": row.name,
        "description": f"{_about(row)} Card: {card}",
        "tags": ["agent", row.status],
        "examples": [f"status {public_id}"],
    }


def _about(row: Agent) -> str:
    """Return what an agent does, in a sentence."""
    definition = row.definition
    return (
        f"Watches the asset {definition['asset']} with autonomy `{definition['autonomy']}`; "
        f"it is {row.status}."
    )
