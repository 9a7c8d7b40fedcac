"""Read a specialist's inputs from a text: tables first, then series, single numbers and texts.

Nothing is guessed: a column without a value in the text has none.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from models.arguments.choices import read_choice, read_tags, read_word
from models.arguments.conversion import is_in_range
from models.arguments.corrections import split_corrections
from models.arguments.definitions import defined_choice, defined_value
from models.arguments.derivations import Derivation, derive, find_parts
from models.arguments.ignored_numbers import find_ignored
from models.arguments.leftovers import NEW
from models.arguments.lexicon import Strength, find_cues
from models.arguments.matching import Matched, match_quantities
from models.arguments.meters import read_meter
from models.arguments.quantities import Quantity, find_runs, normalize
from models.arguments.rewriting.prose import plain_prose
from models.arguments.runs import find_series, labelled_row_length
from models.arguments.stated_times import with_stated_times
from models.arguments.subgroups import SUBGROUP_SIZE, read_subgroup_size
from models.arguments.tables.cells import read_cell, read_column, read_series
from models.arguments.tables.finding import find_table
from models.arguments.tables.structured import Table
from models.arguments.values import Extraction, Problem, Reading, Row, Source
from models.signature import BYTES, InputField

_MAX_TAGS = 20
_TAG = "tag"
_LIMITS = ("lower_limit", "upper_limit")
_LIMIT_WORDS = re.compile(
    r"(?:limits?|spec(?:ification)?s?|tolerances?|drawing|between|outside|range|公差|规格|图纸|要求"
    r"|允许|范围|限)"
    r"[^\d\n]{0,16}$",
    re.IGNORECASE,
)
_RANGE_SIGN = re.compile(
    r"\s*(?:(?:up )?to|and|through|-{1,2}|~|～|\.{2,3}|…|/|,|、|至|到|和|与)\s*", re.IGNORECASE
)
_PLUS_MINUS = re.compile(
    r"\s*(?:±|\+/?-?|正负|加减|plus\s*(?:or|/|and)?\s*minus)\s*", re.IGNORECASE
)
_NEAR = 24
# More numbers in a row than anybody writes for columns without their names.
_LONG_RUN = 8


@dataclass(slots=True)
class _Draft:
    """What was read so far."""

    readings: dict[str, Reading] = field(default_factory=dict)
    problems: dict[str, Problem] = field(default_factory=dict)

    def add(self, found: Reading | Problem | None) -> None:
        """Add a reading or problem unless the column has a reading."""
        if isinstance(found, Reading):
            self.readings.setdefault(found.column, found)
            self.problems.pop(found.column, None)
        elif found is not None and found.column not in self.readings:
            self.problems.setdefault(found.column, found)


def extract(texts: Sequence[str], fields: Sequence[InputField]) -> Extraction:
    """Return the rows that a person's messages have for the columns of a specialist.

    texts: the messages, the newest last; a newer value of a column replaces an older one.
    """
    parts = [part for text in texts for part in split_corrections(text)]
    newest = _extract_one(parts[-1] if parts else "", fields)
    for text in reversed(parts[:-1]):
        older = _extract_one(text, fields)
        newest = _merge(newest, older)
    return newest


def required_columns(fields: Sequence[InputField]) -> tuple[str, ...]:
    """Return the columns that a call must have."""
    return tuple(one.name for one in fields if not one.optional)


def _merge(newer: Extraction, older: Extraction) -> Extraction:
    """Return the newer rows with the older values of columns that they lack."""
    if len(newer.rows) == 1 and not newer.first and len(older.rows) > 1:
        return replace(older, unclaimed=newer.unclaimed + older.unclaimed)
    common = older.first if len(older.rows) == 1 else {}
    rows = tuple({**common, **row} for row in newer.rows)
    stated = {problem.column for problem in newer.problems}
    problems = newer.problems + tuple(
        one
        for one in older.problems
        if one.column not in stated and any(one.column not in row for row in rows)
    )
    still_open = tuple(one for one in problems if any(one.column not in row for row in rows))
    return Extraction(rows, still_open, newer.unclaimed + older.unclaimed)


def _extract_one(text: str, fields: Sequence[InputField]) -> Extraction:
    """Return the rows of one message."""
    normal = normalize(text)
    table, prose = find_table(normal, fields)
    takes_tags = any(one.name == _TAG for one in fields)
    prose, quantities = plain_prose(prose, takes_tags)
    draft = _Draft()
    rows = _table_rows(table, fields, draft)
    unclaimed = _read_prose(prose, quantities, fields, draft)
    if len(rows) > 1:
        common = draft.readings
        return Extraction(
            tuple({**common, **row} for row in rows), tuple(draft.problems.values()), unclaimed
        )
    only = {**draft.readings, **(rows[0] if rows else {})}
    if not rows:
        tags = _tag_rows(prose, fields, only)
        if tags:
            return Extraction(tags, tuple(draft.problems.values()), unclaimed)
    open_problems = tuple(one for one in draft.problems.values() if one.column not in only)
    return Extraction((only,), open_problems, unclaimed)


def _table_rows(table: Table, fields: Sequence[InputField], draft: _Draft) -> list[Row]:
    """Return the rows of a table; the rows are one series each where the columns are series."""
    if not table:
        return []
    if any(one.length is not None for one in fields) and len(table) > 1:
        for one in fields:
            if one.length is not None:
                draft.add(read_column(one, table))
        return []
    rows: list[Row] = []
    for cells in table:
        row: dict[str, Reading] = {}
        for one in fields:
            found = read_cell(one, cells[one.name]) if one.name in cells else None
            if isinstance(found, Reading):
                row[one.name] = found
            elif found is not None:
                draft.add(found)
        rows.append(row)
    return _as_old_and_new(rows, fields)


def _as_old_and_new(rows: list[Row], fields: Sequence[InputField]) -> list[Row]:
    """Return two rows of which the second states the new value of a column as one row."""
    new = [one.name for one in fields if one.name.startswith(NEW)]
    if len(rows) != 2 or not new or any(name in row for name in new for row in rows):
        return rows
    before, after = rows
    changed = {
        name: replace(after[old], column=name)
        for name in new
        if (old := name.removeprefix(NEW)) in after
    }
    return [{**before, **changed}] if changed and len(after) == len(changed) else rows


def _read_prose(
    text: str, quantities: tuple[Quantity, ...], fields: Sequence[InputField], draft: _Draft
) -> tuple[tuple[float, str], ...]:
    """Read what stands outside tables; returns the quantities that no column has."""
    has_series = any(one.length is not None for one in fields)
    ignored = find_ignored(text, quantities, has_series)
    quantities = tuple(one for index, one in enumerate(quantities) if index not in ignored)
    quantities = with_stated_times(text, fields, quantities)
    quantities = _read_subgroups(text, fields, quantities, draft)
    taken = _read_runs(text, fields, quantities, draft)
    taken |= _read_limits(text, fields, quantities, taken, draft)
    for one in fields:
        if one.datatype == BYTES and one.name not in draft.readings:
            draft.add(_read_text(text, one))
    taken |= _unlabelled(text, fields, quantities)
    meter = read_meter(text, fields, quantities)
    if meter is not None:
        draft.add(meter[0])
        taken |= meter[1]
    derivation = find_parts(text, fields, quantities)
    taken |= derivation.used
    free = [one for index, one in enumerate(quantities) if index not in taken]
    scalars = [
        one
        for one in fields
        if one.datatype != BYTES and one.length is None and one.name not in draft.readings
    ]
    matched = match_quantities(text, scalars, free)
    for reading in matched.readings.values():
        draft.add(reading)
    for problem in matched.problems:
        draft.add(problem)
    for reading in derive(text, fields, quantities, derivation, draft.readings):
        draft.add(reading)
    if derivation.used:
        matched = _match_rest(text, scalars, free, matched, derivation, draft)
        for reading in derive(text, fields, quantities, derivation, draft.readings):
            draft.add(reading)
    for one in scalars:
        if one.name not in draft.readings and one.name not in draft.problems:
            draft.add(defined_value(text, one))
    return tuple(
        (one.value, one.units[0][1] if one.units else "")
        for index, one in enumerate(free)
        if index not in matched.used
    )


def _read_subgroups(
    text: str, fields: Sequence[InputField], quantities: tuple[Quantity, ...], draft: _Draft
) -> tuple[Quantity, ...]:
    """Read the size of subgroups; returns the other quantities."""
    column = next((one for one in fields if one.name == SUBGROUP_SIZE), None)
    found = None if column is None else read_subgroup_size(text, column)
    if found is None:
        return quantities
    reading, (start, end) = found
    draft.add(reading)
    return tuple(one for one in quantities if not start <= one.start < end)


def _match_rest(
    text: str,
    scalars: Sequence[InputField],
    free: Sequence[Quantity],
    matched: Matched,
    derivation: Derivation,
    draft: _Draft,
) -> Matched:
    """Match again what is left: a column that is derived is no rival of the others."""
    left = [
        one
        for one in scalars
        if one.name not in draft.readings and one.name not in derivation.parts
    ]
    if not left:
        return matched
    rest = [one for index, one in enumerate(free) if index not in matched.used]
    again = match_quantities(text, left, rest)
    for reading in again.readings.values():
        draft.add(reading)
    index_of = {id(one): index for index, one in enumerate(free)}
    used = {index_of[id(rest[index])] for index in again.used}
    return replace(matched, used=matched.used | used)


def _read_text(text: str, column: InputField) -> Reading | Problem | None:
    """Return the text of a column of texts; tags are read by their form (`_tag_rows`)."""
    if column.values:
        return read_choice(text, column) or defined_choice(text, column)
    return None if column.name == _TAG else read_word(text, column)


def _unlabelled(
    text: str, fields: Sequence[InputField], quantities: Sequence[Quantity]
) -> set[int]:
    """Return the numbers of long series, which are no values of a specialist without series."""
    if any(one.length is not None for one in fields):
        return set()
    index_of = {id(one): index for index, one in enumerate(quantities)}
    runs = [run for run in find_runs(text, quantities) if len(run) >= _LONG_RUN]
    return {index_of[id(one)] for run in runs for one in run}


def _tag_rows(text: str, fields: Sequence[InputField], only: Row) -> tuple[Row, ...]:
    """Return one row for each plant tag in the text, if the specialist takes tags."""
    if not any(one.name == _TAG and one.datatype == BYTES for one in fields) or _TAG in only:
        return ()
    return tuple({**only, _TAG: Reading(_TAG, one, one)} for one in read_tags(text, _MAX_TAGS))


def _read_runs(
    text: str, fields: Sequence[InputField], quantities: Sequence[Quantity], draft: _Draft
) -> set[int]:
    """Assign runs of numbers to columns of series; returns the indices of their numbers."""
    columns = [one for one in fields if one.length is not None and one.name not in draft.readings]
    if not columns:
        return set()
    taken: set[int] = set()
    index_of = {id(one): index for index, one in enumerate(quantities)}
    named = find_cues(text, tuple(one for one in fields if one.length is None))
    cues = find_cues(text, tuple(columns))
    apart = (*named, *cues) if len(columns) > 1 else named
    for run in find_series(text, quantities, named, apart):
        before = [
            cue
            for cue in cues
            if cue.strength is not Strength.WEAK and cue.end <= run[0].start <= cue.end + _NEAR
        ]
        name = before[-1].column if before else columns[0].name if len(columns) == 1 else None
        column = next((one for one in columns if one.name == name), None)
        if column is None or column.name in draft.readings:
            continue
        series = read_series(column, [one.value for one in run])
        draft.add(series)
        if isinstance(series, Reading):
            _add_row_length(text, fields, run, quantities, draft)
        taken.update(index_of[id(one)] for one in run)
    return taken


def _add_row_length(
    text: str,
    fields: Sequence[InputField],
    series: Sequence[Quantity],
    quantities: Sequence[Quantity],
    draft: _Draft,
) -> None:
    """Add the size of subgroups that the rows of a series show."""
    column = next((one for one in fields if one.name == SUBGROUP_SIZE), None)
    length = None if column is None else labelled_row_length(text, series, quantities)
    if length is not None and column is not None and length >= (column.minimum or 0):
        shown = f"{length} values in each row"
        draft.add(Reading(column.name, float(length), shown, Source.DEFINITION))


def _read_limits(
    text: str,
    fields: Sequence[InputField],
    quantities: Sequence[Quantity],
    taken: set[int],
    draft: _Draft,
) -> set[int]:
    """Read two limits that are written as a range, such as `9.7 to 10.3`."""
    lower, upper = (next((one for one in fields if one.name == name), None) for name in _LIMITS)
    if lower is None or upper is None:
        return set()
    for index in range(len(quantities) - 1):
        low, high = quantities[index], quantities[index + 1]
        if index in taken or index + 1 in taken:
            continue
        if _PLUS_MINUS.fullmatch(text, low.end, high.start):
            width, shown = abs(high.value), text[low.start : high.end]
            for column, value in ((lower, low.value - width), (upper, low.value + width)):
                draft.add(Reading(column.name, float(f"{value:.9g}"), shown))
            return {index, index + 1}
        if low.value >= high.value or (low.units and high.units and low.units != high.units):
            continue
        is_range = _RANGE_SIGN.fullmatch(text, low.end, high.start) is not None
        if not is_range or not _LIMIT_WORDS.search(text[max(0, low.start - 40) : low.start]):
            continue
        for column, quantity in ((lower, low), (upper, high)):
            if is_in_range(quantity.value, column):
                draft.add(Reading(column.name, quantity.value, quantity.text))
        return {index, index + 1}
    return set()
