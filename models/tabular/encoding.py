"""Encode the inputs of rows as the numbers that trees are trained on and called with."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.tables.codes import as_known
from models.tables.columns import Column
from models.tabular.data import Floats
from models.tabular.pairs import PairEncoding, encode_pairs

# The most frequent values of a category have a feature each; all others are `other`. Answers have a
# contribution of each feature to each class, so that the categories of a table share this many.
_MAX_FEATURES = 200
# Features of all rows, which a training holds in memory several times.
_MAX_CELLS = 20_000_000
# So many values of a category have a feature in any case, and more if each has as many rows: with
# fewer, no split of a tree can tell it apart.
_MIN_VALUES, _MIN_ROWS_OF_VALUE = 20, 5

Features = NDArray[np.float32]
"""[rows, features]"""


class NumberEncoding(msgspec.Struct, frozen=True, tag="number"):
    """A number column: one feature. `missing` stands for a missing value, below all others."""

    name: str
    unit: str | None
    minimum: float
    maximum: float
    missing: float

    @property
    def feature_count(self) -> int:
        """The number of features."""
        return 1

    def encode(self, values: NDArray[np.generic]) -> Features:
        """Return the feature of numbers, NaN where missing."""
        numbers = np.asarray(values, dtype=np.float32)
        return np.where(np.isnan(numbers), np.float32(self.missing), numbers)[:, np.newaxis]

    def without_fill(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return numbers with NaN where they are missing."""
        numbers = np.asarray(values, dtype=np.float64)
        return np.where(numbers == np.float64(np.float32(self.missing)), np.nan, numbers)

    def is_missing(self, values: NDArray[np.generic]) -> NDArray[np.bool_]:
        """Return which numbers are missing."""
        return np.isnan(self.without_fill(values).astype(np.float64))

    def is_outside(self, values: NDArray[np.generic]) -> NDArray[np.bool_]:
        """Return which values lie outside the range that the model was trained on."""
        numbers = np.asarray(values, dtype=np.float64)
        margin = 1e-6 * max(abs(self.minimum), abs(self.maximum))
        with np.errstate(invalid="ignore"):
            is_outside = (numbers < self.minimum - margin) | (numbers > self.maximum + margin)
        return np.asarray(is_outside & ~self.is_missing(values), dtype=np.bool_)


