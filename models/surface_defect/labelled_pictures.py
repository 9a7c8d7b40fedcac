"""Parse and validate a customer's training file of labelled pictures, one per line."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from models.adaptation import require_no_problems
from models.problems import EMPTY_FILE, Problem, Problems
from models.surface_defect.picture import MAX_BYTES, Picture, PictureInvalid, decode_base64
from models.training_text import decode_lines

MIN_PICTURES_PER_LABEL = 5
MAX_PICTURES = 2_000
MAX_CLASSES = 100
MAX_LABEL_LENGTH = 100
# Bytes of a line: a picture in base64 and its label.
_MAX_LINE_BYTES = MAX_BYTES * 4 // 3 + 4096


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """One line of the training file."""

    image: str
    label: str


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A distinct labelled picture with its line number, counted from 1."""

    line: int
    label: str
    picture: Picture


def read_training_file(content: bytes) -> list[LabelledPicture]:
    """Parse the training file and return its distinct pictures, in the file's order.

    Raises TrainingFileInvalid with all problems.
    """
    problems = Problems()
    lines = decode_lines(content, _Line, problems, _MAX_LINE_BYTES)
    if not lines and not problems.count:
        problems.add(EMPTY_FILE)
    distinct: dict[str, LabelledPicture] = {}
    for number, line in lines:
        example = _parse_line(number, line, problems)
        if example is not None:
            first = distinct.setdefault(_digest(example.picture), example)
            _find_contradiction(example, first, problems)
    _find_wrong_counts(list(distinct.values()), problems)
    require_no_problems(problems)
    return list(distinct.values())


def _parse_line(number: int, line: _Line, problems: Problems) -> LabelledPicture | None:
    """Parse one line; report its problems and return None if it is invalid."""
    label = line.label.strip()
    problems_before = problems.count
    if not label or len(label) > MAX_LABEL_LENGTH or not label.isprintable():
        message = f"Line {number}: 'label' must have 1 to {MAX_LABEL_LENGTH} printable characters."
        problems.add(Problem("invalid_label", message, "Name the defect.", number, "label"))
    try:
        picture = decode_base64(line.image)
    except PictureInvalid as error:
        message = f"Line {number}: 'image' {error}."
        problems.add(Problem("invalid_image", message, "Replace the image.", number, "image"))
        return None
    return LabelledPicture(number, label, picture) if problems.count == problems_before else None


def _find_contradiction(
    example: LabelledPicture, first: LabelledPicture, problems: Problems
) -> None:
    """Report a picture that repeats an earlier one under another label."""
    if first.label != example.label:
        message = (
            f"Line {example.line}: the image is the same as in line {first.line}, but its "
            f"label is {example.label!r} instead of {first.label!r}."
        )
        fix = "Keep the line with the correct label."
        problems.add(Problem("contradiction", message, fix, example.line, "label"))


def _digest(picture: Picture) -> str:
    """Return the SHA-256 of the pixels, so that re-encoded copies are duplicates."""
    return hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()


def _find_wrong_counts(examples: Sequence[LabelledPicture], problems: Problems) -> None:
    """Report too many pictures or labels; if all lines are valid, also too few."""
    counts = Counter(example.label for example in examples)
    if len(examples) > MAX_PICTURES:
        message = f"There are {len(examples)} images; at most {MAX_PICTURES} are allowed."
        problems.add(Problem("too_many_rows", message, "Remove images."))
    if len(counts) > MAX_CLASSES:
        message = f"There are {len(counts)} labels; at most {MAX_CLASSES} are allowed."
        problems.add(Problem("too_many_classes", message, "Join labels.", field="label"))
    if problems.count:
        return
    if len(counts) < 2:
        message = f"There are images with {len(counts)} labels; at least 2 labels are needed."
        problems.add(Problem("too_few_classes", message, "Add another label.", field="label"))
    lines = {example.label: example.line for example in reversed(examples)}
    for label, count in counts.items():
        if count < MIN_PICTURES_PER_LABEL:
            message = (
                f"The label {label!r}, first in line {lines[label]}, has {count} different "
                f"images; at least {MIN_PICTURES_PER_LABEL} are needed."
            )
            fix = "Add images with this label."
            problems.add(Problem("too_few_of_a_class", message, fix, lines[label], "label"))
