"""A table as it was read from a file: named columns of numbers or of texts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from models.sentences import Sentence
from models.tables.decimal_marks import DecimalMark

Numbers = NDArray[np.float64]
Texts = NDArray[np.object_]
RowNumbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RawColumn:
    """A column: `numbers` where every cell is a plain number or empty (NaN), else `texts`.

    `texts` are stripped; an empty cell is an empty text. Numbers have texts too where they are
    perhaps names: `007` is not `7`. `decimal_mark` is that of the file.
    """

    name: str
    numbers: Numbers | None
    texts: Texts | None
    decimal_mark: DecimalMark = DecimalMark.UNKNOWN

    def __len__(self) -> int:
        """Return the number of rows."""
        values = self.texts if self.numbers is None else self.numbers
        return 0 if values is None else len(values)

    def as_texts(self) -> Texts:
        """Return all cells as texts, numbers without texts in their shortest form."""
        if self.texts is not None:
            return self.texts
        numbers = np.empty(0) if self.numbers is None else self.numbers
        return np.array(
            ["" if np.isnan(number) else f"{number:.15g}" for number in numbers], dtype=object
        )


@dataclass(frozen=True, slots=True)
class RawTable:
    """The columns of a table, of equal length, and the number of each row in the file, from 1.

    `units` are those of a second header row, by column. `notes` say how the file was read.
    """

    columns: tuple[RawColumn, ...]
    row_numbers: RowNumbers
    units: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[Sentence, ...] = ()

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.row_numbers)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    def renamed(self, names: Mapping[str, str]) -> "RawTable":
        """Return the table with columns, and their units, under the new names."""
        columns = (replace(one, name=names.get(one.name, one.name)) for one in self.columns)
        units = {names.get(name, name): unit for name, unit in self.units.items()}
        return replace(self, columns=tuple(columns), units=MappingProxyType(units))
