"""Read a specialist's outputs by its signature: names, datatypes and units decide."""

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from models.findings.finding import Finding, Stated, Value, Verdict
from models.signature import BYTES, InputField, OutputField

_LOWER, _UPPER, _PROBABILITY, _REASONS, _OUTSIDE = (
    "lower",
    "upper",
    "probability",
    "reasons",
    "outside",
)
_NOT_APPLICABLE = -1
_MAX_LIST = 200
# Characters of a label, a reason, and the columns outside: they go into prompts and records.
_MAX_TEXT = 400
_MAX_REASONS = 50
# Outputs about the answer, which are no figures of it.
_SKIPPED = frozenset({"contributions", "deviations", "filled", "probabilities", "confirm_rank"})


def read_finding(
    inputs: Sequence[InputField],
    outputs: Sequence[OutputField],
    values: Mapping[str, Any],
    predicted: Mapping[str, Any],
) -> Finding:
    """Return the finding of one row.

    values: the row's inputs in the columns' units; predicted: its outputs by name.
    """
    decided, figures = _figures(outputs, predicted)
    outside = (*_beyond_trained(inputs, values), *_reported_outside(predicted, values))
    is_missing = not figures or any(_is_no_answer(one.value) for one in figures[:1])
    uncertain = bool(outside) or is_missing
    return Finding(
        verdict=Verdict.UNCERTAIN if uncertain else decided,
        decided=Verdict.UNCERTAIN if is_missing else decided,
        figures=figures,
        probability=_probability(outputs, predicted),
        reasons=_reasons(predicted),
        outside=tuple(dict(outside).items()),
    )


def _figures(
    outputs: Sequence[OutputField], predicted: Mapping[str, Any]
) -> tuple[Verdict, tuple[Stated, ...]]:
    """Return the verdict that the outputs decide, and the figures, the main one first."""
    flags: list[Stated] = []
    labels: list[Stated] = []
    numbers: list[Stated] = []
    verdict: Verdict | None = None
    for output in outputs:
        value = predicted.get(output.name)
        if value is None or _is_about_answer(output, predicted):
            continue
        if output.datatype == "BOOL":
            flag, one = _flag(output, value)
            verdict = Verdict.YES if flag or verdict is Verdict.YES else Verdict.NO
            flags.append(one)
        elif output.datatype == BYTES:
            if isinstance(value, str):
                labels.append(Stated(output.name, value[:_MAX_TEXT]))
        elif _is_decision(output, value):
            verdict = Verdict.YES if int(value) == 1 else Verdict.NO
            flags.append(Stated(output.name, float(value)))
        elif (number := _number(output, value)) is not None:
            numbers.append(_with_interval(output, number, predicted))
    if verdict is not None:
        return verdict, (*flags, *numbers, *labels)
    if labels and not numbers:
        return Verdict.LABEL, tuple(labels)
    if labels and labels[0].name == outputs[0].name:
        return Verdict.LABEL, (*labels, *numbers)
    return Verdict.VALUE, (*numbers, *labels)


def _is_about_answer(output: OutputField, predicted: Mapping[str, Any]) -> bool:
    """Return whether an output is a bound, probability or reason of another one."""
    name = output.name
    if name in _SKIPPED or name.endswith(("_contributions", f"_{_REASONS}")):
        return True
    if name in (_LOWER, _UPPER, _REASONS, _OUTSIDE):
        return True
    stem, _, last = name.rpartition("_")
    if last == _PROBABILITY or name == _PROBABILITY:
        return True
    return last in (_LOWER, _UPPER) and stem in predicted


def _is_decision(output: OutputField, value: Any) -> bool:
    """Return whether an output is 1 for yes and 0 for no."""
    is_whole = output.datatype.startswith(("INT", "UINT")) and isinstance(value, int | float)
    return is_whole and output.unit == "1" and value in (0, 1, _NOT_APPLICABLE)


def _flag(output: OutputField, value: Any) -> tuple[bool, Stated]:
    """Return whether a flag is set; of a series the figure has the positions, from 1."""
    if isinstance(value, list):
        positions = tuple(float(n) for n, one in enumerate(value, start=1) if one)[:_MAX_LIST]
        return bool(positions), Stated(output.name, positions)
    return bool(value), Stated(output.name, 1.0 if value else 0.0)


def _number(output: OutputField, value: Any) -> Value | None:
    """Return a number or a series of numbers, None for anything else."""
    if isinstance(value, list):
        items = value[:_MAX_LIST]
        if all(isinstance(one, int | float) for one in items):
            return tuple(float(one) for one in items)
        return None
    return float(value) if isinstance(value, int | float) else None


def _with_interval(output: OutputField, value: Value, predicted: Mapping[str, Any]) -> Stated:
    """Return a figure with the bounds that the outputs have for it."""
    names = [(f"{output.name}_{_LOWER}", f"{output.name}_{_UPPER}")]
    if output.name in ("remaining_life", "value", "forecast"):
        names.append((_LOWER, _UPPER))
    for lower, upper in names:
        bounds = predicted.get(lower), predicted.get(upper)
        if all(isinstance(one, int | float) for one in bounds):
            return Stated(output.name, value, output.unit, float(bounds[0]), float(bounds[1]))  # type: ignore[arg-type]
    return Stated(output.name, value, output.unit)


def _probability(outputs: Sequence[OutputField], predicted: Mapping[str, Any]) -> float | None:
    """Return the first probability among the outputs, None without one."""
    for output in outputs:
        if output.name == _PROBABILITY or output.name.endswith(f"_{_PROBABILITY}"):
            value = predicted.get(output.name)
            if isinstance(value, int | float) and math.isfinite(value):
                return float(value)
    return None


def _reasons(predicted: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the reasons, strongest first; those of several targets have the target's name."""
    found = predicted.get(_REASONS)
    if isinstance(found, list):
        return tuple(str(one)[:_MAX_TEXT] for one in found[:_MAX_REASONS] if one)
    named = (
        f"{name.removesuffix(f'_{_REASONS}')}: {', '.join(str(one) for one in value)}"[:_MAX_TEXT]
        for name, value in predicted.items()
        if name.endswith(f"_{_REASONS}") and isinstance(value, list)
    )
    return tuple(islice(named, _MAX_REASONS))


def _beyond_trained(
    inputs: Sequence[InputField], values: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Return the inputs outside their trained range, with the range."""
    found = []
    for field in inputs:
        value = values.get(field.name)
        if field.trained is None or value is None or isinstance(value, str):
            continue
        low, high = field.trained
        items = value if isinstance(value, list | tuple) else (value,)
        if any(not low <= one <= high for one in items if one is not None):
            unit = "" if field.unit in (None, "1") else f" {field.unit}"
            found.append((field.name, f"{low:g}–{high:g}{unit}"))
    return found


def _reported_outside(
    predicted: Mapping[str, Any], values: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Return the inputs that the model itself reports as outside its training."""
    told = predicted.get(_OUTSIDE)
    if not isinstance(told, str):
        return []
    return [(name.strip(), "") for name in told[:_MAX_TEXT].split(";") if name.strip()]


def _is_no_answer(value: Value) -> bool:
    """Return whether a main figure means that the model has no answer."""
    if isinstance(value, str):
        return not value
    return isinstance(value, float) and (math.isnan(value) or value == _NOT_APPLICABLE)
