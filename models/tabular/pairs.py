"""Features of two number columns: their product, quotient or difference.

Many limits of machines lie on such quantities (power is torque times speed, heat flows by a
difference of temperatures). A tree that sees the columns apart needs a staircase of splits, and
rows for each of its steps.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.tabular.data import Floats


class Operation(StrEnum):
    """How two columns are combined; the value stands between their names."""

    PRODUCT = "×"
    QUOTIENT = "÷"
    DIFFERENCE = "−"


class PairEncoding(msgspec.Struct, frozen=True):
    """One feature of two columns.

    first, second: positions of their features. step: the results are rounded to its multiples, so
    that no split depends on the last digit of a float. missing: stands for a missing result, below
    all others.
    """

    first: int
    second: int
    operation: Operation
    step: float
    missing: float

    def name(self, names: Sequence[str]) -> str:
        """Return what reasons call the pair; `names` are those of the single features."""
        return f"{names[self.first]} {self.operation.value} {names[self.second]}"


def combine(operation: Operation, first: Floats, second: Floats) -> Floats:
    """Return products, quotients or differences; NaN or infinite where there is none."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if operation is Operation.PRODUCT:
            return np.asarray(first * second)
        if operation is Operation.QUOTIENT:
            return np.asarray(first / second)
        return np.asarray(first - second)


def encode_pairs(pairs: Sequence[PairEncoding], readings: Floats) -> NDArray[np.float32]:
    """Return the features of pairs, [rows, pairs], from readings [rows, features].

    readings: single features in double precision, NaN where missing. Products of two numbers of
    single precision are exact in double precision, so batches give the same as single rows.
    """
    operations = np.array([pair.operation for pair in pairs])
    first = readings[:, [pair.first for pair in pairs]]
    second = readings[:, [pair.second for pair in pairs]]
    results = np.empty_like(first)
    for operation in Operation:
        chosen = operations == operation
        if chosen.any():
            results[:, chosen] = combine(operation, first[:, chosen], second[:, chosen])
    steps = np.array([pair.step for pair in pairs])
    rounded = np.round(results / steps) * steps
    missing = np.array([pair.missing for pair in pairs])
    return np.where(np.isfinite(rounded), rounded, missing).astype(np.float32)
