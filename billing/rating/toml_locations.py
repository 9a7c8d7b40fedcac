"""Line numbers of fields in a TOML file, for error messages.

tomllib gives no positions, so the lines are searched again. Files with multi-line strings get no
line numbers, as their content could be mistaken for fields.
"""

import re

_FIELD_PATH = re.compile(r"(?P<table>\w+)(?:\[(?P<index>\d+)\])?(?:\.(?P<field>\w+))?")
_SYNTAX_ERROR_LINE = re.compile(r"at line (\d+)")


def find_line(text: str, field_path: str) -> int | None:
    """Return the 1-based line of a field path, or None if unknown.

    Examples of paths: `fixed_fee`, `price[1]`, `price[1].meter`, `event.lead_hours`.
    """
    match = _FIELD_PATH.match(field_path)
    if match is None or '"""' in text or "'''" in text:
        return None
    lines = text.splitlines()
    if match["index"] is None:
        return _find_in_table(lines, field_path) or _find_field(lines, 0, match["table"])
    heads = [at for at, line in enumerate(lines, 1) if _is_array_header(line, match["table"])]
    index = int(match["index"])
    if index >= len(heads):
        return None
    return _find_field(lines, heads[index], match["field"]) or heads[index]


def line_of_error(text: str, param: str | None) -> int | None:
    """Return the line that the `param` of a file's error refers to, or None if unknown.

    `param` is a field path, or `line N` of a syntax error.
    """
    if match := re.fullmatch(r"line (\d+)", param or ""):
        return int(match[1])
    return find_line(text, param or "")


def syntax_error_line(message: str, text: str) -> int | None:
    """Return the line that a tomllib error message refers to, or None."""
    if match := _SYNTAX_ERROR_LINE.search(message):
        return int(match[1])
    return max(1, len(text.splitlines())) if "at end of document" in message else None


def _find_in_table(lines: list[str], field_path: str) -> int | None:
    """Return the line of a field in a `[table]`, else of the table's header, else None."""
    table, _, name = field_path.rpartition(".")
    for head, field in ((table, name), (field_path, None)):
        line_numbers = (at for at, line in enumerate(lines, 1) if _is_table_header(line, head))
        if head and (at := next(line_numbers, None)) is not None:
            return _find_field(lines, at, field) or at
    return None


def _find_field(lines: list[str], after: int, name: str | None) -> int | None:
    """Return the line of a field in the table whose header is line `after`, or None."""
    for at, line in enumerate(lines[after:], after + 1):
        if line.lstrip().startswith("[") and not line.lstrip().startswith("[{"):
            return None
        if re.match(rf"\s*{name}\s*=", line):
            return at
    return None


def _is_table_header(line: str, table: str) -> bool:
    """Return whether a line is the header `[table]`."""
    return re.match(rf"\s*\[\s*{re.escape(table)}\s*\]", line) is not None


def _is_array_header(line: str, table: str) -> bool:
    """Return whether a line is an array header `[[table]]`."""
    return re.match(rf"\s*\[\[\s*{table}\s*\]\]", line) is not None
