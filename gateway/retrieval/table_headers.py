"""Headers of tables, for chunks that begin within a table: a row is not understood without them."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

_RULE = re.compile(r"^\s*\|[\s\-:|]+\|?\s*$")
# A longer header would leave too little room for rows.
_MAX_HEADER_LENGTH = 240


@dataclass(frozen=True, slots=True)
class TableHeader:
    """A table's header with its rule, and where its rows are (character offsets, end exclusive)."""

    text: str
    start: int
    end: int


def find_table_headers(text: str) -> tuple[TableHeader, ...]:
    """Return the headers of the Markdown tables of a text, in order."""
    headers: list[TableHeader] = []
    offset, previous, header = 0, "", None
    for line in text.splitlines(keepends=True):
        end = offset + len(line)
        if _RULE.match(line) and previous.lstrip().startswith("|"):
            header = f"{previous.strip()}\n{line.strip()}"
            headers.append(TableHeader(header, end, end))
        elif header is not None and line.lstrip().startswith("|"):
            headers[-1] = TableHeader(header, headers[-1].start, end)
        else:
            header = None
        offset, previous = end, line
    return tuple(one for one in headers if len(one.text) <= _MAX_HEADER_LENGTH)


def header_at(headers: Sequence[TableHeader], offset: int) -> str:
    """Return the header of the table in which a chunk begins, `""` if it begins elsewhere."""
    index = bisect_right([one.start for one in headers], offset) - 1
    return headers[index].text if index >= 0 and offset < headers[index].end else ""
