"""Find numbers with their units and places in a text, and runs of numbers that form a series."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from models.arguments.notations import LOTS, PIECES, UNIT_PATTERN, units_of
from models.arguments.other_units import OTHER, other_unit
from models.arguments.rewriting.numerals import with_plain_numbers
from models.arguments.rewriting.powers import with_plain_powers

# A longer text is a file, which belongs into a vector store or a training file.
MAX_TEXT = 200_000
_MAX_QUANTITIES = 40_000
# So many numbers in a row are a series, not a list of readings.
MIN_RUN = 3
# `1,300` is one number, `100,200,300` are three.
_NUMBER = (
    r"(?:(?:(?<![\w)\]%°.])|(?<=[限差]))[-+](?=\d))?"
    r"(?:(?<![\d.])(?<!\d,)\d{1,3},\d{3}(?![\d,])(?:\.\d+)?|\d+(?:\.\d+)?)(?:[eE][-+]?\d{1,3}(?![A-Za-z\d]))?"
)
_QUANTITY = re.compile(
    rf"(?<![A-Za-z0-9_.])(?<![A-Za-z]-)(?P<number>{_NUMBER})(?P<many>\s*[万亿])?"
    rf"(?:[^\S\n]*-?{UNIT_PATTERN})?",
    re.IGNORECASE,
)
_PERCENT_OF = re.compile(r"百分之\s*$")
_EACH_BEFORE = re.compile(
    r"(?:[每一]"
    r"(?:件|个|只|台|支|根|瓶|箱|袋|块|套|包|盒|罐|双|张|条|片|卷)|单件|per piece|per part|each)"
    r"(?:产品|零件|工件)?"
    r"(?:耗电|用电|电耗|能耗|耗能|耗时|用时)?(?:量|为|是|约|要|需)?\s*$",
    re.IGNORECASE,
)
_OF_ANYTHING = frozenset({"energy per piece", "time per piece"})
_MANY = {"万": 1e4, "亿": 1e8}
# A larger and a smaller unit of one duration, and what may stand between them.
_TIME, _PARTS = "time", 60
_PARTS_OF_TIME = (("h", "min"), ("min", "s"))
_LEADS_TO = re.compile(
    r"\s*(?:(?:down |up )?to|→|->|=>|[变改降调提升减增]\S{0,2}[为成到至])\s*", re.IGNORECASE
)
_NO_UNIT = frozenset({"", "-", "--", "/", "none", "n/a", "无", "dimensionless"})
_TIME_JOINT = re.compile(r"\s*(?:and|又|零)?\s*")
# `-` and `~` make a range, which is no series.
_CHINESE_COMMA = re.compile(r"([\u4e00-\u9fff]\d{1,3}),(?=\d{1,2}(?![\d.,])|\d{1,2}\.\d)")
# `①50.2` would become 150.2.
_CIRCLED = re.compile(r"[①-⑳⑴-⑽]\s?")
# Expressions take time with the square, or more, of a run of white space: longer runs are cut.
_SPACES, _MAX_SPACES = re.compile(r"[^\S\n]{21,}"), " " * 20
_LINES, _MAX_LINES = re.compile(r"(?:[^\S\n]{0,20}\n){6,}"), "\n" * 5
_BETWEEN = re.compile(
    r"[\s,，、;；|/]+|\s+-{1,2}\s+|\s*(?:→|->|=>)\s*|\s*,?\s*(?:and|then|和|以及|最后)\s*(?:now|then|finally|lastly)?[\s:]*",
    re.IGNORECASE,
)

# A last number that is a level: `10.2, 9.9, 95 % confidence`.
_OTHER_SHARE = re.compile(r"\s*%\s*(?:confidence|conf\b|ci\b|reliab|置信|可靠)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in a text: its value, possible kinds and units, and place.

    `units` is empty for a number without one. `start` and `end` are positions in the normalized
    text, `number_end` is where its digits end.
    """

    value: float
    units: tuple[tuple[str, str], ...]
    start: int
    number_end: int
    end: int
    text: str


def normalize(text: str) -> str:
    """Return the text in compatibility form, cut at a bound; `㎥` becomes `m3`.

    Runs of more than 20 spaces or 5 lines are shortened.

    A full-width comma divides numbers, so that a blank follows it: `5，6` is no decimal comma. So
    does a comma between numbers after a Chinese word, if no three digits follow: `子组大小4,99%`.
    """
    text = _LINES.sub(_MAX_LINES, _SPACES.sub(_MAX_SPACES, text[:MAX_TEXT]))
    text = with_plain_powers(_CIRCLED.sub("; ", _CHINESE_COMMA.sub(r"\1, ", text)))
    signs = str.maketrans({"−": "-", "–": "-", "×": "x", "，": ",", "：": ":", "；": ";"})
    return unicodedata.normalize("NFKC", text.replace("，", ", ")).translate(signs)


