"""The section `[board]` of a definition: the team of an agent, and its role there; pure."""

from collections.abc import Collection
from enum import StrEnum
from typing import Any

import msgspec

_ACTING = ("approve", "act")
_MAX_NAME = 120


class BoardRole(StrEnum):
    """What a member of a team does with the team's tasks.

    monitor: announces a diagnosis when it would inspect or stop. diagnostician: asks its
    specialist. planner: chooses by expected cost. executor: acts within its autonomy.
    """

    MONITOR = "monitor"
    DIAGNOSTICIAN = "diagnostician"
    PLANNER = "planner"
    EXECUTOR = "executor"


class BoardDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section as written. team: name of the team."""

    team: str
    role: BoardRole


class BoardMembership(msgspec.Struct, frozen=True, kw_only=True):
    """The team of an agent by name, and its role."""

    team: str
    role: BoardRole

    @property
    def is_quiet(self) -> bool:
        """Whether the agent works on announced tasks only, so that its ticks do nothing."""
        return self.role is not BoardRole.MONITOR


def read_board(document: BoardDocument | None) -> BoardMembership | None:
    """Return the membership that a document states."""
    if document is None:
        return None
    return BoardMembership(team=document.team.strip(), role=document.role)


def board_problem(
    document: BoardDocument | None, autonomy: str, *, predicts: bool, actions: Collection[str]
) -> tuple[str, str] | None:
    """Return the field and the reason why a definition does not fit its role, None if it fits.

    autonomy, predicts, actions: of the rest of the definition.
    """
    if document is None:
        return None
    role = document.role
    if not 0 < len(document.team.strip()) <= _MAX_NAME:
        return "board.team", f"must have 1 to {_MAX_NAME} characters."
    if role is BoardRole.DIAGNOSTICIAN and not predicts:
        return "prediction", "is missing: a diagnostician asks a specialist."
    if role is BoardRole.EXECUTOR:
        if autonomy not in _ACTING or not actions:
            return "autonomy", "of an executor must be `approve` or `act`, with `actions`."
    elif autonomy in _ACTING:
        return "autonomy", "must be `observe` or `advise`: in a team, only an executor acts."
    return None


def needs_rules(document: BoardDocument | None) -> bool:
    """Return whether an agent needs rules or a prediction of its own."""
    return document is None or document.role is BoardRole.MONITOR


def board_fields(membership: BoardMembership | None) -> dict[str, Any]:
    """Return the section as people write it, by its name; empty without one."""
    if membership is None:
        return {}
    return {"board": {"team": membership.team, "role": membership.role.value}}