class CategoryEncoding(msgspec.Struct, frozen=True, tag="category"):
    """A category column: a feature for each frequent value. `values` are all that occurred.

    `frequent` has the empty text if cells were empty in training: an empty alarm code says that
    there is no alarm. Artefacts of earlier releases have no feature for it.
    """

    name: str
    frequent: tuple[str, ...]
    values: tuple[str, ...]

    @property
    def feature_count(self) -> int:
        """The number of features."""
        return len(self.frequent)

    def encode(self, values: NDArray[np.generic]) -> Features:
        """Return the features: 1 in the column of a row's value."""
        texts = as_known(values, self.values)
        return np.stack([texts == value for value in self.frequent], axis=1).astype(np.float32)

    def without_fill(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return the texts unchanged."""
        return values

    def is_missing(self, values: NDArray[np.generic]) -> NDArray[np.bool_]:
        """Return which texts are missing: empty ones, unless training had empty ones too."""
        is_value = "" in self.frequent
        return np.array([value == "" and not is_value for value in values], dtype=np.bool_)

    def is_outside(self, values: NDArray[np.generic]) -> NDArray[np.bool_]:
        """Return which values did not occur in training; a missing one is not outside."""
        known = {*self.values, ""}
        return np.array(
            [text not in known for text in as_known(values, self.values)], dtype=np.bool_
        )


ColumnEncoding = NumberEncoding | CategoryEncoding


class RowEncoding(msgspec.Struct, frozen=True):
    """The encodings of all inputs, in order, and those of pairs of them.

    The features of pairs follow those of the columns; artefacts of earlier releases have none.
    """

    columns: tuple[ColumnEncoding, ...]
    pairs: tuple[PairEncoding, ...] = ()

    @property
    def owners(self) -> tuple[int, ...]:
        """The index in `names` of what each feature is of, ascending."""
        of_pairs = range(len(self.columns), len(self.columns) + len(self.pairs))
        return (*self._column_owners, *of_pairs)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, then those of the pairs."""
        of_columns = tuple(column.name for column in self.columns)
        of_features = [of_columns[owner] for owner in self._column_owners]
        return (*of_columns, *(pair.name(of_features) for pair in self.pairs))

    @property
    def _column_owners(self) -> tuple[int, ...]:
        """The index of the column of each feature of a single column."""
        return tuple(
            index for index, column in enumerate(self.columns) for _ in range(column.feature_count)
        )

    def encode(self, inputs: Mapping[str, NDArray[np.generic]]) -> Features:
        """Return the features of rows, [rows, features]."""
        parts = [column.encode(inputs[column.name]) for column in self.columns]
        return self.add_pairs(np.concatenate(parts, axis=1))

    def add_pairs(self, singles: Features) -> Features:
        """Return the features of single columns followed by those of pairs."""
        if not self.pairs:
            return singles
        return np.concatenate([singles, encode_pairs(self.pairs, self.readings(singles))], axis=1)

    def readings(self, singles: Features) -> Floats:
        """Return features of single columns in double precision, NaN where they are missing."""
        missing = [
            float(np.float32(column.missing)) if isinstance(column, NumberEncoding) else np.nan
            for column in self.columns
            for _ in range(column.feature_count)
        ]
        values = singles.astype(np.float64)
        return np.where(values == np.array(missing), np.nan, values)

    def column_gains(self, gains: NDArray[np.generic]) -> Floats:
        """Return the gain of each column from that of each feature; pairs share theirs equally."""
        singles = len(self._column_owners)
        owners = np.array(self._column_owners)
        of_feature = np.asarray(gains, dtype=np.float64)
        total: Floats = np.zeros(len(self.columns))
        np.add.at(total, owners, of_feature[:singles])
        for pair, gain in zip(self.pairs, of_feature[singles:], strict=True):
            total[owners[[pair.first, pair.second]]] += gain / 2
        return total

    def outside(self, inputs: Mapping[str, NDArray[np.generic]]) -> NDArray[np.bool_]:
        """Return which inputs of which rows training did not cover, [rows, columns]."""
        flags = [column.is_outside(inputs[column.name]) for column in self.columns]
        return np.stack(flags, axis=1)


def fit_encoding(inputs: Sequence[Column]) -> RowEncoding:
    """Return the encoding of the columns, from their values in training."""
    categories = [column for column in inputs if column.numbers is None]
    rows = max((len(_texts(column)) for column in categories), default=0)
    features = min(_MAX_FEATURES, _MAX_CELLS // max(1, rows))
    most = max(_MIN_VALUES, features // max(1, len(categories)))
    return RowEncoding(tuple(_fit_column(column, most) for column in inputs))


def column_values(inputs: Sequence[Column]) -> dict[str, NDArray[np.generic]]:
    """Return the values of columns by name, as `RowEncoding.encode` takes them."""
    return {
        column.name: column.numbers if column.numbers is not None else _texts(column)
        for column in inputs
    }


def _fit_column(column: Column, most: int) -> ColumnEncoding:
    """Return the encoding of one column, of a category with at most `most` frequent values."""
    if column.numbers is None:
        counts = Counter(map(str, _texts(column)))
        empty = [""] if counts.pop("", 0) else []
        frequent = sorted(
            value
            for position, (value, count) in enumerate(counts.most_common(most))
            if position < _MIN_VALUES or count >= _MIN_ROWS_OF_VALUE
        )
        return CategoryEncoding(column.name, (*empty, *frequent), tuple(sorted(counts)))
    present = column.numbers[np.isfinite(column.numbers)]
    minimum, maximum = float(present.min()), float(present.max())
    missing = float(np.float32(minimum - (maximum - minimum) - 1.0))
    return NumberEncoding(column.name, column.unit, minimum, maximum, missing)


def _texts(column: Column) -> NDArray[np.object_]:
    """Return the texts of a column."""
    return column.texts if column.texts is not None else np.empty(0, dtype=object)
