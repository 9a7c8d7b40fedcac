"""Assign the quantities of a text to a specialist's columns of single numbers.

A quantity belongs to a column by the words beside it, its unit and the column's limits. Without a
word it belongs to the only column of its kind, if it is the only quantity of that kind.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from models.arguments.conversion import as_percent, convert, is_in_range
from models.arguments.directions import find_bare_pair, find_directed
from models.arguments.leftovers import (
    NEW,
    ORDERED,
    OTHER_COUNT,
    assign_counted,
    assign_only_ones,
    assign_ordered,
    assign_pairs,
    natural,
)
from models.arguments.lexicon import Cue, Strength, find_cues
from models.arguments.notations import per_piece
from models.arguments.quantities import Quantity
from models.arguments.values import Problem, ProblemKind, Reading
from models.signature import InputField

# The longest text between a word and its number.
_MAX_GAP_AFTER, _MAX_GAP_BEFORE = 28, 16
_DIRECTLY = 1
_SENTENCE_ENDS = ("。", ". ", ";", "\n", "?", "!")
_SUREST = 9.0
# `the standard deviation of the individual values is 0.35`
_OF_IS = re.compile(
    r"\s*(?:of|for|in|on)\b[^.,;:\n\d]*\b(?:is|are|was|were|equals|=)\s*", re.IGNORECASE
)
_EXPLAINED = 8
_JOINTS, _JOINT = frozenset({"and", ",", "&", "和", "、"}), 2.0


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
            for smaller, larger in ORDERED
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
    used |= assign_pairs(fields, quantities, readings, used)
    used |= assign_ordered(fields, quantities, readings, used)
    used |= assign_only_ones(fields, quantities, readings, used)
    used |= assign_counted(text, fields, quantities, readings, used)
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
    pairs = [(by_name.get(name.removeprefix(NEW)), one) for name, one in by_name.items()]
    found = []
    for old, new in pairs:
        if old is None or old is new:
            continue
        known_of = dict(natural(new, quantities, set()))
        bare = find_bare_pair(text, quantities)
        if bare is not None and not known_of:
            for field, index in zip((old, new), bare, strict=True):
                value = quantities[index].value
                found.append(
                    _Candidate(_SUREST, field.name, index, value, is_in_range(value, field))
                )
        for field, indices in zip((old, new), find_directed(text, quantities), strict=True):
            known = [index for index in indices if index in known_of]
            found += [
                _Candidate(_SUREST, field.name, one, known_of[one], True) for one in known[:1]
            ]
    return found


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
    """Yield the quantities right after and right before a word, with their nearness up to 3.

    A word that is itself the unit of a quantity belongs to that one alone: `800 parts`.
    """
    for index, quantity in enumerate(quantities):
        if quantity.number_end <= cue.start and cue.end <= quantity.end:
            yield index, 3.0
            return
        if cue.end <= quantity.start:
            break
    for index, quantity in enumerate(quantities):
        if cue.end <= quantity.start <= cue.end + 2 * _MAX_GAP_AFTER:
            gap = text[cue.end : quantity.start]
            gap_length = min(len(gap), _EXPLAINED) if _OF_IS.fullmatch(gap) else len(gap)
            if gap_length > _MAX_GAP_AFTER:
                break
            if not _is_divided(gap) and not _has_word(cue.end, quantity.start, cues):
                joint = _JOINT if gap.strip() in _JOINTS else 0.0  # `5650 made and 5512 good`
                yield index, 3.0 - joint - gap_length / _MAX_GAP_AFTER
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
        value, unit_score = as_percent(quantity.value, (), field), 0.0
    else:
        converted = convert(quantity.value, quantity.units, field)
        is_counted = field.unit == "1" and any(kind == "pieces" for kind, _ in quantity.units)
        has_no_unit = field.unit is None or is_counted
        if converted is None and strength is not Strength.WEAK:
            timed = convert(quantity.value, per_piece(quantity.units), field)
            converted = quantity.value if has_no_unit else timed
        if converted is None:
            return None
        is_other = any(unit == OTHER_COUNT for _, unit in quantity.units)
        value, unit_score = converted, 0.0 if is_other or field.unit is None else 2.0
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
