"""What a specialist's prediction says about a typed question: probabilities, or a number's.

A specialist's outputs are found by the task of its route, those of customers' own tables by their
adapter; output names are those of the models' signatures.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from statistics import NormalDist
from types import MappingProxyType
from typing import Any

from models.catalog import Model

# The share of true values between `lower` and `upper` of all specialists, half of the rest on
# either side.
_INTERVAL_LEVEL = 0.9
_NORMAL = NormalDist()
_INTERVAL_Z = _NORMAL.inv_cdf((1 + _INTERVAL_LEVEL) / 2)
_SUFFIX = "_probability"


class OutputForm(Enum):
    """How an output tells probabilities.

    EVENT: `{name}_probability` is that of the event. CLASSES: one `{class}_probability` for each
    class. TOLD: the likeliest class and its probability. NUMBER: a value with an interval.
    """

    EVENT = "event"
    CLASSES = "classes"
    TOLD = "told"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Output:
    """An output column that can answer questions.

    `probability` is the column of the probability of a told class, `classes` the known classes and
    `class_count` their number where they are told only; 0 if the prediction lists all.
    """

    name: str
    form: OutputForm
    probability: str = ""
    classes: tuple[str, ...] = ()
    class_count: int = 0


class NotAnswerable(ValueError):
    """The prediction does not answer the question; `code` and message are for the customer."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


_FAULTS = ("pastry", "z_scratch", "k_scratch", "stains", "dirtiness", "bumps", "other")
_OUTPUTS_BY_TASK: Mapping[str, tuple[Output, ...]] = MappingProxyType(
    {
        "machine_failure": (Output("failure", OutputForm.EVENT),),
        "plate_fault": (Output("fault", OutputForm.CLASSES, classes=_FAULTS),),
        "hydraulic_condition": tuple(
            Output(name, OutputForm.TOLD, name + _SUFFIX, class_count=count)
            for name, count in (("cooler", 3), ("valve", 4), ("pump", 3), ("accumulator", 4))
        ),
        "remaining_life": (Output("remaining_life", OutputForm.NUMBER),),
    }
)
_CLASS = (Output("class", OutputForm.TOLD, "probability"),)
_VALUE = (Output("value", OutputForm.NUMBER),)
_OUTPUTS_BY_ADAPTER: Mapping[str, tuple[Output, ...]] = MappingProxyType(
    {
        "tabular_classifier": _CLASS,
        "series_classifier": _CLASS,
        "tabular_regressor": _VALUE,
        "series_life": _VALUE,
    }
)


def outputs_of(model: Model) -> tuple[Output, ...]:
    """Return the outputs of a specialist that can answer questions; empty if none can."""
    task = "" if model.route is None else model.route.task or ""
    return _OUTPUTS_BY_TASK.get(task) or _OUTPUTS_BY_ADAPTER.get(model.adapter or "", ())


def event_probability(output: Output, row: Mapping[str, Any], class_name: str | None) -> float:
    """Return the probability of the event, or of a class. Raises NotAnswerable."""
    if output.form is OutputForm.EVENT:
        return _number(row, output.name + _SUFFIX)
    if class_name is None:
        raise NotAnswerable(
            "class_missing", f"`{output.name}` has several classes: name one in `class`."
        )
    (likelihood,) = class_probabilities(output, row, (class_name,))
    return likelihood


def class_probabilities(
    output: Output, row: Mapping[str, Any], names: Sequence[str]
) -> tuple[float, ...]:
    """Return the probability of each named class. Raises NotAnswerable.

    What is left beside a told class is shared evenly by the others.
    """
    if output.form is OutputForm.CLASSES:
        columns = {_plain(one): one + _SUFFIX for one in output.classes}
        if unknown := [name for name in names if _plain(name) not in columns]:
            raise _unknown_class(unknown[0], output.classes)
        return tuple(_number(row, columns[_plain(name)]) for name in names)
    if output.form is not OutputForm.TOLD:
        raise NotAnswerable("no_classes", f"`{output.name}` has no classes.")
    told, likelihood = _plain(_value(row, output.name)), _number(row, output.probability)
    every = row.get("probabilities")
    count = output.class_count or (len(every) if isinstance(every, list) else 2)
    rest = (1 - likelihood) / max(count - 1, 1)
    return tuple(likelihood if _plain(name) == told else rest for name in names)


