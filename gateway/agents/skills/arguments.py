"""Arguments of skills, and their JSON schemas."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from gateway.call.errors import ParameterInvalid
from infra.validation_errors import parse_validation_error

MAX_ROWS = 100
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Rows = Annotated[int, Meta(ge=1, le=MAX_ROWS)]
Instant = Annotated[datetime, Meta(tz=True)]
_Shape = TypeVar("_Shape", bound=msgspec.Struct)


class ListArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of `list_agents`."""

    asset: Name | None = None
    limit: Rows = 20
    after: Name | None = None


class AgentArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of `agent_status`."""

    agent: Name


class PageArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of `agent_decisions`."""

    agent: Name
    limit: Rows = 10
    after: Name | None = None


class ActionsArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of `agent_actions`."""

    agent: Name | None = None
    status: Name | None = None
    limit: Rows = 20
    after: Name | None = None


class RunArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of `run_agent`. idempotency_key: the same key runs the agent once.

    wait_s: how long to wait for the end of the run, before its state so far is returned.
    """

    agent: Name
    max_cost: Name | None = None
    idempotency_key: Annotated[str, Meta(max_length=255)] | None = None
    wait_s: Annotated[float, Meta(ge=0, le=60)] = 30.0


class ReplayArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of `replay_agent`."""

    agent: Name
    start: Instant | None = msgspec.field(name="from", default=None)
    end: Instant | None = msgspec.field(name="to", default=None)
    failures: list[Instant] = []
    max_cost: Name = "0"


class ActionArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of skills that decide about an action. agent: if given, the action must be this agent's."""

    action: Name
    agent: Name | None = None


def read_arguments(arguments: Mapping[str, Any], shape: type[_Shape]) -> _Shape:
    """Convert arguments to a struct. Raises ParameterInvalid naming the argument."""
    try:
        return msgspec.convert(dict(arguments), shape)
    except msgspec.ValidationError as error:
        misfit = parse_validation_error(str(error))
        raise ParameterInvalid(f"`{misfit.path}`: {misfit.what}.", param=misfit.path) from None


_TEXT = {"type": "string"}
_TIME = {"type": "string", "format": "date-time"}
_ROWS = {"type": "integer", "minimum": 1, "maximum": MAX_ROWS}
_AGENT = {"type": "string", "description": "Agent ID (agent_…)"}
_PAGE = {"limit": _ROWS, "after": {"type": "string", "description": "ID after which to go on"}}
_COST = {"type": "string", "description": "Most that it may cost, for example 0.50"}
SCHEMAS: Mapping[str, tuple[Mapping[str, Any], list[str]]] = {
    "list_agents": ({"asset": _TEXT, **_PAGE}, []),
    "agent_status": ({"agent": _AGENT}, ["agent"]),
    "agent_decisions": ({"agent": _AGENT, **_PAGE}, ["agent"]),
    "agent_actions": ({"agent": _AGENT, "status": _TEXT, **_PAGE}, []),
    "run_agent": (
        {
            "agent": _AGENT,
            "max_cost": _COST,
            "idempotency_key": _TEXT,
            "wait_s": {"type": "number", "minimum": 0, "maximum": 60},
        },
        ["agent"],
    ),
    "replay_agent": (
        {
            "agent": _AGENT,
            "from": _TIME,
            "to": _TIME,
            "failures": {"type": "array", "items": _TIME},
            "max_cost": _COST,
        },
        ["agent"],
    ),
    **{
        name: ({"action": {"type": "string", "description": "Action ID (act_…)"}}, ["action"])
        for name in ("approve_agent_action", "reject_agent_action", "undo_agent_action")
    },
}
"""Properties and required arguments by skill."""
