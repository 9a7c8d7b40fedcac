"""Find the table of a text: JSON, lines below a header, or a line for each column."""

from collections.abc import Sequence

from models.arguments.tables.structured import Table, find_json, find_lines
from models.arguments.tables.vertical import find_vertical
from models.signature import InputField

_MAX_ROWS = 1_000


def find_table(text: str, fields: Sequence[InputField]) -> tuple[Table, str]:
    """Return the rows that a normalized text has as a table, and the text without them.

    No rows if there is no table with a column of the specialist.
    """
    for find in (find_json, find_lines, find_vertical):
        table, rest = find(text, fields)
        if table:
            return table[:_MAX_ROWS], rest
    return (), text