def choice_probabilities(
    output: Output, row: Mapping[str, Any], values: Sequence[str | bool]
) -> tuple[float, ...]:
    """Return the probability of each choice; they sum to 1. Raises NotAnswerable.

    Choices are the names of classes, or true and false for an event.
    """
    if output.form is OutputForm.EVENT:
        if {type(value) for value in values} != {bool}:
            raise NotAnswerable(
                "choices_unknown", f"The choices for `{output.name}` are true and false."
            )
        likelihood = _number(row, output.name + _SUFFIX)
        return tuple(likelihood if value else 1 - likelihood for value in values)
    names = [str(value) for value in values]
    chances = class_probabilities(output, row, names)
    told = _plain(_value(row, output.name))
    if output.form is OutputForm.TOLD and told not in {_plain(name) for name in names}:
        raise NotAnswerable(
            "class_not_offered", f"The likeliest class, {told!r}, is none of the choices."
        )
    total = sum(chances)
    if total <= 0:
        raise NotAnswerable("class_not_offered", "The likeliest class is none of the choices.")
    return tuple(chance / total for chance in chances)


def below_probability(output: Output, row: Mapping[str, Any], limit: float) -> float:
    """Return the probability that the number is below a limit. Raises NotAnswerable.

    Between and beyond the interval's bounds it follows a normal distribution on each side.
    """
    if output.form is not OutputForm.NUMBER:
        raise NotAnswerable("no_number", f"`{output.name}` is no number.")
    value, lower, upper = (_number(row, name) for name in (output.name, "lower", "upper"))
    width = value - lower if limit < value else upper - value
    if width <= 0:
        return float(limit > value)
    return _NORMAL.cdf((limit - value) * _INTERVAL_Z / width)


def level_probabilities(
    output: Output, row: Mapping[str, Any], minimums: Sequence[float | None]
) -> tuple[float, ...]:
    """Return the probability of each level of a score. Raises NotAnswerable.

    `minimums` are the lowest values of the levels, ascending; that of the first one may be None.
    """
    limits = [limit for limit in minimums[1:] if limit is not None]
    if len(limits) < len(minimums) - 1 or limits != sorted(set(limits)):
        raise NotAnswerable(
            "minimum_missing",
            "Each level after the first needs a `minimum`, in ascending order, to place the "
            "specialist's number.",
        )
    below = [0.0, *(below_probability(output, row, limit) for limit in limits), 1.0]
    return tuple(high - low for low, high in pairwise(below))


def _value(row: Mapping[str, Any], name: str) -> Any:
    """Return an output of a prediction. Raises NotAnswerable."""
    if row.get(name) is None:
        raise NotAnswerable("output_missing", f"The prediction has no `{name}`.")
    return row[name]


def _number(row: Mapping[str, Any], name: str) -> float:
    """Return a finite number of a prediction. Raises NotAnswerable."""
    value = _value(row, name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise NotAnswerable("output_missing", f"The prediction's `{name}` is no number.")
    return float(value)


def _unknown_class(name: str, known: Sequence[str]) -> NotAnswerable:
    """Return the error for a class that the specialist does not know."""
    return NotAnswerable(
        "class_unknown", f"{name[:60]!r} is no class of the model. Classes: {', '.join(known)}."
    )


def _plain(name: Any) -> str:
    """Return a class name for comparison: lower case, with spaces for underscores."""
    return " ".join(str(name).lower().replace("_", " ").split())
