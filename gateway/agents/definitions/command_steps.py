"""The section `[[commands]]` of a definition: values that the agent writes to points of machines.

Whether a value may be written is in the owner's signed limits (docs/agents-commands.md).
"""

from enum import StrEnum
from typing import Any

import msgspec

from gateway.agents.definitions.durations import DurationInvalid, format_duration, parse_duration
from gateway.agents.errors import AgentDefinitionInvalid
from gateway.plant.assets.units import canonical_unit

MAX_COMMANDS = 10
_MAX_VALUE = 1e15
_MAX_VALID_S = 86_400.0


class CommandWhen(StrEnum):
    """The decision on which a command is sent."""

    INSPECT = "inspect"
    STOP = "stop"


class CommandStep(msgspec.Struct, frozen=True, kw_only=True):
    """A value for a point, sent if the decision is `when`.

    value: the value, or that at failure probability 0 if there is `value_at_one`, between which the
    probability chooses. valid_s: a proposal that is approved later rests on old readings. moving_s:
    nothing is sent if a sensor has shown the same value for so long, 0 for no check.
    """

    tag: str
    value: float
    value_at_one: float | None = None
    unit: str = ""
    when: CommandWhen = CommandWhen.STOP
    valid_s: float = 900.0
    moving_s: float = 0.0


class CommandDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command as written: exactly one of `value` and `between`.

    between: the values at the failure probabilities 0 and 1.
    """

    tag: str
    value: float | None = None
    between: tuple[float, float] | None = None
    unit: str = ""
    when: CommandWhen = CommandWhen.STOP
    valid_for: str = "15m"
    moving_within: str = ""


def check_commands(
    documents: tuple[CommandDocument, ...], *, may_write: bool, predicts: bool
) -> tuple[CommandStep, ...]:
    """Return the commands of a document. Raises AgentDefinitionInvalid.

    may_write: whether `actions` has `write`. predicts: whether there is a failure probability.
    """
    _require(may_write == bool(documents), "commands", "go with the action `write`.")
    _require(len(documents) <= MAX_COMMANDS, "commands", f"have at most {MAX_COMMANDS} entries.")
    steps = tuple(_step(one, index, predicts) for index, one in enumerate(documents))
    keys = {(step.tag, step.when) for step in steps}
    _require(len(keys) == len(steps), "commands", "write each point once for a decision.")
    return steps


def command_fields(step: CommandStep) -> dict[str, Any]:
    """Return the fields of a command as people write them."""
    fields: dict[str, Any] = {"tag": step.tag}
    if step.value_at_one is None:
        fields["value"] = step.value
    else:
        fields["between"] = [step.value, step.value_at_one]
    if step.unit:
        fields["unit"] = step.unit
    if step.moving_s:
        fields["moving_within"] = format_duration(step.moving_s)
    return {**fields, "when": step.when.value, "valid_for": format_duration(step.valid_s)}


def _step(document: CommandDocument, index: int, predicts: bool) -> CommandStep:
    """Return one command. Raises AgentDefinitionInvalid."""
    at = f"commands[{index}]"
    _require(bool(document.tag.strip()), f"{at}.tag", "is missing.")
    is_one = (document.value is None) != (document.between is None)
    _require(is_one, at, "needs either `value` or `between`.")
    _require(predicts or document.between is None, f"{at}.between", "needs `prediction`.")
    values = document.between or (document.value or 0.0,)
    is_number = all(abs(value) <= _MAX_VALUE for value in values)
    _require(is_number, at, f"needs values of at most {_MAX_VALUE:g}.")
    unit = canonical_unit(document.unit)
    _require(unit is not None, f"{at}.unit", f"`{document.unit}` is not known.")
    moving = document.moving_within
    return CommandStep(
        tag=document.tag.strip(),
        value=values[0],
        value_at_one=values[1] if len(values) > 1 else None,
        unit=unit or "",
        when=document.when,
        valid_s=_seconds(document.valid_for, f"{at}.valid_for"),
        moving_s=_seconds(moving, f"{at}.moving_within") if moving else 0.0,
    )


def _seconds(text: str, field: str) -> float:
    """Return a duration of a day at most in seconds. Raises AgentDefinitionInvalid."""
    try:
        seconds = parse_duration(text)
    except DurationInvalid as error:
        raise AgentDefinitionInvalid(f"`{field}` {error}", param=field) from None
    _require(seconds <= _MAX_VALID_S, field, "must be `1d` at most.")
    return seconds


def _require(holds: bool, field: str, reason: str) -> None:
    """Raise AgentDefinitionInvalid for a field unless a condition holds."""
    if not holds:
        raise AgentDefinitionInvalid(f"`{field}` {reason}", param=field)
