"""Numbers written as texts: decimal commas, thousands separators, percent signs, units in cells."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from models.sentences import Sentence, sentence
from models.tables.headers import is_unit
from models.tables.table import Numbers, Texts
from models.units import UnitMismatch, unit_conversion

# Words that stand for a missing value, in the compared form.
MISSING = frozenset(
    """nan na n/a #n/a null none nil - -- --- ? . #div/0! #value! #ref! inf -inf missing unknown
    无 空 缺失 未知""".split()
)
_CELL = re.compile(r"(?P<number>[-+]?[\d.,' \u00a0\u202f]*\d(?:[eE][-+]?\d+)?)\s*(?P<unit>\S.*)?")
_DECIMAL_COMMA = re.compile(r"[-+]?(?:\d{1,3}(?:\.\d{3})+|\d+),\d+(?:[eE][-+]?\d+)?")
_THOUSANDS_COMMA = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_SPACES = re.compile(r"(?<=\d)[ '\u00a0\u202f](?=\d{3})")
# Cells by which the decimal mark and the units are found.
_SAMPLE = 2_000


@dataclass(frozen=True, slots=True)
class ParsedNumbers:
    """A column of numbers.

    values: NaN where missing. unit: the one that its cells state, if any. invalid: positions of
    cells that are no numbers. notes: what was assumed.
    """

    values: Numbers
    unit: str | None
    invalid: tuple[int, ...]
    notes: tuple[Sentence, ...] = ()


def is_missing(text: str) -> bool:
    """Return whether a text stands for a missing value."""
    return not text or text.lower() in MISSING


def parse_numbers(texts: Texts) -> ParsedNumbers:
    """Return the numbers of a column of texts.

    Cells with another unit of the same quantity are converted to the most frequent unit.
    """
    cells = [_split_cell(text) for text in texts]
    has_commas = _has_decimal_commas([number for number, _ in cells if number][:_SAMPLE])
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
    unit, notes, wrong = _unify_units(values, [unit for _, unit in cells])
    if has_commas:
        notes = (sentence("Its numbers were read with decimal commas."), *notes)
    return ParsedNumbers(values, unit, tuple(sorted({*invalid, *wrong})), notes)


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


def _has_decimal_commas(numbers: Sequence[str]) -> bool:
    """Return whether the commas of a column are decimal marks.

    `1,234` alone can be either: it is a decimal mark if another number of the column can be
    nothing else.
    """
    commas = [number for number in numbers if "," in number]
    if not commas:
        return False
    if any("." in number.rpartition(",")[2] for number in commas):
        return False
    decimal = [number for number in commas if not _THOUSANDS_COMMA.fullmatch(number)]
    return any(_DECIMAL_COMMA.fullmatch(number) for number in decimal) or any(
        re.match(r"[-+]?0,", number) for number in commas
    )


def _to_number(text: str | None, has_commas: bool) -> float | None:
    """Return the number of a text, or None if it is none."""
    if text is None:
        return None
    text = _SPACES.sub("", text.strip())
    text = text.replace(".", "").replace(",", ".") if has_commas and "," in text else text
    if "," in text:
        if not _THOUSANDS_COMMA.fullmatch(text):
            return None
        text = text.replace(",", "")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _unify_units(
    values: Numbers, units: Sequence[str | None]
) -> tuple[str | None, tuple[Sentence, ...], list[int]]:
    """Convert all cells to the most frequent unit, in place.

    Returns the unit, notes, and the positions of cells in a unit of another quantity.
    """
    counts = Counter(unit for unit in units if unit is not None)
    if not counts:
        return None, (), []
    target = counts.most_common(1)[0][0]
    wrong: list[int] = []
    converted: Counter[str] = Counter()
    for position, unit in enumerate(units):
        if unit is None or unit == target:
            continue
        try:
            values[position] = unit_conversion(unit, target)(values[position : position + 1])[0]
        except UnitMismatch:
            wrong.append(position)
            continue
        converted[unit] += 1
    notes = tuple(
        sentence(
            "{count} cells in {unit} were converted to {target}.",
            count=count,
            unit=unit,
            target=target,
        )
        for unit, count in converted.items()
    )
    return target, notes, wrong
