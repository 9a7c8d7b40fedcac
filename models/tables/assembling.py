"""Collect the cells of a table column by column, as numbers as long as all of them are."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from models.sentences import Sentence
from models.tables.decimal_marks import (
    POINT,
    DecimalMark,
    decide_mark,
    has_decimal_points,
    marks_of_texts,
)
from models.tables.table import Numbers, RawColumn, RawTable, Texts

Cell = str | float
# Cells that are converted together: converting each by itself would take ten times as long.
_BLOCK_CELLS = 4096
# Numbers that are perhaps names and would not be the same in their shortest form: with leading
# zeros, or with more digits than a float has.
_NAMES = re.compile(r"^(?:0\d|\d{16})", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Block:
    """Cells that are all plain numbers, NaN where empty.

    lines: the cells as they were written, a line for each; None if they are numbers of a workbook
    or of JSON.
    """

    numbers: Numbers
    lines: str | None

    def as_texts(self) -> Texts:
        """Return the cells as they were written."""
        if self.lines is not None:
            return np.array(self.lines.split("\n"), dtype=object)
        return RawColumn("", self.numbers, None).as_texts()


class ColumnBuilder:
    """Collects the cells of one column, of which the first `empty` are missing."""

    def __init__(self, name: str, empty: int = 0) -> None:
        self.name = name
        self._pending: list[Cell] = [""] * empty
        self._blocks: list[_Block | Texts] = []

    def append(self, cell: Cell) -> None:
        """Add a cell."""
        self._pending.append(cell)
        if len(self._pending) >= _BLOCK_CELLS:
            self._flush()

    def find_marks(self) -> frozenset[str]:
        """Return the decimal marks that the column has for sure."""
        self._flush()
        if not self._is_text():
            has_points = any(has_decimal_points(lines) for lines in self._lines())
            return frozenset({POINT}) if has_points else frozenset()
        return marks_of_texts(self._texts().tolist())

    def build(self, mark: DecimalMark) -> RawColumn:
        """Return the column: of numbers if all blocks are numbers, else of texts.

        In a file with decimal commas, points are separators of thousands: such cells are texts.
        """
        self._flush()
        has_thousands = mark is DecimalMark.COMMA and any(POINT in one for one in self._lines())
        if self._is_text() or has_thousands:
            return RawColumn(self.name, None, self._texts(), mark)
        blocks = [block.numbers for block in self._blocks if isinstance(block, _Block)]
        has_names = any(_NAMES.search(one) for one in self._lines())
        texts = self._texts() if has_names else None
        return RawColumn(self.name, np.concatenate([np.empty(0), *blocks]), texts, mark)

    def _is_text(self) -> bool:
        """Return whether one of the cells is no plain number."""
        return not all(isinstance(block, _Block) for block in self._blocks)

    def _lines(self) -> Iterator[str]:
        """Yield the plain numbers as they were written, if they were texts."""
        for block in self._blocks:
            if isinstance(block, _Block) and block.lines is not None:
                yield block.lines

    def _texts(self) -> Texts:
        """Return all cells as they were written."""
        return np.concatenate(
            [block.as_texts() if isinstance(block, _Block) else block for block in self._blocks]
        )

    def _flush(self) -> None:
        """Convert the pending cells to a block."""
        if self._pending:
            self._blocks.append(_to_block(self._pending))
            self._pending = []


def _to_block(cells: Sequence[Cell]) -> _Block | Texts:
    """Return cells as numbers, or as texts if one is no plain number."""
    numbers = _to_numbers(cells)
    if numbers is not None and not any(isinstance(cell, str) and cell for cell in cells):
        return _Block(numbers, None)
    texts = [_to_text(cell) for cell in cells]
    lines = "\n".join(texts)
    # Python reads `1_12` as 112; in a table it is a name.
    if numbers is None or "_" in lines:
        return np.array(texts, dtype=object)
    return _Block(numbers, lines)


def _to_numbers(cells: Sequence[Cell]) -> Numbers | None:
    """Return cells as numbers, empty ones as NaN; None if one is no plain number."""
    filled = [cell if cell != "" else "nan" for cell in cells]
    try:
        numbers = np.array(filled, dtype=np.float64)
    except ValueError:
        return None
    # Words such as `nan` and `inf` are texts of a number type: other parts decide what they mean.
    if np.isinf(numbers).any() or np.isnan(numbers).sum() != sum(c == "nan" for c in filled):
        return None
    return numbers


def _to_text(cell: Cell) -> str:
    """Return a cell as a stripped text."""
    return cell.strip() if isinstance(cell, str) else f"{cell:.15g}"


def assemble(
    builders: Sequence[ColumnBuilder],
    row_numbers: Sequence[int],
    units: Mapping[str, str],
    notes: tuple[Sentence, ...],
    delimiter: str = "",
) -> RawTable:
    """Return the table of the collected columns; `delimiter` is what separates a text's cells."""
    marks = {mark for builder in builders for mark in builder.find_marks()}
    mark = decide_mark(marks, delimiter)
    return RawTable(
        tuple(builder.build(mark) for builder in builders),
        np.array(row_numbers, dtype=np.int64),
        MappingProxyType(dict(units)),
        notes,
    )
