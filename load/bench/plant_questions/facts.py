"""Expected answers, computed from the records of the generated plant, not from its graph."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.plant.questions.values import AnswerStatus, PlantAnswer
from load.bench.plant_questions.plant import FMEA, GeneratedPlant, Order


@dataclass(frozen=True, slots=True)
class Expected:
    """A right answer: its status and, if there are results, their codes or number.

    `key` is the variable of the results that has the codes.
    """

    status: AnswerStatus = AnswerStatus.ANSWERED
    key: str = ""
    codes: frozenset[str] = frozenset()
    count: int | None = None


Fact = Callable[[GeneratedPlant], Expected]


def is_right(answer: PlantAnswer, expected: Expected) -> bool:
    """Return whether an answer is right: the same status, and exactly the expected results.

    An answer that lists more or fewer is wrong. Text and triples must be there, and each triple
    must be one of those that the text cites.
    """
    if answer.status is not expected.status:
        return False
    if expected.status is not AnswerStatus.ANSWERED:
        return not answer.triples and bool(answer.text)
    if expected.count is not None and answer.count != expected.count:
        return False
    if expected.count is None:
        found = {row[expected.key] for row in answer.results if expected.key in row}
        if found != set(expected.codes):
            return False
    is_empty = expected.count == 0
    return bool(answer.text) and (is_empty or bool(answer.triples))


def codes(key: str, found: Iterable[str]) -> Expected:
    """Return the answer with these results; without any, that nothing was found."""
    every = frozenset(found)
    return Expected(key=key, codes=every) if every else Expected(AnswerStatus.NOT_FOUND)


def number(count: int) -> Expected:
    """Return the answer with a number of results."""
    return Expected(count=count)


UNKNOWN = Expected(AnswerStatus.UNKNOWN_NAMES)
NOTHING = Expected(AnswerStatus.NOT_FOUND)


def orders(
    plant: GeneratedPlant, *, kind: str = "", machine: str = "", area: str = "", found: str = "",
    done: str = "", start: str = "", end: str = "9999",
) -> list[Order]:  # fmt: skip
    """Return the work orders that match all that is given."""
    areas = {one.code: one.area for one in plant.machines}
    return [
        one
        for one in plant.orders
        if one.machine.startswith(f"{kind}-" if kind else "")
        and machine in ("", one.machine)
        and area in ("", areas[one.machine])
        and found in ("", one.found)
        and done in ("", one.done)
        and start <= one.day < end
    ]


def related(
    first: Iterable[Order], second: Iterable[Order], *, after: bool
) -> list[tuple[Order, Order]]:
    """Return the pairs on one machine of which the first is after, or before, the second."""
    others = list(second)
    return [
        (one, other)
        for one in first
        for other in others
        if one.machine == other.machine and (one.day > other.day if after else one.day < other.day)
    ]


def machines(found: Iterable[Order]) -> set[str]:
    """Return the machines of work orders."""
    return {one.machine for one in found}


def most(values: Iterable[str]) -> set[str]:
    """Return the values that occur most often."""
    counts = Counter(values)
    top = max(counts.values())
    return {value for value, count in counts.items() if count == top}


def of_kind(plant: GeneratedPlant, kind: str, area: str = "") -> set[str]:
    """Return the machines of a kind, in an area if given."""
    return {one.code for one in plant.machines if one.kind == kind and area in ("", one.area)}


def fmea(column: int, mode: str) -> set[str]:
    """Return a column of the FMEA for a failure mode: 2 causes, 3 effects, 4 remedies."""
    return {str(row[column]) for row in FMEA if row[1] == mode and row[column]}
