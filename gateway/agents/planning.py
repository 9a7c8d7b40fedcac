"""What an agent does with a decision: by its autonomy, and not again within its cooldown; pure.

The cooldown is for the same action again. A value for a machine that changed is another action: it
is written at once, within the rate of the owner's limits, or proposed once the last proposal is too
old to be approved.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from gateway.agents.assessment import Assessment, Basis
from gateway.agents.commands.planning import PlannedWrite, changed_writes, planned_writes
from gateway.agents.definitions.values import ActionKind, AgentDefinition, Autonomy
from gateway.agents.state import AgentState
from models.policies.maintenance.policy import Action


class PlannedAction(msgspec.Struct, frozen=True, kw_only=True):
    """An action to take, or to propose if a person must approve it. due_in_s: seconds from now.

    writes: the values of an action of the kind `write`.
    """

    kind: ActionKind
    needs_approval: bool
    due_in_s: float
    writes: tuple[PlannedWrite, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from a tick, and the state after it. tells: recipients are told."""

    tells: bool
    actions: tuple[PlannedAction, ...]
    state: AgentState


def plan_actions(
    definition: AgentDefinition, assessment: Assessment, state: AgentState, at: datetime
) -> Plan:
    """Return what to do. Recipients are told once of a situation, and again when it changed."""
    situation = situation_of(assessment)
    is_news = situation != state.told
    writes = _due_writes(definition, assessment, state, at)
    actions = tuple(
        PlannedAction(
            kind=kind,
            needs_approval=definition.autonomy is not Autonomy.ACT,
            due_in_s=assessment.stop_in_s or 0.0,
            writes=writes if kind is ActionKind.WRITE else (),
        )
        for kind in (*_wanted(assessment), *([ActionKind.WRITE] if writes else []))
        if _may(definition, kind)
        and (kind is ActionKind.WRITE or not _is_cooling(definition, state, kind, at))
    )
    acted = {**state.acted, **{one.kind.value: at for one in actions}}
    observes = definition.autonomy is Autonomy.OBSERVE
    return Plan(
        tells=is_news and not observes,
        actions=actions,
        state=msgspec.structs.replace(
            state, acted=acted, told=situation, written=_written_after(state, actions)
        ),
    )


def is_changed_value(planned: PlannedAction, before: AgentState) -> bool:
    """Return whether an action only replaces values that the agent wrote before it."""
    tags = {one.tag for one in planned.writes}
    return bool(tags) and tags <= before.written.keys()


def situation_of(assessment: Assessment) -> str:
    """Return the situation as a text that changes when recipients should hear of it."""
    if assessment.action is Action.WAIT and not assessment.order_part:
        return ""
    parts = (assessment.action.value, *sorted(assessment.raised), *sorted(assessment.unusable))
    return " ".join((*parts, "part") if assessment.order_part else parts)


def _due_writes(
    definition: AgentDefinition, assessment: Assessment, state: AgentState, at: datetime
) -> tuple[PlannedWrite, ...]:
    """Return the values to write: all after the cooldown, within it those that changed."""
    writes = planned_writes(definition.commands, assessment)
    if not _is_cooling(definition, state, ActionKind.WRITE, at):
        return writes
    last = state.acted[ActionKind.WRITE.value]
    changed = changed_writes(definition.commands, writes, state.written)
    acts = definition.autonomy is Autonomy.ACT
    return tuple(one for one in changed if acts or at - last >= timedelta(seconds=one.valid_s))


def _written_after(state: AgentState, actions: Sequence[PlannedAction]) -> dict[str, float]:
    """Return the values that were written or proposed last, by tag."""
    return {**state.written, **{w.tag: w.value for one in actions for w in one.writes}}


def _wanted(assessment: Assessment) -> tuple[ActionKind, ...]:
    """Return the kinds of action that the decision asks for."""
    if assessment.basis is Basis.NOTHING:
        return ()
    wanted = [] if assessment.action is Action.WAIT else [ActionKind.WORK_ORDER]
    return tuple(wanted + ([ActionKind.SPARE_PART] if assessment.order_part else []))


def _may(definition: AgentDefinition, kind: ActionKind) -> bool:
    """Return whether the agent may take or propose an action."""
    is_acting = definition.autonomy in (Autonomy.APPROVE, Autonomy.ACT)
    return is_acting and kind in definition.actions


def _is_cooling(
    definition: AgentDefinition, state: AgentState, kind: ActionKind, at: datetime
) -> bool:
    """Return whether the last action of the kind is too recent; a clock set back counts as not."""
    last = state.acted.get(kind.value)
    if last is None or last > at:
        return False
    return at - last < timedelta(seconds=definition.cooldown_s)
