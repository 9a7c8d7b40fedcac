"""Pair an observed result with the prediction that it belongs to: two numbers, or two classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from gateway.call.errors import ParameterInvalid
from gateway.wire.own_models.observations import ObservedResult

_MAX_CLASS_LENGTH = 200


@dataclass(frozen=True, slots=True)
class PairedResult:
    """A prediction and its result, with the interval or the probability of the prediction."""

    predicted: float | str
    observed: float | str
    lower: float | None = None
    upper: float | None = None
    level: float | None = None
    probability: float | None = None


def pair(one: ObservedResult, prediction: Mapping[str, Any] | None, path: str) -> PairedResult:
    """Return an observed result with the prediction of a response.

    Raises ParameterInvalid if there is no prediction, or one of another kind.
    """
    if prediction is None:
        raise ParameterInvalid(
            f"`{path}.prediction` is missing: send the row's object of the response.",
            param=f"{path}.prediction",
        )
    if "class" in prediction or "label" in prediction:
        return _pair_classes(one, prediction)
    value = _number_or_none(prediction.get("value"))
    if value is not None:
        return _pair_numbers(one, prediction, value, path)
    raise ParameterInvalid(
        f"`{path}.prediction` has neither `class` nor a finite `value`. Observed results are "
        "supported for models that predict a class or a number.",
        param=f"{path}.prediction",
    )


def _pair_classes(one: ObservedResult, prediction: Mapping[str, Any]) -> PairedResult:
    """Return a class with the observed one."""
    predicted = prediction.get("class", prediction.get("label"))
    return PairedResult(
        _class_text(predicted),
        _class_text(one.observed),
        probability=probability_or_none(prediction.get("probability")),
    )


def probability_or_none(value: Any) -> float | None:
    """Return a number from 0 to 1, None for anything else: nothing was promised."""
    number = _number_or_none(value)
    return number if number is not None and 0 <= number <= 1 else None


def _pair_numbers(
    one: ObservedResult, prediction: Mapping[str, Any], value: float, path: str
) -> PairedResult:
    """Return a number with the observed one. Raises ParameterInvalid."""
    if isinstance(one.observed, bool | str):
        raise ParameterInvalid(
            f"`{path}.observed` must be a number, as the prediction is.", param=f"{path}.observed"
        )
    lower, upper = (_number_or_none(prediction.get(name)) for name in ("lower", "upper"))
    has_interval = lower is not None and upper is not None
    return PairedResult(
        value,
        float(one.observed),
        lower if has_interval else None,
        upper if has_interval else None,
        one.level if has_interval else None,
    )


def _class_text(value: Any) -> str:
    """Return a class as text; whole numbers and truth values as in tables."""
    if isinstance(value, bool):
        return str(value).lower()
    text = f"{value:.15g}" if isinstance(value, float) else str(value)
    return text[:_MAX_CLASS_LENGTH].replace("\x00", "")


def _number_or_none(value: Any) -> float | None:
    """Return a finite number, None for anything else and for integers beyond all floats."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None
