"""Collect the cells of a table column by column, as numbers as long as all of them are."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from models.sentences import Sentence
from models.tables.table import Numbers, RawColumn, RawTable, Texts

Cell = str | float
# Cells that are converted together: converting each by itself would take ten times as long.
_BLOCK_CELLS = 4096


class ColumnBuilder:
    """Collects the cells of one column, of which the first `empty` are missing."""

    def __init__(self, name: str, empty: int = 0) -> None:
        self.name = name
        self._pending: list[Cell] = [""] * empty
        self._blocks: list[Numbers | Texts] = []

    def append(self, cell: Cell) -> None:
        """Add a cell."""
        self._pending.append(cell)
        if len(self._pending) >= _BLOCK_CELLS:
            self._flush()

    def build(self) -> RawColumn:
        """Return the column: of numbers if all blocks are numbers, else of texts."""
        self._flush()
        if all(block.dtype == np.float64 for block in self._blocks):
            numbers = np.concatenate(self._blocks) if self._blocks else np.empty(0)
            return RawColumn(self.name, numbers.astype(np.float64), None)
        texts = [
            block
            if block.dtype == object
            else RawColumn(self.name, block.astype(np.float64), None).as_texts()
            for block in self._blocks
        ]
        return RawColumn(self.name, None, np.concatenate(texts))

    def _flush(self) -> None:
        """Convert the pending cells to a block."""
        if self._pending:
            self._blocks.append(_to_block(self._pending))
            self._pending = []


def _to_block(cells: Sequence[Cell]) -> Numbers | Texts:
    """Return cells as numbers, empty ones as NaN, or as texts if one is no plain number."""
    filled = [cell if cell != "" else "nan" for cell in cells]
    try:
        numbers = np.array(filled, dtype=np.float64)
    except ValueError:
        return np.array([_to_text(cell) for cell in cells], dtype=object)
    # Words such as `nan` and `inf` are texts of a number type: other parts decide what they mean.
    if not np.isinf(numbers).any() and np.isnan(numbers).sum() == sum(c == "nan" for c in filled):
        return numbers
    return np.array([_to_text(cell) for cell in cells], dtype=object)


def _to_text(cell: Cell) -> str:
    """Return a cell as a stripped text."""
    return cell.strip() if isinstance(cell, str) else f"{cell:.15g}"


def assemble(
    builders: Sequence[ColumnBuilder],
    row_numbers: Sequence[int],
    units: Mapping[str, str],
    notes: tuple[Sentence, ...],
) -> RawTable:
    """Return the table of the collected columns."""
    return RawTable(
        tuple(builder.build() for builder in builders),
        np.array(row_numbers, dtype=np.int64),
        MappingProxyType(dict(units)),
        notes,
    )
