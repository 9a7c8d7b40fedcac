"""Find out which maintenance table a file has, and its columns, by names in both languages."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from gateway.plant.tag_lists.columns import (
    MAX_COLUMNS,
    Field,
    find_columns,
    normalize_header,
    unescape_cell,
)
from gateway.plant.tag_lists.rows import MAX_TITLE_ROWS, Row

_FILE = Path(__file__).with_name("words.toml")


class TableKind(StrEnum):
    """Maintenance tables that can be imported."""

    WORK_ORDERS = "work_orders"
    FMEA = "fmea"


@dataclass(frozen=True, slots=True)
class TableColumns:
    """The position of each column of a table, and the names that are not known."""

    positions: Mapping[str, int]
    unknown: tuple[str, ...] = ()

    def __contains__(self, name: str) -> bool:
        return name in self.positions

    def value(self, row: Sequence[object], name: str) -> str:
        """Return the text of a cell without spaces around it, empty if there is none."""
        at = self.positions.get(name)
        if at is None or at >= len(row):
            return ""
        cell = row[at]
        text = f"{cell:.15g}" if isinstance(cell, float) else str(cell)
        return " ".join(unescape_cell(text.strip()).split())


@dataclass(frozen=True, slots=True)
class Header:
    """The kind of a table, its columns, and the number of rows above its data."""

    kind: TableKind
    columns: TableColumns
    skipped: int


# The columns without which a table is none of its kind: all of the first, one of the second.
_REQUIRED: Mapping[TableKind, tuple[frozenset[str], frozenset[str]]] = MappingProxyType(
    {
        TableKind.WORK_ORDERS: (
            frozenset({"number", "asset"}),
            frozenset({"failure_mode", "action", "date", "finished", "cause"}),
        ),
        TableKind.FMEA: (
            frozenset({"failure_mode"}),
            frozenset({"cause", "effect", "severity", "occurrence", "detection"}),
        ),
    }
)


def find_table(rows: Iterator[Row]) -> Header | None:
    """Return the header of a maintenance table; None if the first rows have none.

    A file with a column of tags is a tag list.
    """
    best: Header | None = None
    for skipped, (_, cells) in enumerate(islice(rows, MAX_TITLE_ROWS), start=1):
        if Field.TAG in find_columns(cells):
            return None
        for kind in TableKind:
            columns = _columns(kind, cells)
            is_more = best is None or len(columns.positions) > len(best.columns.positions)
            if is_more and _is_table(kind, columns):
                best = Header(kind, columns, skipped)
    return best


def _is_table(kind: TableKind, columns: TableColumns) -> bool:
    """Return whether a row has the columns that a table of the kind needs."""
    needed, one_of = _REQUIRED[kind]
    names = columns.positions.keys()
    return needed <= names and bool(one_of & names)


def _columns(kind: TableKind, cells: Sequence[object]) -> TableColumns:
    """Return the columns of a row, of two with one meaning the first."""
    positions: dict[str, int] = {}
    unknown = []
    words = _words()[kind]
    for at, cell in enumerate(cells[:MAX_COLUMNS]):
        text = str(cell).strip()
        name = words.get(normalize_header(text))
        if name is not None:
            positions.setdefault(name, at)
        elif text:
            unknown.append(text[:100])
    return TableColumns(positions, tuple(unknown))


@cache
def _words() -> Mapping[TableKind, Mapping[str, str]]:
    """Return the column of each word by kind of table, read once in a process."""
    tables = tomllib.loads(_FILE.read_text("utf-8"))
    return {
        kind: {word: name for name, words in tables[kind].items() for word in words}
        for kind in TableKind
    }
