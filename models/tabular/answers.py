"""What models of own columns answer: classes, numbers, reasons, inputs that training did not cover.

Shared by models of rows and of series.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.signature import BYTES, Columns, InputField, OutputField
from models.tabular.data import Floats
from models.tabular.intervals import DEFAULT_LEVEL, LEVELS

LEVEL = "level"
REASON_COUNT = 3
_SEPARATOR = "; "


def answer_class(logits: Floats, classes: Sequence[str]) -> Columns:
    """Return class, probability and probabilities from log-odds, [rows, classes]."""
    probabilities = _softmax(logits)
    best = probabilities.argmax(axis=1)
    names = np.array(classes, dtype=object)
    return {
        "class": names[best],
        "probability": probabilities[np.arange(len(best)), best].astype(np.float32),
        "probabilities": probabilities.astype(np.float32),
    }


def of_best_class(contributions: Floats, best: NDArray[np.intp]) -> Floats:
    """Return the contributions to each row's class, [rows, features].

    contributions: [rows, scores, features]. Of two classes there is one score, which speaks for the
    second class.
    """
    if contributions.shape[1] == 1:
        return np.asarray(contributions[:, 0] * np.where(best == 1, 1.0, -1.0)[:, np.newaxis])
    return np.asarray(contributions[np.arange(len(best)), best])


def answer_reasons(by_column: Floats, columns: Sequence[str]) -> Columns:
    """Return the columns with the largest contributions, and these, from [rows, columns]."""
    shown = min(REASON_COUNT, len(columns))
    order = np.argsort(-np.abs(by_column), axis=1)[:, :shown]
    names = np.array(columns, dtype=object)
    return {
        "reasons": names[order],
        "contributions": np.take_along_axis(by_column, order, axis=1).astype(np.float32),
    }


def answer_outside(flags: NDArray[np.bool_], columns: Sequence[str]) -> NDArray[np.object_]:
    """Return the names of the inputs that training did not cover, one text per row of flags."""
    return np.array(
        [_SEPARATOR.join(name for name, flag in zip(columns, row, strict=True) if flag)
         for row in flags],
        dtype=object,
    )  # fmt: skip


def level_field() -> InputField:
    """Return the input that chooses the level of the interval."""
    return InputField(
        LEVEL,
        "FP32",
        "1",
        "Share of intervals that contain the true value",
        minimum=LEVELS[0],
        maximum=LEVELS[-1],
        optional=True,
        default=DEFAULT_LEVEL,
    )


def class_outputs(target: str, classes: Sequence[str]) -> tuple[OutputField, ...]:
    """Return the outputs of a classifier."""
    return (
        OutputField("class", BYTES, description=f"The most likely {target}"),
        OutputField("probability", "FP32", "1", "Its calibrated probability"),
        OutputField(
            "probabilities", "FP32", "1", f"Of each class: {', '.join(classes)}", series=True
        ),
        *_shared_outputs("log-odds of the class", "1"),
    )


def number_outputs(target: str, unit: str | None) -> tuple[OutputField, ...]:
    """Return the outputs of a regressor."""
    return (
        OutputField("value", "FP32", unit, f"The expected {target}"),
        OutputField("lower", "FP32", unit, f"Lower bound at `{LEVEL}`"),
        OutputField("upper", "FP32", unit, f"Upper bound at `{LEVEL}`"),
        *_shared_outputs("value", unit),
    )


def _shared_outputs(of: str, unit: str | None) -> tuple[OutputField, ...]:
    """Return the outputs for reasons and for inputs outside the trained range."""
    return (
        OutputField("reasons", BYTES, None, "The inputs that moved it most", series=True),
        OutputField("contributions", "FP32", unit, f"What each adds to the {of}", series=True),
        OutputField(
            "outside",
            BYTES,
            None,
            "Inputs that training did not cover, separated by semicolons; then do not rely on it",
        ),
    )


def _softmax(logits: Floats) -> Floats:
    """Return the softmax over the classes of each row."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
