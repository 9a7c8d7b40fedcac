"""Assign the quantities of a text to a specialist's columns of single numbers.

A quantity belongs to a column by the words beside it, its unit and the column's limits. Without a
word it belongs to the only column of its kind, if it is the only quantity of that kind.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from models.arguments.directions import find_directed
from models.arguments.lexicon import Cue, Strength, find_cues
from models.arguments.notations import kind_of, per_piece
from models.arguments.quantities import Quantity
from models.arguments.values import Problem, ProblemKind, Reading
from models.signature import InputField
from models.units import UnitMismatch, UnitUnknown, unit_conversion

# The longest text between a word and its number.
_MAX_GAP_AFTER, _MAX_GAP_BEFORE = 28, 16
_DIRECTLY = 1
_SENTENCE_ENDS = ("。", ". ", ";", "\n", "?", "!")
_NEW = "new_"
_DIGITS = 9  # of a converted value: conversions add digits that nobody wrote
# Kinds of which people name amounts that belong to no column: a duration needs a word.
_NEEDS_WORD = frozenset({"time", "share", "pieces"})
# The first is always the smaller one: the formulas refuse anything else.
_ORDERED = (
    ("equivalent_load", "dynamic_load_rating"),
    ("actual_production_time", "planned_busy_time"),
    ("good_quantity", "produced_quantity"),
)
_SUREST = 9.0
_OTHER_COUNT = "Hz"  # converts to rpm, but is mostly the frequency of a supply


@dataclass(frozen=True, slots=True)
class Matched:
    """The readings by column, the problems, and the indices of the quantities that were used."""

    readings: Mapping[str, Reading]
    problems: tuple[Problem, ...]
    used: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A quantity that may be a column's value, in the column's unit."""

    score: float
    column: str
    index: int
    value: float
    is_in_range: bool


@dataclass(frozen=True, slots=True)
class _Draft:
    """An assignment by words: readings, problems, used quantities, and how near each word is."""

    readings: dict[str, Reading]
    problems: list[Problem]
    used: set[int]
    near: Mapping[str, Mapping[int, tuple[float, Strength]]]

    @property
    def fitness(self) -> int:
        """Return how well an assignment fits: its readings less those in the wrong order."""
        wrong = sum(
            float(self.readings[smaller].value) > float(self.readings[larger].value)  # type: ignore[arg-type]
            for smaller, larger in _ORDERED
            if smaller in self.readings and larger in self.readings
        )
        return len(self.readings) - 2 * wrong


def match_quantities(
    text: str, fields: Sequence[InputField], quantities: Sequence[Quantity]
) -> Matched:
    """Return the values of the columns that a normalized text states."""
    directed = _directed(text, fields, quantities)
    cues = find_cues(text, tuple(fields))
    drafts = [
        _draft(text, fields, quantities, cues, words_follow, directed)
        for words_follow in (False, True)
    ]
    draft = max(drafts, key=lambda one: one.fitness)
    readings, problems, used, near = draft.readings, draft.problems, draft.used, draft.near
    used |= _assign_pairs(fields, quantities, readings, used)
    used |= _assign_ordered(fields, quantities, readings, used)
    used |= _assign_only_ones(fields, quantities, readings, used)
    for index, problem in _unit_problems(fields, near, quantities, readings, used):
        problems.append(problem)
        used.add(index)
    return Matched(readings, tuple(problems), frozenset(used))


def _draft(
    text: str,
    fields: Sequence[InputField],
    quantities: Sequence[Quantity],
    cues: Sequence[Cue],
    words_follow: bool,
    directed: Sequence["_Candidate"],
) -> "_Draft":
    """Return the assignment by words, if words stand before their numbers or if they follow."""
    near = {field.name: _near(text, field.name, cues, quantities, words_follow) for field in fields}
    candidates = [
        candidate
        for field in fields
        for index, cue_score in near[field.name].items()
        if (candidate := _candidate(field, index, quantities[index], cue_score)) is not None
    ]
    return _Draft(*_assign([*candidates, *directed], quantities), near)


def _directed(
    text: str, fields: Sequence[InputField], quantities: Sequence[Quantity]
) -> list[_Candidate]:
    """Return the old and new values of a column and its `new_` one, as the surest candidates."""
    by_name = {field.name: field for field in fields}
    pairs = [(by_name.get(name.removeprefix(_NEW)), one) for name, one in by_name.items()]
    found = []
    for old, new in pairs:
        if old is None or old is new:
            continue
        natural = dict(_natural(new, quantities, set()))
        for field, indices in zip((old, new), find_directed(text, quantities), strict=True):
            known = [index for index in indices if index in natural]
            found += [_Candidate(_SUREST, field.name, one, natural[one], True) for one in known[:1]]
    return found


