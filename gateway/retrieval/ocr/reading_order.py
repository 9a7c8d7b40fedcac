"""Order the recognised lines of a page as a person reads them.

Lines side by side form a row, with its parts separated by ` | ` as in Word and Excel tables. Two
columns of running text are read one after the other, between lines that span both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

# In heights of a line.
_CELL_GAP = 1.5
_MIN_GUTTER = 0.8
# In shares of the width of the page's text.
_SPANNING = 0.6
_GUTTER_RANGE = (0.3, 0.7)
# A column's lines are nearly as wide as the column; a table's cells are not.
_FILLED = 0.6
_MIN_COLUMN_LINES = 4
# In heights of a line: labels and values of a form are shorter than running text.
_MIN_COLUMN_WIDTH = 8


@dataclass(frozen=True, slots=True)
class PlacedText:
    """A recognised line and its bounds, in pixels of the upright page."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def middle(self) -> float:
        """The vertical centre."""
        return (self.top + self.bottom) / 2

    @property
    def width(self) -> float:
        """The width in pixels."""
        return self.right - self.left


def join_in_order(lines: Sequence[PlacedText]) -> str:
    """Return the text of a page: one row per line of text, top to bottom."""
    rows: list[str] = []
    gutter = _find_gutter(lines)
    if gutter is None:
        return "\n".join(_rows(lines))
    band: list[PlacedText] = []
    for line in sorted(lines, key=lambda one: one.middle):
        if line.left < gutter < line.right:
            rows += _column_rows(band, gutter)
            rows.append(line.text)
            band = []
        else:
            band.append(line)
    return "\n".join([*rows, *_column_rows(band, gutter)])


def _column_rows(lines: Sequence[PlacedText], gutter: float) -> list[str]:
    """Return the rows left of the gutter, then those right of it."""
    left = [line for line in lines if line.right <= gutter]
    right = [line for line in lines if line.right > gutter]
    return _rows(left) + _rows(right)


def _rows(lines: Sequence[PlacedText]) -> list[str]:
    """Return the text of each row: lines whose centres are within half a line height."""
    rows: list[list[PlacedText]] = []
    for line in sorted(lines, key=lambda one: one.middle):
        if rows and _is_same_row(rows[-1][-1], line):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [_join_row(sorted(row, key=lambda one: one.left)) for row in rows]


def _is_same_row(above: PlacedText, line: PlacedText) -> bool:
    """Return whether two lines stand side by side."""
    height = min(above.bottom - above.top, line.bottom - line.top)
    return line.middle - above.middle < height / 2


def _join_row(row: Sequence[PlacedText]) -> str:
    """Join the parts of a row: as cells where the gap is wide, otherwise with a space."""
    text = row[0].text
    for before, line in pairwise(row):
        is_cell = line.left - before.right > _CELL_GAP * (line.bottom - line.top)
        text += (" | " if is_cell else " ") + line.text
    return text


def _find_gutter(lines: Sequence[PlacedText]) -> float | None:
    """Return the horizontal position between two columns of running text, if there are any."""
    if len(lines) < 2 * _MIN_COLUMN_LINES:
        return None
    start, end = min(line.left for line in lines), max(line.right for line in lines)
    narrow = [line for line in lines if line.width < _SPANNING * (end - start)]
    gap = _widest_gap(narrow, start, end)
    if gap is None:
        return None
    sides = (
        [line for line in narrow if line.right <= gap],
        [line for line in narrow if line.left >= gap],
    )
    return gap if all(_is_column(side) for side in sides) else None


def _widest_gap(lines: Sequence[PlacedText], start: float, end: float) -> float | None:
    """Return the middle of the widest vertical strip without text near the centre of the page."""
    first, last = (start + share * (end - start) for share in _GUTTER_RANGE)
    min_width = _MIN_GUTTER * median([line.bottom - line.top for line in lines] or [0])
    best: tuple[float, float | None] = (min_width, None)
    covered = start
    for line in sorted(lines, key=lambda one: one.left):
        middle = (covered + line.left) / 2
        if line.left - covered > best[0] and first < middle < last:
            best = line.left - covered, middle
        covered = max(covered, line.right)
    return best[1]


def _is_column(lines: Sequence[PlacedText]) -> bool:
    """Return whether lines are running text that fills the width of a column."""
    if len(lines) < _MIN_COLUMN_LINES:
        return False
    column = max(line.right for line in lines) - min(line.left for line in lines)
    width = median(line.width for line in lines)
    height = median(line.bottom - line.top for line in lines)
    return width >= _FILLED * column and width >= _MIN_COLUMN_WIDTH * height