def find_quantities(text: str) -> tuple[Quantity, ...]:
    """Return the quantities of a normalized text in their order."""
    found: list[Quantity] = []
    for match in _QUANTITY.finditer(text):
        if found and match.start() < found[-1].end:
            continue  # a part of an unknown unit: `3^2`
        quantity = _to_quantity(text, match)
        if found:
            found[-1] = _with_unit_of(text, found[-1], quantity)
        joined = _joined_time(text, found[-1], quantity) if found else None
        if joined is not None:
            found[-1] = joined
        else:
            found.append(quantity)
        if len(found) == _MAX_QUANTITIES:
            break
    return tuple(found)


def _with_unit_of(text: str, first: Quantity, second: Quantity) -> Quantity:
    """Return a number without a unit with the unit of the one it leads to: `1450 to 1200 rpm`."""
    if first.units or not second.units or not _LEADS_TO.fullmatch(text, first.end, second.start):
        return first
    return replace(first, units=second.units)


def _joined_time(text: str, first: Quantity, second: Quantity) -> Quantity | None:
    """Return `3 h 20 min` as one quantity in the smaller unit, None for anything else."""
    for larger, smaller in _PARTS_OF_TIME:
        units: tuple[tuple[str, str], ...] = ((_TIME, smaller),)
        if second.units == units_of(smaller, True):  # `4 min 15 s each`
            units = second.units
        is_pair = (_TIME, larger) in first.units and set(units) <= set(second.units)
        if (
            is_pair
            and second.value < _PARTS
            and _TIME_JOINT.fullmatch(text, first.end, second.start)
        ):
            value = round(first.value * _PARTS + second.value, 6)
            shown = text[first.start : second.end].strip()
            return replace(
                second,
                value=value,
                units=units,
                start=first.start,
                text=shown,
            )
    return None


def stated_units(unit: str) -> tuple[tuple[str, str], ...]:
    """Return the kinds and units that somebody states apart from the number, empty for none.

    An unknown unit is of the kind OTHER.
    """
    name = normalize(unit).strip()
    if name.lower() in _NO_UNIT:
        return ()
    return _units_named(name) or ((OTHER, name),)


def is_unit(text: str) -> bool:
    """Return whether a text is a unit, also one that nothing converts."""
    return bool(_units_named(normalize(text).strip()))


def _units_named(name: str) -> tuple[tuple[str, str], ...]:
    """Return the kinds and units that a whole normalized text means, empty for no unit."""
    text = with_plain_numbers(f"1 {name}")  # also `千件` and `万m3/d`
    quantity = find_quantities(text)[0]
    return quantity.units if quantity.end == len(text) else ()


def first_index(
    quantities: Sequence[Quantity], is_wanted: Callable[[Quantity], bool]
) -> int | None:
    """Return the index of the first quantity of which a condition is true, None for none."""
    return next((index for index, one in enumerate(quantities) if is_wanted(one)), None)


def find_runs(
    text: str, quantities: Sequence[Quantity], minimum: int = MIN_RUN
) -> tuple[tuple[Quantity, ...], ...]:
    """Return the runs of at least `minimum` numbers that only separators stand between.

    All have the same unit, or all but the last have none: `10.1 10.2 10.3 mm` is a run.
    """
    runs: list[list[Quantity]] = []
    for previous, following in pairwise(quantities):
        is_alike = not previous.units or previous.units == following.units
        is_joined = is_alike and _BETWEEN.fullmatch(text, previous.end, following.start)
        if not is_joined or _OTHER_SHARE.match(text, following.number_end):
            continue
        if runs and runs[-1][-1] is previous:
            runs[-1].append(following)
        else:
            runs.append([previous, following])
    return tuple(tuple(run) for run in runs if len(run) >= minimum)


def _to_quantity(text: str, match: "re.Match[str]") -> Quantity:
    """Return the quantity of a match, with the words before it that change its unit."""
    value = float(match["number"].replace(",", "")) * _MANY.get((match["many"] or "").strip(), 1.0)
    before = text[max(0, match.start() - 12) : match.start()]
    number_end = match.end("many") if match["many"] else match.end("number")
    units: tuple[tuple[str, str], ...] = ()
    is_noun = False
    if match["unit"]:
        is_each = bool(match["each"]) or _EACH_BEFORE.search(before) is not None
        units = units_of(match["unit"], is_each)
        is_noun = bool(match["noun"] and units and units[0][0] not in _OF_ANYTHING)
        if is_noun:  # `13.2 amps per leg`
            units = units_of(match["unit"], False)
        value /= LOTS[match["lot"].lower()] if match["lot"] else 1
    elif _PERCENT_OF.search(before):
        units = units_of("%", False)
    end = (match.start("noun") if is_noun else match.end()) if units else number_end
    if not any(unit.startswith(PIECES) for _, unit in units):  # `100 pcs/h` is a rate
        other = other_unit(text, number_end, end)
        if other is not None:
            units, end = ((OTHER, other[0]),), other[1]
    return Quantity(value, units, match.start(), number_end, end, text[match.start() : end].strip())
