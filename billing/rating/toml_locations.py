"""Plan places: on which line of a plan's or contract's file a field is, so that a mistake is found
quickly.

TOML is read without positions, so its lines are looked through once more; where texts over several
lines could mislead, no line is told. Pure.
"""

import re

_PLACE = re.compile(r"(?P<table>\w+)(?:\[(?P<index>\d+)\])?(?:\.(?P<field>\w+))?")
_SYNTAX = re.compile(r"at line (\d+)")


def line_of(text: str, place: str) -> int | None:
    """The line of `fixed_fee`, `price[1]`, `price[1].meter` or `event.lead_hours`, from 1; None
    where not known."""
    found = _PLACE.match(place)
    if found is None or '"""' in text or "'''" in text:
        return None
    lines = text.splitlines()
    if found["index"] is None:
        return _in_table(lines, place) or _field(lines, 0, found["table"])
    heads = [at for at, line in enumerate(lines, 1) if _is_head(line, found["table"])]
    index = int(found["index"])
    if index >= len(heads):
        return None
    return _field(lines, heads[index], found["field"]) or heads[index]


def line_of_syntax(said: str, text: str) -> int | None:
    """The line that TOML's reader complains of."""
    if found := _SYNTAX.search(said):
        return int(found[1])
    return max(1, len(text.splitlines())) if "at end of document" in said else None


def _in_table(lines: list[str], place: str) -> int | None:
    """The line of a field of `[measure.gates]`, of the table where it lacks, or of the table."""
    table, _, name = place.rpartition(".")
    for head, field in ((table, name), (place, None)):
        found = (at for at, line in enumerate(lines, 1) if _is_single_head(line, head))
        if head and (at := next(found, None)) is not None:
            return _field(lines, at, field) or at
    return None


def _field(lines: list[str], after: int, name: str | None) -> int | None:
    """The line of a field within the table that begins after a line."""
    for at, line in enumerate(lines[after:], after + 1):
        if line.lstrip().startswith("[") and not line.lstrip().startswith("[{"):
            return None
        if re.match(rf"\s*{name}\s*=", line):
            return at
    return None


def _is_single_head(line: str, table: str) -> bool:
    return re.match(rf"\s*\[\s*{re.escape(table)}\s*\]", line) is not None


def _is_head(line: str, table: str) -> bool:
    return re.match(rf"\s*\[\[\s*{table}\s*\]\]", line) is not None
