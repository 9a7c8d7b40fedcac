"""Values of the task board: verdicts on an asset, plans, and limits of teams; pure."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import msgspec

from gateway.agents.definitions.board import BoardRole
from gateway.tables.agents_board import TaskKind

TEAM, TASK = "team", "task"
"""Prefixes of the public ids of teams and tasks."""

ROLE_OF: Mapping[TaskKind, BoardRole] = MappingProxyType(
    {
        TaskKind.DIAGNOSE: BoardRole.DIAGNOSTICIAN,
        TaskKind.REVIEW: BoardRole.DIAGNOSTICIAN,
        TaskKind.PLAN: BoardRole.PLANNER,
        TaskKind.EXECUTE: BoardRole.EXECUTOR,
    }
)
"""The role of the members that do a kind of task."""


class TaskCode(StrEnum):
    """Why a task was stopped, waits for a person, or lost a lease."""

    STUCK = "agent_task_stuck"
    OVERDUE = "agent_task_overdue"
    UNCLAIMED = "agent_task_unclaimed"
    CONFLICT = "agent_verdicts_conflict"
    BUDGET = "agent_team_budget_exhausted"
    NOT_RENEWED = "lease_not_renewed"
    HOLDER_CHANGED = "holder_changed"
    HOLDER_INACTIVE = "holder_inactive"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one member says of an asset.

    agent: its public id. action: what it would do, by its own costs. probability: of a failure
    within `horizon` periods of `period_s` seconds, None if only rules were evaluated. failures:
    the probability by period. request_id: the call that it rests on.
    """

    agent: str
    name: str
    role: str
    version: int
    action: str
    probability: float | None = None
    failures: tuple[float, ...] = ()
    horizon: int = 0
    period_s: float = 86_400.0
    model: str = ""
    request_id: str | None = None
    raised: tuple[str, ...] = ()


class CaseContent(msgspec.Struct, frozen=True, kw_only=True):
    """What the tasks of a case carry on: verdicts in order, and from planning on, the plan.

    chosen: index of the verdict that the plan rests on. stated: the probability that a person
    stated in its place.
    """

    verdicts: tuple[Verdict, ...]
    chosen: int | None = None
    stated: float | None = None
    plan: dict[str, Any] | None = None


def read_content(document: object) -> CaseContent:
    """Return the content of a stored document."""
    return msgspec.convert(document, CaseContent)


def write_content(content: CaseContent) -> dict[str, Any]:
    """Return the document of a content for storing."""
    document: dict[str, Any] = msgspec.to_builtins(content)
    return document


def with_verdict(content: CaseContent, verdict: Verdict) -> CaseContent:
    """Return the content with a further verdict."""
    return msgspec.structs.replace(content, verdicts=(*content.verdicts, verdict))


def verdict_agents(verdicts: Sequence[Verdict]) -> frozenset[str]:
    """Return the public ids of the agents that gave verdicts."""
    return frozenset(one.agent for one in verdicts)
