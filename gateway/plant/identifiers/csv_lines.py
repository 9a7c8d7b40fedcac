"""Registrations from a CSV file: one record per row, as the JSON lines that registration takes.

    id,name,drawing (partner),cost (owner)
    88.100.5001/PUMP-1,Pump,D-77,1200

The columns `ttl` and `version` set what they name. A field's column can state who may read it.
"""

import csv
import io
from collections.abc import Mapping, Sequence

import msgspec

from gateway.plant.identifiers.errors import RecordFileInvalid
from gateway.plant.identifiers.records import Access

_MAX_COLUMNS = 80
_NUMBERS = ("ttl", "version")
_DELIMITERS = ",;\t"
_ENCODINGS = ("utf-8-sig", "gb18030")


def lines_of_csv(content: bytes) -> bytes:
    """Return the rows of a CSV file as JSON lines. Raises RecordFileInvalid.

    Row n + 1 becomes line n. Empty cells are left out. Files of Excel in UTF-8 or GB 18030 are
    read, with commas, semicolons or tabs.
    """
    text = _decode(content)
    head = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        columns = [_column(name) for name in next(rows, [])]
        _require_columns(columns)
        lines = [
            msgspec.json.encode(_line(columns, row)) if any(map(str.strip, row)) else b""
            for row in rows
        ]
    except csv.Error as error:
        raise RecordFileInvalid(f"The CSV file is malformed: {error}.", param="file") from None
    return b"\n".join(lines)


def _decode(content: bytes) -> str:
    """Return the text of a file. Raises RecordFileInvalid."""
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise RecordFileInvalid("The CSV file is neither UTF-8 nor GB 18030.", param="file")


def _column(name: str) -> tuple[str, str]:
    """Return name and access of a column. Raises RecordFileInvalid."""
    text = name.replace("（", "(").replace("）", ")").strip()
    if not text.endswith(")"):
        return text, Access.PUBLIC
    field, _, access = text[:-1].rpartition("(")
    if access.strip() not in set(Access):
        return text, Access.PUBLIC  # such as `Power (kW)`
    return field.strip(), access.strip()


def _require_columns(columns: Sequence[tuple[str, str]]) -> None:
    """Raise RecordFileInvalid unless there is an `id`, and names are given and unique."""
    names = [name for name, _ in columns]
    if "id" not in names:
        raise RecordFileInvalid("The first row needs a column `id`.", param="file")
    if len(names) > _MAX_COLUMNS or len(set(names)) < len(names) or "" in names:
        raise RecordFileInvalid(
            f"Columns have unique names, and there are at most {_MAX_COLUMNS}.", param="file"
        )


def _line(columns: Sequence[tuple[str, str]], row: Sequence[str]) -> Mapping[str, object]:
    """Return the registration of a row; one with more cells than columns is refused by its id."""
    line: dict[str, object] = {}
    fields: dict[str, object] = {}
    for (name, access), cell in zip(columns, row, strict=False):
        text = cell.strip()
        if name == "id":
            line["id"] = text
        elif text and name in _NUMBERS:
            line[name] = int(text) if text.isascii() and text.isdigit() else text
        elif text:
            fields[name] = {"value": text, "access": access}
    if len(row) > len(columns):
        line["id"] = ""
    return {**line, "fields": fields}
