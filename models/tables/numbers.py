"""Numbers written as texts: decimal commas, thousands separators, percent signs, units in cells."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.sentences import Sentence, sentence
from models.tables.decimal_marks import COMMA, POINT, DecimalMark, is_thousands, marks_of_numbers
from models.tables.headers import is_unit
from models.tables.missing import is_missing
from models.tables.table import Numbers, Texts
from models.units import UnitMismatch, unit_conversion

_CELL = re.compile(r"(?P<number>[-+]?[\d.,' \u00a0\u202f]*\d(?:[eE][-+]?\d+)?)\s*(?P<unit>\S.*)?")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_SPACES = re.compile(r"(?<=\d)[ '\u00a0\u202f](?=\d{3})")
_COMMA_BEFORE_POINT = re.compile(r",\d*\.")
_COMMAS_READ = sentence("Its numbers were read with decimal commas.")
_CHECK_COMMAS = sentence("Its numbers were read with decimal commas: check this.")


@dataclass(frozen=True, slots=True)
class ParsedNumbers:
    """A column of numbers.

    values: NaN where missing. unit: the one that all are in, None if none is stated. invalid:
    positions of cells that are no numbers. notes: what was assumed.
    """

    values: Numbers
    unit: str | None
    invalid: tuple[int, ...]
    notes: tuple[Sentence, ...] = ()


def parse_numbers(
    texts: Texts, mark: DecimalMark = DecimalMark.UNKNOWN, unit: str | None = None
) -> ParsedNumbers:
    """Return the numbers of a column of texts; `mark` is the decimal mark of the file.

    `unit` is that of cells without one. Cells with another unit of the same quantity are converted
    to it; without it, to the most frequent unit.
    """
    cells = [_split_cell(text) for text in texts]
    has_commas, notes = _decide_commas([number for number, _ in cells if number], mark)
    values = np.full(len(cells), np.nan)
    invalid: list[int] = []
    for position, ((number, _), text) in enumerate(zip(cells, texts, strict=True)):
        if is_missing(text):
            continue
        value = _to_number(number, has_commas)
        if value is None:
            invalid.append(position)
        else:
            values[position] = value
    found, unit_notes, wrong = _unify_units(values, [stated for _, stated in cells], unit)
    return ParsedNumbers(values, found, tuple(sorted({*invalid, *wrong})), (*notes, *unit_notes))


def number_share(texts: Iterable[str]) -> float:
    """Return the share of the cells that are numbers, of those that are not missing."""
    present = [text for text in texts if not is_missing(text)]
    if not present:
        return 0.0
    return sum(_split_cell(text)[0] is not None for text in present) / len(present)


def _split_cell(text: str) -> tuple[str | None, str | None]:
    """Return number and unit of a cell such as `12,5 bar`; no number if it has none."""
    match = _CELL.fullmatch(unicodedata.normalize("NFKC", text).strip())
    if match is None:
        return None, None
    unit = match["unit"]
    if unit is not None and not is_unit(unit):
        return None, None
    return match["number"], unit


def _decide_commas(numbers: Sequence[str], mark: DecimalMark) -> tuple[bool, tuple[Sentence, ...]]:
    """Return whether the commas of a column are decimal marks, and what was assumed.

    `1,234` alone can be either: other numbers of the column decide, else those of the file.
    """
    plain = [_SPACES.sub("", number.strip()) for number in numbers]
    own = marks_of_numbers(plain)
    if own:
        has_commas = COMMA in own and not any(map(_COMMA_BEFORE_POINT.search, plain))
        note = _CHECK_COMMAS if POINT in own else _COMMAS_READ
        return has_commas, (note,) if has_commas else ()
    if any(COMMA in number for number in plain):
        match mark:
            case DecimalMark.COMMA:
                return True, (_COMMAS_READ,)
            case DecimalMark.LIKELY_COMMA:
                return True, (_CHECK_COMMAS,)
            case DecimalMark.POINT:
                return False, ()
        return False, (sentence("Its commas were read as separators of thousands: check this."),)
    if mark is DecimalMark.COMMA and any(map(is_thousands, plain)):
        return True, (sentence("Its points were read as separators of thousands: check this."),)
    return False, ()


def _to_number(text: str | None, has_commas: bool) -> float | None:
    """Return the number of a text, or None if it is none."""
    if text is None:
        return None
    text = _SPACES.sub("", text.strip())
    if has_commas:
        whole, comma, fraction = text.partition(COMMA)
        if comma and (COMMA in fraction or POINT in fraction):
            return None
        text = whole.replace(POINT, "") + POINT + fraction if comma else _without_points(text)
    elif COMMA in text:
        if not _THOUSANDS.fullmatch(text):
            return None
        text = text.replace(COMMA, "")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _without_points(text: str) -> str:
    """Return a number without separators of thousands."""
    return text.replace(POINT, "") if is_thousands(text) else text


def _unify_units(
    values: Numbers, units: Sequence[str | None], stated: str | None
) -> tuple[str | None, tuple[Sentence, ...], list[int]]:
    """Convert all cells to the stated unit, else to the most frequent one, in place.

    Returns the unit, notes, and the positions of cells in a unit of another quantity.
    """
    places: dict[str, list[int]] = {}
    for position, unit in enumerate(units):
        if unit is not None:
            places.setdefault(unit, []).append(position)
    if not places:
        return stated, (), []
    counts = {unit: len(positions) for unit, positions in places.items()}
    target = stated or max(counts, key=counts.__getitem__)
    wrong: list[int] = []
    for unit, positions in places.items():
        if unit == target:
            continue
        convert = _find_conversion(unit, target)
        if convert is None:
            wrong += positions
        values[positions] = np.nan if convert is None else convert(values[positions])
    plain = sum(unit is None for unit in np.array(units, dtype=object)[np.isfinite(values)])
    return target, _unit_notes(counts, target, 0 if stated else plain), wrong


def _unit_notes(counts: Mapping[str, int], target: str, plain: int) -> tuple[Sentence, ...]:
    """Return notes on converted cells, and on `plain` ones whose unit nothing states."""
    notes = [
        sentence(
            "{count} cells in {unit} were converted to {target}.",
            count=count,
            unit=unit,
            target=target,
        )
        for unit, count in counts.items()
        if _changes(unit, target)
    ]
    if plain:
        notes.append(
            sentence(
                "{count} cells without a unit were read as {unit}: check this.",
                count=plain,
                unit=target,
            )
        )
    return tuple(notes)


def _changes(unit: str, target: str) -> bool:
    """Return whether numbers of a unit change in the other: not in another way of writing it."""
    convert, numbers = _find_conversion(unit, target), np.array([1.0, 2.0])
    return convert is not None and not np.allclose(convert(numbers), numbers)


def _find_conversion(unit: str, target: str) -> Callable[[Numbers], Numbers] | None:
    """Return the conversion of numbers between units, None if they are of other quantities."""
    try:
        return unit_conversion(unit, target)
    except UnitMismatch:
        return None
