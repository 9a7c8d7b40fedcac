"""A customer's training file of labelled pictures, one a line."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from models.adaptation import require_none
from models.problems import EMPTY, Problem, Problems
from models.surface_defect.picture import MOST_BYTES, Picture, PictureInvalid, decoded
from models.training_text import structs

FEWEST_PICTURES = 5
MOST_PICTURES = 2_000
MOST_CLASSES = 100
LONGEST_LABEL = 100
# A picture in base64, and its label.
_LONGEST_LINE = MOST_BYTES * 4 // 3 + 4096


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    image: str
    label: str


@dataclass(frozen=True, slots=True)
class Example:
    """A picture that was not in an earlier line, with its line's number from 1."""

    line: int
    label: str
    picture: Picture


def read(training_file: bytes) -> list[Example]:
    """The different pictures, in the file's order. Raises TrainingFileInvalid with all problems."""
    problems = Problems()
    lines = structs(training_file, _Line, problems, _LONGEST_LINE)
    if not lines and not problems.count:
        problems.add(EMPTY)
    given: dict[str, Example] = {}
    for number, line in lines:
        one = _example(number, line, problems)
        if one is not None:
            first = given.setdefault(_digest(one.picture), one)
            _find_contradiction(one, first, problems)
    _find_counts(list(given.values()), problems)
    require_none(problems)
    return list(given.values())


def _example(number: int, line: _Line, problems: Problems) -> Example | None:
    label = line.label.strip()
    before = problems.count
    if not label or len(label) > LONGEST_LABEL or not label.isprintable():
        said = f"Line {number}: 'label' is 1 to {LONGEST_LABEL} characters that can be printed."
        problems.add(Problem("invalid_label", said, "Name the defect.", number, "label"))
    try:
        picture = decoded(line.image)
    except PictureInvalid as error:
        said = f"Line {number}: 'image' {error}."
        problems.add(Problem("invalid_image", said, "Replace the picture.", number, "image"))
        return None
    return Example(number, label, picture) if problems.count == before else None


def _find_contradiction(one: Example, first: Example, problems: Problems) -> None:
    if first.label != one.label:
        said = (
            f"Line {one.line}: the picture is that of line {first.line}, but its label is "
            f"{one.label!r} and not {first.label!r}."
        )
        fix = "Keep the line whose label is right."
        problems.add(Problem("contradiction", said, fix, one.line, "label"))


def _digest(picture: Picture) -> str:
    """Of what is seen, so that the same picture in another file is the same."""
    return hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()


def _find_counts(given: Sequence[Example], problems: Problems) -> None:
    """Too many pictures or labels, and too few where all lines are right."""
    counts = Counter(one.label for one in given)
    if len(given) > MOST_PICTURES:
        said = f"There are {len(given)} pictures; at most {MOST_PICTURES} are learned from."
        problems.add(Problem("too_many_rows", said, "Leave pictures out."))
    if len(counts) > MOST_CLASSES:
        said = f"There are {len(counts)} labels, more than {MOST_CLASSES}."
        problems.add(Problem("too_many_classes", said, "Join labels.", field="label"))
    if problems.count:
        return
    if len(counts) < 2:
        said = f"There are pictures with {len(counts)} labels; 2 are needed."
        problems.add(Problem("too_few_classes", said, "Add another label.", field="label"))
    lines = {one.label: one.line for one in reversed(given)}
    for label, count in counts.items():
        if count < FEWEST_PICTURES:
            said = (
                f"The label {label!r}, first in line {lines[label]}, has {count} different "
                f"pictures; at least {FEWEST_PICTURES} are needed."
            )
            fix = "Add pictures of it."
            problems.add(Problem("too_few_of_a_class", said, fix, lines[label], "label"))
