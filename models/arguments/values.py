"""What was read from a text for the columns of one specialist."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

ColumnValue = float | str | tuple[float, ...]
"""A number in the column's unit, a text, or a series of numbers."""


class Source(StrEnum):
    """Where a value comes from."""

    TEXT = "text"  # it stands in the text
    DEFINITION = "definition"  # a term in the text defines it: L10 is a reliability of 90 %
    MODEL = "model"  # the language model chose the column of a value that stands in the text
    ASSET = "asset"  # the newest reading of a point of the asset that the text names


class ProblemKind(StrEnum):
    """Why a value that stands in the text cannot be used."""

    RANGE = "range"  # outside the column's limits
    UNIT = "unit"  # in a unit of another quantity
    AMBIGUOUS = "ambiguous"  # the text has several values


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of a column, converted to its unit; `text` is what the person wrote, or a tag."""

    column: str
    value: ColumnValue
    text: str
    source: Source = Source.TEXT


@dataclass(frozen=True, slots=True)
class Problem:
    """A value of a column that cannot be used, as the person wrote it."""

    column: str
    kind: ProblemKind
    text: str


Row = Mapping[str, Reading]
"""The readings of one row by column."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """The rows that a text has for a specialist, and what could not be used.

    There is always at least one row, which may be empty. `unclaimed` are the quantities of the text
    that belong to no column, each as value and unit (empty for none): a language model may know
    their columns.
    """

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...] = ()
    unclaimed: tuple[tuple[float, str], ...] = field(default=())

    @property
    def first(self) -> Row:
        """Return the first row."""
        return self.rows[0]
