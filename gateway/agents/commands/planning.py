"""Which values an agent writes after a decision; pure."""

from collections.abc import Mapping, Sequence

import msgspec

from gateway.agents.assessment import Assessment, Basis
from gateway.agents.definitions.command_steps import CommandStep

# A value between two others counts as changed from this share of their distance on.
MIN_CHANGE = 0.01


class PlannedWrite(msgspec.Struct, frozen=True, kw_only=True):
    """A value for a point. valid_s: how long its readings count.

    moving_s: the sensors that it rests on must have changed within it, 0 for no check.
    """

    tag: str
    value: float
    unit: str
    valid_s: float
    moving_s: float = 0.0


def planned_writes(
    steps: Sequence[CommandStep], assessment: Assessment
) -> tuple[PlannedWrite, ...]:
    """Return the writes of a decision; none if a sensor cannot be trusted."""
    if not may_write(assessment):
        return ()
    chosen = [step for step in steps if step.when.value == assessment.action.value]
    values = [(step, _value(step, assessment.failure_probability)) for step in chosen]
    return tuple(
        PlannedWrite(
            tag=step.tag,
            value=value,
            unit=step.unit,
            valid_s=step.valid_s,
            moving_s=step.moving_s,
        )
        for step, value in values
        if value is not None
    )


def changed_writes(
    steps: Sequence[CommandStep], writes: Sequence[PlannedWrite], written: Mapping[str, float]
) -> tuple[PlannedWrite, ...]:
    """Return the writes whose value differs from the one last written to their point.

    A value that the failure probability chooses must differ by `MIN_CHANGE` of its range.
    """
    spans = {
        step.tag: abs(step.value_at_one - step.value)
        for step in steps
        if step.value_at_one is not None
    }
    return tuple(
        one
        for one in writes
        if one.tag not in written
        or abs(one.value - written[one.tag]) > MIN_CHANGE * spans.get(one.tag, 0.0)
    )


def may_write(assessment: Assessment) -> bool:
    """Return whether a decision may reach a machine.

    A rule that cannot be evaluated, as of a silent sensor, is a reason to look, not to write.
    """
    is_based = bool(assessment.raised) or assessment.basis is Basis.PREDICTION
    return is_based and not assessment.unusable


def _value(step: CommandStep, probability: float | None) -> float | None:
    """Return the value of a command, None if it needs a probability that is not known."""
    if step.value_at_one is None:
        return step.value
    if probability is None:
        return None
    return step.value + (step.value_at_one - step.value) * probability
