"""Base class of mechanisms: formulas from standards, served like trained models.

To add one, write a class with these declarations and a `compute`, and register it in
models/mechanisms/__init__.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.signature import (
    BYTES,
    Columns,
    InputField,
    InputInvalid,
    OutputField,
    Signature,
    describe_index,
    first_true_index,
    require_names,
    validate_columns,
)

FLOAT64 = "FP64"
BOOLEAN = "BOOL"
_NO_UNITS: Mapping[str, str] = MappingProxyType({})

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Relation:
    """A constraint between the inputs of one row.

    `is_violated` returns a mask [rows]. `message` completes the error: `'load'` in row 3 `is above
    half the rating`.
    """

    param: str
    is_violated: Callable[[Columns], Booleans]
    message: str


class Mechanism(ABC):
    """Declared inputs and outputs with a stateless formula.

    `compute` receives columns that satisfy the signature and every relation, and returns finite
    values for each row.
    """

    __slots__ = ()

    standard: ClassVar[str]
    version: ClassVar[str]
    inputs: ClassVar[tuple[InputField, ...]]
    outputs: ClassVar[tuple[OutputField, ...]]
    relations: ClassVar[tuple[Relation, ...]] = ()

    @abstractmethod
    def compute(self, columns: Columns) -> Columns:
        """Compute the outputs, [rows] each, or [rows, length] for a series."""

    @property
    def signature(self) -> Signature:
        """Return the input and output columns, in the form used by trained models."""
        return Signature(self.inputs, self.outputs, self.version)

    def check(self, columns: Columns) -> None:
        """Raise InputInvalid for the first row that violates a relation."""
        for relation in self.relations:
            violated = relation.is_violated(columns)
            if violated.any():
                location = describe_index(first_true_index(violated)[:1])
                raise InputInvalid(
                    f"{relation.param!r} in {location} {relation.message}.", param=relation.param
                )

    def evaluate(
        self, values: Mapping[str, ArrayLike], units: Mapping[str, str] = _NO_UNITS
    ) -> Columns:
        """Validate plain columns, convert their units and compute the outputs.

        `units` names the unit of a column if it differs from the signature's. Raises InputInvalid.
        """
        require_names(self.signature, values)
        columns = {field.name: _to_array(field, values[field.name]) for field in self.inputs}
        columns = dict(validate_columns(self.signature, columns, units))
        self.check(columns)
        return self.compute(columns)


def quantity(
    name: str, unit: str | None, description: str, minimum: float, maximum: float
) -> InputField:
    """Declare a numeric input column with physical limits."""
    return InputField(name, FLOAT64, unit, description, minimum, maximum)


def series(
    name: str, description: str, minimum: float, maximum: float, length: tuple[int, int]
) -> InputField:
    """Declare an input column of number lists, in the order of measurement."""
    return InputField(name, FLOAT64, None, description, minimum, maximum, length=length)


def choice(name: str, description: str, values: tuple[str, ...]) -> InputField:
    """Declare an input column of a closed list of strings."""
    return InputField(name, BYTES, description=description, values=values)


def result(name: str, unit: str | None, description: str) -> OutputField:
    """Declare a numeric output column."""
    return OutputField(name, FLOAT64, unit, description)


def _to_array(field: InputField, values: ArrayLike) -> NDArray[Any]:
    """Convert values to an array. Raises InputInvalid if they are no column of numbers."""
    try:
        return np.asarray(values, dtype=object if field.datatype == BYTES else np.float64)
    except ValueError:  # strings, or lists of unequal length
        raise InputInvalid(f"{field.name!r} is no column of numbers.", param=field.name) from None
