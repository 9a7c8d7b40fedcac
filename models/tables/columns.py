"""The type of a column, inferred from its cells, and its values of that type."""

from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from models.sentences import Sentence
from models.tables.date_numbers import dates_of_numbers
from models.tables.dates import DayOrder, date_share, parse_dates, zone_hint
from models.tables.headers import split_unit
from models.tables.missing import is_missing, is_missing_category
from models.tables.numbers import number_share, parse_numbers
from models.tables.scale_jumps import ScaleJump, find_scale_jump
from models.tables.table import Numbers, RawColumn, Texts

# Cells of a column by which its type is found.
_SAMPLE = 5_000
# A column is of a type if so many of its cells are; the others are reported as invalid.
_MIN_SHARE = 0.9
# More different texts than this, and more than half as many as rows, are free text or serial
# numbers, which no model can learn from.
_MAX_CATEGORIES = 1_000
_MAX_CATEGORY_SHARE = 0.5
_TIME_WORDS = frozenset("time date timestamp datetime ts 时间 日期 时刻".split())


class Kind(StrEnum):
    """The type of a column."""

    NUMBER = "number"
    CATEGORY = "category"
    TIME = "time"
    TEXT = "text"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Column:
    """A column with its type.

    `numbers` are the values of a number column, or the seconds since 1970 of a time column, NaN
    where missing. `texts` are the values of a category or text column, empty where missing. `unit`
    is from the header, the row below it or the cells. `invalid` are positions of cells that are
    not of the type; `notes` say what was assumed. `scale_jump`: where the unit of a number column
    seems to change. `day_order`, `zone`: of the dates of a time column (dates.py).
    """

    name: str
    kind: Kind
    numbers: Numbers | None = None
    texts: Texts | None = None
    unit: str | None = None
    invalid: tuple[int, ...] = ()
    notes: tuple[Sentence, ...] = ()
    scale_jump: ScaleJump | None = None
    day_order: DayOrder | None = None
    zone: float | None = None

    @property
    def missing_count(self) -> int:
        """The number of missing values."""
        if self.numbers is not None:
            return int(np.isnan(self.numbers).sum())
        return 0 if self.texts is None else int((self.texts == "").sum())


def infer_column(raw: RawColumn, unit: str | None = None, kind: Kind | None = None) -> Column:
    """Return a column with its type; `kind` and `unit` override what its cells and header say."""
    dated = raw
    if raw.numbers is None and (kind is Kind.TIME or (kind is None and _is_time_name(raw.name))):
        dated = _with_numbers(raw)
    found = kind or _infer_kind(dated)
    match found:
        case Kind.NUMBER:
            # With its texts, which tell the unit and what was assumed of commas.
            return _number_column(raw, unit)
        case Kind.TIME:
            return _time_column(dated)
        case Kind.CATEGORY | Kind.TEXT:
            notes = _zone_notes(raw.as_texts()) if kind is None else ()
            return Column(raw.name, found, texts=_clean_texts(raw.as_texts()), notes=notes)
        case Kind.EMPTY:
            return Column(raw.name, found, texts=np.full(len(raw), "", dtype=object))


def _zone_notes(texts: Texts) -> tuple[Sentence, ...]:
    """Return why texts are no times although the first one is a date with the name of a zone."""
    hint = next((zone_hint(str(text)) for text in texts if not is_missing(text)), None)
    return () if hint is None else (hint,)


def _with_numbers(raw: RawColumn) -> RawColumn:
    """Return a column of times whose texts are all numbers, such as `46086,25`, as numbers."""
    texts = raw.as_texts()
    sample = _sample_cells(texts)
    if date_share(sample) > 0 or number_share(sample) < 1:
        return raw
    parsed = parse_numbers(texts, raw.decimal_mark)
    return raw if parsed.invalid or parsed.unit else replace(raw, numbers=parsed.values)


def _infer_kind(raw: RawColumn) -> Kind:
    """Return the type that most cells of the column have."""
    if raw.numbers is not None:
        if not np.isfinite(raw.numbers).any():
            return Kind.EMPTY
        return Kind.TIME if _has_time_numbers(raw.name, raw.numbers) else Kind.NUMBER
    texts = raw.as_texts()
    sample = _sample_cells(texts)
    if not sample:
        return Kind.EMPTY
    if date_share(sample) >= _MIN_SHARE:
        return Kind.TIME
    if number_share(sample) >= _MIN_SHARE:
        return Kind.NUMBER
    distinct = len(set(texts) - {""})
    if distinct > _MAX_CATEGORIES or distinct > max(20, _MAX_CATEGORY_SHARE * len(texts)):
        return Kind.TEXT
    return Kind.CATEGORY


def _sample_cells(texts: Texts) -> list[str]:
    """Return cells that are not missing, from the whole column."""
    step = max(1, len(texts) // _SAMPLE)
    sample = [text for text in texts[::step] if not is_missing(text)]
    return sample or [text for text in texts if not is_missing(text)][:_SAMPLE]


def _is_time_name(name: str) -> bool:
    """Return whether a header says that the column has times."""
    words = {word.strip("_-.[]()").lower() for word in split_unit(name)[0].split()}
    return bool(words & _TIME_WORDS) or any(word in name for word in ("时间", "日期"))


def _has_time_numbers(name: str, numbers: Numbers) -> bool:
    """Return whether numbers are times: seconds since 1970, or days of Excel without a unit."""
    if not _is_time_name(name):
        return False
    found = dates_of_numbers(numbers, are_days="date" in name.lower() or "日期" in name)
    return found is not None and (not found.notes or split_unit(name)[1] is None)


def _number_column(raw: RawColumn, stated: str | None) -> Column:
    """Return a column of numbers, in the stated unit, else in that of its header or its cells."""
    header_unit = split_unit(raw.name)[1]
    unit = stated or header_unit
    if raw.numbers is not None:
        jump = find_scale_jump(raw.numbers)
        return Column(raw.name, Kind.NUMBER, raw.numbers, unit=unit, scale_jump=jump)
    parsed = parse_numbers(raw.as_texts(), raw.decimal_mark, unit)
    if stated is None and header_unit is not None and not np.isfinite(parsed.values).any():
        # No cell fits: a header such as `motor_A` does not mean amperes.
        parsed = parse_numbers(raw.as_texts(), raw.decimal_mark)
    return Column(
        raw.name,
        Kind.NUMBER,
        parsed.values,
        unit=parsed.unit,
        invalid=parsed.invalid,
        notes=parsed.notes,
        scale_jump=find_scale_jump(parsed.values),
    )


def _time_column(raw: RawColumn) -> Column:
    """Return a column of times."""
    if raw.numbers is not None:
        found = dates_of_numbers(raw.numbers, are_stated=True)
        if found is not None:
            return Column(raw.name, Kind.TIME, found.seconds, notes=found.notes)
    parsed = parse_dates(raw.as_texts())
    return Column(
        raw.name,
        Kind.TIME,
        parsed.seconds,
        invalid=parsed.invalid,
        notes=parsed.notes,
        day_order=parsed.order,
        zone=parsed.zone,
    )


def _clean_texts(texts: Texts) -> Texts:
    """Return texts with one spelling of a missing value: empty."""
    counts = Counter(texts)
    missing = {text for text in counts if is_missing_category(str(text))}
    return np.array(["" if text in missing else text for text in texts], dtype=object)