def convert(value: float, units: Iterable[tuple[str, str]], field: InputField) -> float | None:
    """Return a value in the column's unit, None if no unit is one of the column's quantity."""
    kind = kind_of(field.unit)
    for one_kind, unit in units:
        if unit == field.unit:
            return value
        is_share = one_kind == "share" and field.unit == "1"
        is_same_kind = kind == one_kind if kind is not None else field.unit not in (None, "1")
        if not (is_same_kind or is_share) or field.unit is None:
            continue
        try:
            conversion = unit_conversion(unit, field.unit)
        except (UnitUnknown, UnitMismatch):
            continue
        return float(f"{value * conversion.scale + conversion.offset:.{_DIGITS}g}")
    return None


def is_in_range(value: float, field: InputField) -> bool:
    """Return whether a value is within the limits of its column."""
    return (field.minimum is None or value >= field.minimum) and (
        field.maximum is None or value <= field.maximum
    )


def _near(
    text: str,
    column: str,
    cues: Sequence[Cue],
    quantities: Sequence[Quantity],
    words_follow: bool,
) -> dict[int, tuple[float, Strength]]:
    """Return how near and how sure a column's words are, by index of the quantity beside them."""
    found: dict[int, tuple[float, Strength]] = {}
    for cue in cues:
        if cue.column != column:
            continue
        for index, nearness in _neighbours(text, cue, cues, quantities, words_follow):
            known = found.get(index, (0.0, Strength.WEAK))
            is_weaker = cue.strength is Strength.WEAK and known[1] is not Strength.WEAK
            is_surer = known[1] is Strength.WEAK and cue.strength is not Strength.WEAK
            if is_surer or (not is_weaker and nearness > known[0]):
                found[index] = (nearness, cue.strength)
    return found


def _neighbours(
    text: str,
    cue: Cue,
    cues: Sequence[Cue],
    quantities: Sequence[Quantity],
    words_follow: bool,
) -> Iterable[tuple[int, float]]:
    """Yield the quantities right after and right before a word, with their nearness up to 3."""
    for index, quantity in enumerate(quantities):
        if cue.end <= quantity.start <= cue.end + _MAX_GAP_AFTER:
            gap = text[cue.end : quantity.start]
            if not _is_divided(gap) and not _has_word(cue.end, quantity.start, cues):
                yield index, 3.0 - len(gap) / _MAX_GAP_AFTER
            break
    if cue.strength is Strength.SYMBOL:
        return
    for index in range(len(quantities) - 1, -1, -1):
        quantity = quantities[index]
        if quantity.end <= cue.start:
            gap = text[quantity.end : cue.start]
            if len(gap) <= _MAX_GAP_BEFORE and not _is_divided(gap) and "," not in gap:
                base = 3.5 if words_follow and len(gap) <= _DIRECTLY else 1.9
                yield index, base - len(gap) / _MAX_GAP_BEFORE
            break


def _is_divided(gap: str) -> bool:
    """Return whether a text between a word and a number ends a sentence or a line."""
    return any(end in gap for end in _SENTENCE_ENDS)


def _has_word(start: int, end: int, cues: Sequence[Cue]) -> bool:
    """Return whether a sure word of any column stands between two positions."""
    return any(
        start <= cue.start and cue.end <= end and cue.strength is not Strength.WEAK for cue in cues
    )


def _candidate(
    field: InputField, index: int, quantity: Quantity, near: tuple[float, Strength]
) -> _Candidate | None:
    """Return the quantity as a candidate for the column, None if its unit or word excludes it."""
    nearness, strength = near
    if not quantity.units:
        if strength is Strength.WEAK:
            return None
        value, unit_score = quantity.value, 0.0
    else:
        converted = convert(quantity.value, quantity.units, field)
        is_counted = field.unit == "1" and any(kind == "pieces" for kind, _ in quantity.units)
        has_no_unit = field.unit is None or is_counted
        if converted is None and strength is not Strength.WEAK:
            timed = convert(quantity.value, per_piece(quantity.units), field)
            converted = quantity.value if has_no_unit else timed
        if converted is None:
            return None
        is_other = any(unit == _OTHER_COUNT for _, unit in quantity.units)
        value, unit_score = converted, 0.0 if is_other else 2.0
    word_score = {Strength.WEAK: -0.8, Strength.SYMBOL: 0.2, Strength.NAME: 0.0}[strength]
    in_range = is_in_range(value, field)
    score = nearness + unit_score + word_score - (0.0 if in_range else 1.5)
    return _Candidate(score, field.name, index, value, in_range)


def _assign(
    candidates: list[_Candidate], quantities: Sequence[Quantity]
) -> tuple[dict[str, Reading], list[Problem], set[int]]:
    """Assign each quantity to one column, the best candidates first."""
    readings: dict[str, Reading] = {}
    problems: dict[str, Problem] = {}
    used: set[int] = set()
    for one in sorted(candidates, key=lambda one: (-one.score, one.index)):
        if one.column in readings or one.column in problems or one.index in used:
            continue
        used.add(one.index)
        text = quantities[one.index].text
        if one.is_in_range:
            readings[one.column] = Reading(one.column, one.value, text)
        else:
            problems[one.column] = Problem(one.column, ProblemKind.RANGE, text)
    return readings, list(problems.values()), used


