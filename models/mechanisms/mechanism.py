"""A mechanism: a formula of a standard, sold as a model beside those that are learned.

Owns what a publisher declares, and answering for columns of any convertible unit. A new mechanism
is a class with these declarations and a `compute`, named in models/mechanisms/__init__.py.
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
    checked,
    first,
    place,
    require_names,
)

NUMBER = "FP64"
TRUTH = "BOOL"
_NO_UNITS: Mapping[str, str] = MappingProxyType({})

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Relation:
    """What holds between the inputs of one row. `broken`, [rows], says where it does not.

    A refusal reads as a sentence: `'load'` in row 3 `is above half the rating`.
    """

    param: str
    broken: Callable[[Columns], Truths]
    says: str


class Mechanism(ABC):
    """Declarations and a pure formula; it has no state.

    `compute` takes columns that hold to the signature and to every relation, and gives a finite
    answer for each row of them.
    """

    __slots__ = ()

    standard: ClassVar[str]
    version: ClassVar[str]
    inputs: ClassVar[tuple[InputField, ...]]
    outputs: ClassVar[tuple[OutputField, ...]]
    relations: ClassVar[tuple[Relation, ...]] = ()

    @abstractmethod
    def compute(self, columns: Columns) -> Columns:
        """The outputs, [rows] each, or [rows, length] where they are series."""

    @property
    def signature(self) -> Signature:
        """What it takes and gives, in the shape that a learned specialist's artefact carries."""
        return Signature(self.inputs, self.outputs, self.version)

    def check(self, columns: Columns) -> None:
        """Raises InputInvalid for a row in which a relation is broken."""
        for relation in self.relations:
            bad = relation.broken(columns)
            if bad.any():
                at = place(first(bad)[:1])
                raise InputInvalid(
                    f"{relation.param!r} in {at} {relation.says}.", param=relation.param
                )

    def answer(
        self, values: Mapping[str, ArrayLike], units: Mapping[str, str] = _NO_UNITS
    ) -> Columns:
        """The outputs for plain columns, `units` naming those that are not the signature's.

        Raises InputInvalid.
        """
        require_names(self.signature, values)
        columns = {field.name: _column(field, values[field.name]) for field in self.inputs}
        columns = dict(checked(self.signature, columns, units))
        self.check(columns)
        return self.compute(columns)


def quantity(
    name: str, unit: str | None, description: str, minimum: float, maximum: float
) -> InputField:
    """A number in each row, within physical limits."""
    return InputField(name, NUMBER, unit, description, minimum, maximum)


def series(
    name: str, description: str, minimum: float, maximum: float, length: tuple[int, int]
) -> InputField:
    """A list of numbers in each row, in the order in which they were measured."""
    return InputField(name, NUMBER, None, description, minimum, maximum, length=length)


def choice(name: str, description: str, values: tuple[str, ...]) -> InputField:
    """One of a closed list of words."""
    return InputField(name, BYTES, description=description, values=values)


def result(name: str, unit: str | None, description: str) -> OutputField:
    """A number for each row."""
    return OutputField(name, NUMBER, unit, description)


def _column(field: InputField, values: ArrayLike) -> NDArray[Any]:
    try:
        return np.asarray(values, dtype=object if field.datatype == BYTES else np.float64)
    except ValueError:  # words, or lists of unequal length
        raise InputInvalid(f"{field.name!r} is no column of numbers.", param=field.name) from None
