"""The columns that a monitor sees, and their features: numbers as they are, categories one-hot."""

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.monitoring.components import Flags, Floats
from models.series.calls import ColumnRange
from models.tables.codes import as_known

# The least deviation of a number, in parts of its size: float32 has some seven digits.
_DIGITS = 1e-6
_SMALLEST = 1e-12
# The least deviation of a category's feature, so that a rare value is no fault by itself.
_LEAST_SPREAD_OF_CATEGORY = 0.1


class CategoryRange(msgspec.Struct, frozen=True):
    """A category column: its values in normal operation, and those that have a feature."""

    name: str
    frequent: tuple[str, ...]
    values: tuple[str, ...]


class MonitoredInputs(msgspec.Struct, frozen=True):
    """The columns of a monitor.

    constants: numbers that never change in normal operation. They have no features: another value
    is named, but how far it is from normal is unknown.
    """

    numbers: tuple[ColumnRange, ...]
    categories: tuple[CategoryRange, ...] = ()
    constants: tuple[ColumnRange, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns with features, numbers first."""
        numbers = tuple(column.name for column in self.numbers)
        return (*numbers, *(column.name for column in self.categories))

    @property
    def all_names(self) -> tuple[str, ...]:
        """The names of all columns, constants last."""
        return (*self.names, *(column.name for column in self.constants))

    @property
    def owners(self) -> tuple[int, ...]:
        """The column of each feature, as an index in `names`."""
        first = len(self.numbers)
        return (
            *range(first),
            *(first + at for at, one in enumerate(self.categories) for _ in one.frequent),
        )

    @property
    def least_spread(self) -> Floats:
        """The least deviation of each feature."""
        sizes = [max(abs(one.minimum), abs(one.maximum)) for one in self.numbers]
        of_numbers = [max(size * _DIGITS, _SMALLEST) for size in sizes]
        rest = len(self.owners) - len(of_numbers)
        return np.array([*of_numbers, *[_LEAST_SPREAD_OF_CATEGORY] * rest])

    def encode(self, columns: Mapping[str, NDArray[np.generic]]) -> Floats:
        """Return the features of columns, [..., features], NaN where missing.

        Numbers are rounded to single precision, like those of a call.
        """
        parts = [
            np.asarray(columns[one.name]).astype(np.float32).astype(np.float64)[..., np.newaxis]
            for one in self.numbers
        ]
        parts += [_one_hot(one, columns[one.name]) for one in self.categories if one.frequent]
        return np.concatenate(parts, axis=-1)

    def outside(self, columns: Mapping[str, NDArray[np.generic]]) -> Flags:
        """Return which values of the last step training did not cover, [rows, all columns]."""
        flags = [_is_beyond(one, _last(columns[one.name])) for one in self.numbers]
        flags += [_is_unknown(one, _last(columns[one.name])) for one in self.categories]
        flags += [_is_beyond(one, _last(columns[one.name])) for one in self.constants]
        return np.stack(flags, axis=1)


def _one_hot(category: CategoryRange, values: NDArray[np.generic]) -> Floats:
    """Return the features of a category, NaN where its value is missing."""
    texts = as_known(values, category.values)[..., np.newaxis]
    found = (texts == np.array(category.frequent, dtype=object)).astype(np.float64)
    return np.where(texts == "", np.nan, found)


def _last(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return the values of the last step, [rows]."""
    return values[:, -1]


def _is_beyond(column: ColumnRange, values: NDArray[np.generic]) -> Flags:
    """Return which numbers lie outside the range of normal operation; missing ones never."""
    numbers = values.astype(np.float64)
    margin = 1e-6 * max(abs(column.minimum), abs(column.maximum))
    with np.errstate(invalid="ignore"):
        beyond = (numbers < column.minimum - margin) | (numbers > column.maximum + margin)
    return np.asarray(beyond, dtype=np.bool_)


def _is_unknown(category: CategoryRange, values: NDArray[np.generic]) -> Flags:
    """Return which texts did not occur in normal operation; missing ones never."""
    known = {*category.values, ""}
    texts = as_known(values, category.values)
    return np.array([text not in known for text in texts], dtype=np.bool_)