def _assign_pairs(
    fields: Sequence[InputField],
    quantities: Sequence[Quantity],
    readings: dict[str, Reading],
    used: set[int],
) -> set[int]:
    """Assign two quantities of one kind to a column and its `new_` one, in the text's order."""
    taken: set[int] = set()
    by_name = {field.name: field for field in fields}
    for name, new in by_name.items():
        old = by_name.get(name.removeprefix(_NEW))
        if not name.startswith(_NEW) or old is None:
            continue
        free = [one for one in (old, new) if one.name not in readings]
        natural = _natural(new, quantities, used)
        if len(natural) != len(free):
            continue
        for field, (index, value) in zip(free, natural, strict=True):
            readings[field.name] = Reading(field.name, value, quantities[index].text)
            taken.add(index)
    return taken


def _assign_ordered(
    fields: Sequence[InputField],
    quantities: Sequence[Quantity],
    readings: dict[str, Reading],
    used: set[int],
) -> set[int]:
    """Assign two quantities of one kind to two columns of which one is always the smaller."""
    taken: set[int] = set()
    by_name = {field.name: field for field in fields}
    for smaller, larger in _ORDERED:
        if not {smaller, larger} <= by_name.keys() or {smaller, larger} & readings.keys():
            continue
        natural = sorted(_natural(by_name[larger], quantities, used), key=lambda one: one[1])
        if len(natural) != 2 or natural[0][1] == natural[1][1]:
            continue
        for name, (index, value) in zip((smaller, larger), natural, strict=True):
            if is_in_range(value, by_name[name]):
                readings[name] = Reading(name, value, quantities[index].text)
                taken.add(index)
    return taken


def _assign_only_ones(
    fields: Sequence[InputField],
    quantities: Sequence[Quantity],
    readings: dict[str, Reading],
    used: set[int],
) -> set[int]:
    """Assign a quantity without a word to the only column of its kind that has no value."""
    taken: set[int] = set()
    for field in fields:
        if field.name in readings or field.unit in (None, "1"):
            taken |= _assign_share(field, fields, quantities, readings, used | taken)
            continue
        rivals = [
            one
            for one in fields
            if one.name not in readings and kind_of(one.unit) == kind_of(field.unit)
        ]
        natural = _natural(field, quantities, used | taken)
        if len(rivals) != 1 or len(natural) != 1:
            continue
        index, value = natural[0]
        needs_word = kind_of(field.unit) in _NEEDS_WORD
        if needs_word and all(unit != field.unit for _, unit in quantities[index].units):
            continue
        readings[field.name] = Reading(field.name, value, quantities[index].text)
        taken.add(index)
    return taken


def _assign_share(
    field: InputField,
    fields: Sequence[InputField],
    quantities: Sequence[Quantity],
    readings: dict[str, Reading],
    used: set[int],
) -> set[int]:
    """Assign the only decimal below 1 without a unit to the only column that is such a share."""
    shares = [one for one in fields if one.unit == "1" and one.maximum == 1.0]
    if field.name in readings or shares != [field]:
        return set()
    bare = [
        index
        for index, one in enumerate(quantities)
        if index not in used and not one.units and 0.0 < one.value < 1.0
        if is_in_range(one.value, field)
    ]
    if len(bare) != 1:
        return set()
    quantity = quantities[bare[0]]
    readings[field.name] = Reading(field.name, quantity.value, quantity.text)
    return set(bare)


def _natural(
    field: InputField, quantities: Sequence[Quantity], used: set[int]
) -> list[tuple[int, float]]:
    """Return the unused quantities that have a unit of the column's kind and are in its range."""
    found = []
    for index, quantity in enumerate(quantities):
        if index in used or any(unit == _OTHER_COUNT for _, unit in quantity.units):
            continue
        value = convert(quantity.value, quantity.units, field)
        if value is not None and is_in_range(value, field):
            found.append((index, value))
    return found


def _unit_problems(
    fields: Sequence[InputField],
    near: Mapping[str, Mapping[int, tuple[float, Strength]]],
    quantities: Sequence[Quantity],
    readings: Mapping[str, Reading],
    used: set[int],
) -> list[tuple[int, Problem]]:
    """Return the columns whose word stands right before a quantity in a unit of another kind."""
    problems = []
    for field in fields:
        if field.name in readings:
            continue
        for index, (nearness, strength) in near[field.name].items():
            quantity = quantities[index]
            is_beside = nearness > 2.5 and strength is not Strength.WEAK
            if is_beside and index not in used and quantity.units and field.unit is not None:
                if convert(quantity.value, quantity.units, field) is None:
                    problems.append((index, Problem(field.name, ProblemKind.UNIT, quantity.text)))
    return problems
