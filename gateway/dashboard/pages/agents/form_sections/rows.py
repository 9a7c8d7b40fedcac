"""Rows of a form that are added and removed: `commands[0].tag`, `round.stops[1].questions[0].id`.

A removed row leaves a gap, so the second row of a list may have the index 3. A document has no
gaps: its positions are those of the rows in the order of their indices.
"""

import re
from collections.abc import Mapping

_PART = re.compile(r"([^\[\]]+)(?:\[(\d+)\])?")
_LIST = r"(?:commands|round\.stops(?:\[\d{1,3}\]\.questions)?|schedule\.(?:pumps|periods))"
_CHANGE = re.compile(rf"(add|remove):({_LIST})(?:\[(\d{{1,3}})\])?", re.ASCII)
_MAX_INDEX = 999
# The field of a form that asks for a row to be added or removed.
ROW_CHANGE = "row"
_MARK = "row"


def row_prefixes(values: Mapping[str, str], name: str) -> list[str]:
    """Return the starts of the fields of a list's rows, such as `commands[3]`, in their order."""
    return [f"{name}[{index}]" for index in _indices(values, name)]


def mark_row(prefix: str) -> dict[str, str]:
    """Return the hidden field that says that a row exists."""
    return {f"{prefix}.{_MARK}": "1"}


def change_rows(values: Mapping[str, str], change: str) -> dict[str, str]:
    """Return the fields after a row was added, such as by `add:commands`, or removed.

    An unknown change, or a row beyond the largest index, changes nothing.
    """
    match = _CHANGE.fullmatch(change)
    kept = {name: value for name, value in values.items() if name != ROW_CHANGE}
    if match is None:
        return kept
    if match[1] == "remove":
        return {name: one for name, one in kept.items() if not _is_in(name, match)}
    index = max(_indices(kept, match[2]), default=-1) + 1
    return kept if index > _MAX_INDEX else kept | _new_row(f"{match[2]}[{index}]")


def form_path(values: Mapping[str, str], path: str) -> str:
    """Return the field of a form for a path in the document, whose rows are numbered."""
    found = ""
    for name, position in _PART.findall(path):
        found += name
        if position:
            indices = _indices(values, found)
            at = int(position)
            found += f"[{indices[at] if at < len(indices) else at}]"
    return found


def _indices(values: Mapping[str, str], name: str) -> list[int]:
    """Return the indices of a list's rows."""
    pattern = re.compile(rf"{re.escape(name)}\[(\d{{1,3}})\]\.{_MARK}", re.ASCII)
    return sorted({int(match[1]) for one in values if (match := pattern.fullmatch(one))})


def _is_in(name: str, match: re.Match[str]) -> bool:
    """Return whether a field is of the row that a change removes."""
    return match[3] is not None and name.startswith(f"{match[2]}[{int(match[3])}].")


def _new_row(prefix: str) -> dict[str, str]:
    """Return the fields of a new row that are not empty; a new stop has one question."""
    fields = mark_row(prefix)
    if prefix.startswith("commands"):
        return fields | {f"{prefix}.when": "stop", f"{prefix}.valid_for": "15m"}
    if ".questions[" in prefix:
        return fields | {f"{prefix}.kind": "number", f"{prefix}.required": "1"}
    if prefix.startswith("round.stops"):
        return fields | _new_row(f"{prefix}.questions[0]")
    return fields
