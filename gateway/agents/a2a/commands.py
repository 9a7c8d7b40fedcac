"""What a message asks for: a skill with arguments, as data or as a few words of text.

{"skill": "run_agent", "arguments": {"max_cost": "0.05"}}
run max_cost=0.05
approve act_…
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.agents.a2a.errors import A2aError, content_type_not_supported, invalid_params
from gateway.agents.a2a.messages import Part
from gateway.agents.public_ids import ACTION, AGENT
from gateway.agents.skills.values import SKILLS

LIST, RUN = "list_agents", "run_agent"
APPROVE, REJECT = "approve_agent_action", "reject_agent_action"
REPLAY = "replay_agent"
_WORDS: Mapping[str, str] = {
    **{name: name for name in SKILLS},
    "list": LIST,
    "agents": LIST,
    "status": "agent_status",
    "decisions": "agent_decisions",
    "actions": "agent_actions",
    "proposals": "agent_actions",
    "run": RUN,
    "replay": "replay_agent",
    "approve": APPROVE,
    "reject": REJECT,
    "undo": "undo_agent_action",
}
_MAX_TEXT = 2_000


@dataclass(frozen=True, slots=True)
class Command:
    """A skill and its arguments."""

    skill: str
    arguments: Mapping[str, Any]


def read_command(parts: Sequence[Part], agent: str | None) -> Command:
    """Return what a message asks for.

    agent: the agent of the address, None for the address of all agents. Raises A2aError.
    """
    if len(parts) != 1:
        raise content_type_not_supported()
    part = parts[0]
    if part.text is not None:
        return _for_agent(_of_text(part.text), agent)
    if part.data is not None:
        return _for_agent(_of_data(part.data), agent)
    raise content_type_not_supported()


def _of_data(data: object) -> Command:
    """Return the command of a data part."""
    if not isinstance(data, dict):
        raise invalid_params("`data` must be an object with `skill` and `arguments`.", "data")
    skill, arguments = data.get("skill"), data.get("arguments", {})
    if not isinstance(skill, str) or skill not in _WORDS:
        raise _unknown(str(skill))
    if not isinstance(arguments, dict) or set(data) - {"skill", "arguments"}:
        raise invalid_params("`data` has only `skill` and `arguments`, an object.", "data")
    # Numbers of the protocol's own JSON are doubles.
    whole = {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in arguments.items()
    }
    return Command(_WORDS[skill], whole)


def _of_text(text: str) -> Command:
    """Return the command of a text: a word, then ids and name=value."""
    word, *rest = text[:_MAX_TEXT].split() or [""]
    skill = _WORDS.get(word.casefold().rstrip(".:!?"))
    if skill is None:
        raise _unknown(word)
    arguments: dict[str, Any] = {}
    for token in rest:
        name, sign, value = token.partition("=")
        if sign:
            arguments[name] = int(value) if value.isdecimal() and name == "limit" else value
        elif token.startswith(f"{AGENT}_"):
            arguments["agent"] = token
        elif token.startswith(f"{ACTION}_"):
            arguments["action"] = token
        else:
            raise invalid_params(
                f"{token[:40]!r} is not understood. Write IDs, or name=value.", "text"
            )
    return Command(skill, arguments)


def _for_agent(command: Command, agent: str | None) -> Command:
    """Return a command with the agent of the address. Raises A2aError for another agent."""
    if agent is None:
        return command
    if command.skill == LIST:
        raise invalid_params("This address is of one agent. Ask `/a2a` for the list.", "skill")
    named = command.arguments.get("agent", agent)
    if named != agent:
        raise invalid_params(f"This address is of the agent {agent} alone.", "agent")
    return Command(command.skill, {**command.arguments, "agent": agent})


def _unknown(word: str) -> A2aError:
    """Return the error of a message that names no skill."""
    return invalid_params(
        f"{word[:40]!r} is not a skill. Ask for one of: {', '.join(SKILLS)}; or write status, "
        "decisions, actions, run, replay, approve, reject or undo.",
        "skill",
    )
