"""Results of `maas` commands, printed as text in a terminal or as one JSON value with `--json`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """One object: in a terminal a title and one line per field, as JSON the fields."""

    title: str
    fields: Mapping[str, Any]
    exit_code: int = 0

    def to_json(self) -> Any:
        """Return the object that `--json` prints: the fields."""
        return dict(self.fields)


@dataclass(frozen=True, slots=True)
class Table:
    """A list of objects: in a terminal the given columns, as JSON all fields."""

    rows: Sequence[Mapping[str, Any]]
    columns: Sequence[str]
    exit_code: int = 0

    def to_json(self) -> Any:
        """Return the list that `--json` prints: the rows with all fields."""
        return list(self.rows)


@dataclass(frozen=True, slots=True)
class Report:
    """A JSON value, and the records and tables that show it in a terminal."""

    value: Any
    sections: Sequence[Record | Table]
    exit_code: int = 0

    def to_json(self) -> Any:
        """Return the value that `--json` prints."""
        return self.value


Result = Record | Table | Report
