"""Validate a customer's training file of labelled pictures: JSON lines, or a ZIP of folders."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from models.adaptation import require_no_problems
from models.problems import EMPTY_FILE, Problem, Problems
from models.sentences import Sentence, listing, sentence
from models.surface_defect.picture import MAX_BYTES, Picture, PictureInvalid, decode_base64
from models.surface_defect.picture_place import (
    LabelledPicture,
    PicturePlace,
    is_valid_label,
    label_problem,
    picture_problem,
)
from models.surface_defect.similar_pictures import Groups, find_near_copies
from models.surface_defect.zipped_pictures import is_zip, read_zip
from models.training_text import decode_lines, encoding_notes

MIN_PICTURES_PER_LABEL = 5
MAX_PICTURES = 2_000
MAX_CLASSES = 100
# From as many times the pictures of the rarest label on, the imbalance is reported.
_MAX_IMBALANCE = 5
_MAX_NAMED = 10
# Bytes of a line: a picture in base64 and its label.
_MAX_LINE_BYTES = MAX_BYTES * 4 // 3 + 4096


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """One line of the training file."""

    image: str
    label: str


@dataclass(frozen=True, slots=True)
class TrainingPictures:
    """The distinct pictures of a training file, in its order.

    groups: near copies, [pictures]. notes: remarks for the customer.
    """

    pictures: tuple[LabelledPicture, ...]
    groups: Groups
    notes: tuple[Sentence, ...]


def read_training_file(content: bytes) -> TrainingPictures:
    """Parse a training file and return its distinct pictures.

    Raises TrainingFileInvalid with all problems.
    """
    problems = Problems()
    zipped = is_zip(content)
    examples = read_zip(content, problems) if zipped else _read_lines(content, problems)
    distinct: dict[str, LabelledPicture] = {}
    repeated = 0
    for example in examples:
        first = distinct.setdefault(_digest(example.picture), example)
        repeated += first is not example
        _find_contradiction(example, first, problems)
    pictures = tuple(distinct.values())
    _find_wrong_counts(pictures, problems)
    require_no_problems(problems)
    groups = find_near_copies([one.picture for one in pictures])
    notes = () if zipped else encoding_notes(content)
    own = (*_count_notes(pictures, repeated), *_near_copy_notes(pictures, groups))
    return TrainingPictures(pictures, groups, (*notes, *problems.notes, *own))


def _read_lines(content: bytes, problems: Problems) -> Iterator[LabelledPicture]:
    """Yield the valid pictures of JSON lines; add what is wrong with the others."""
    lines = decode_lines(content, _Line, problems, _MAX_LINE_BYTES)
    if not lines and not problems.count:
        problems.add(EMPTY_FILE)
    for number, line in lines:
        example = _parse_line(PicturePlace(line=number), line, problems)
        if example is not None:
            yield example


def _parse_line(place: PicturePlace, line: _Line, problems: Problems) -> LabelledPicture | None:
    """Parse one line; report its problems and return None if it is invalid."""
    label = line.label.strip()
    valid = is_valid_label(label)
    if not valid:
        problems.add(label_problem(place))
    try:
        picture = decode_base64(line.image)
    except PictureInvalid as error:
        problems.add(picture_problem(place, error))
        return None
    return LabelledPicture(place, label, picture) if valid else None


def _find_contradiction(
    example: LabelledPicture, first: LabelledPicture, problems: Problems
) -> None:
    """Report a picture that repeats an earlier one under another label."""
    if first.label != example.label:
        reason = sentence(
            "the image is the same as in {place}, but its label is {label} instead of "
            "{first_label}.",
            place=first.place.name,
            label=repr(example.label),
            first_label=repr(first.label),
        )
        fix = sentence("Keep the one with the correct label.")
        problems.add(example.place.problem("contradiction", reason, fix, "label"))


def _digest(picture: Picture) -> str:
    """Return the SHA-256 of the pixels, so that re-encoded copies are duplicates."""
    return hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()


def _find_wrong_counts(examples: Sequence[LabelledPicture], problems: Problems) -> None:
    """Report too many pictures or labels; if all are valid, also too few."""
    counts = Counter(example.label for example in examples)
    if len(examples) > MAX_PICTURES:
        message = sentence(
            "There are {count} images; at most {most} are allowed.",
            count=len(examples),
            most=MAX_PICTURES,
        )
        problems.add(Problem("too_many_images", message, sentence("Remove images.")))
    if len(counts) > MAX_CLASSES:
        message = sentence(
            "There are {count} labels; at most {most} are allowed.",
            count=len(counts),
            most=MAX_CLASSES,
        )
        problems.add(Problem("too_many_labels", message, sentence("Join labels."), field="label"))
    if problems.count:
        return
    if len(counts) < 2:
        message = sentence(
            "There are images with {count} labels; at least 2 labels are needed.", count=len(counts)
        )
        problems.add(
            Problem("too_few_classes", message, sentence("Add another label."), field="label")
        )
    places = {example.label: example.place for example in reversed(examples)}
    for label, count in counts.items():
        if count < MIN_PICTURES_PER_LABEL:
            message = sentence(
                "The label {label}, first in {place}, has {count} different images; "
                "at least {least} are needed.",
                label=repr(label),
                place=places[label].name,
                count=count,
                least=MIN_PICTURES_PER_LABEL,
            )
            fix = sentence("Add images with this label.")
            line = places[label].line
            problems.add(Problem("too_few_of_a_class", message, fix, line, "label"))


def _count_notes(pictures: Sequence[LabelledPicture], repeated: int) -> Iterator[Sentence]:
    """Yield remarks on the numbers of pictures: of each label, of repeated ones, of few."""
    counts = Counter(one.label for one in pictures)
    named = [f"{label}: {count}" for label, count in counts.most_common(_MAX_NAMED)]
    more = len(counts) - _MAX_NAMED
    yield sentence(
        "Images by label: {names}{more}.",
        names=listing(named),
        more=sentence(" and {count} more labels", count=more) if more > 0 else "",
    )
    if repeated:
        yield sentence("Images that repeat another one count once: {count}.", count=repeated)
    rarest = min(counts.values())
    if max(counts.values()) > _MAX_IMBALANCE * rarest:
        yield sentence(
            "Some labels have {rarest} images, others {most}. All labels have the same weight; add "
            "images of the rare ones.",
            rarest=rarest,
            most=max(counts.values()),
        )


def _near_copy_notes(pictures: Sequence[LabelledPicture], groups: Groups) -> Iterator[Sentence]:
    """Yield remarks on near copies of pictures: their number, and those of different labels."""
    copies = [row for row in range(len(pictures)) if groups[row] != row]
    if not copies:
        return
    pairs = [(pictures[groups[row]], pictures[row]) for row in copies]
    yield sentence(
        "Images that are nearly the same as another one: {count} ({pairs}). They are tested "
        "together, but tell the model little.",
        count=len(copies),
        pairs=_name_pairs(pairs),
    )
    mixed = [(one, other) for one, other in pairs if one.label != other.label]
    if mixed:
        yield sentence(
            "Nearly the same images have different labels: {pairs}. Check which label is correct.",
            pairs=_name_pairs(mixed),
        )


def _name_pairs(pairs: Sequence[tuple[LabelledPicture, LabelledPicture]]) -> Sentence:
    """Name the places of some pairs of pictures."""
    shown = [
        sentence("{one} and {other}", one=one.place.name, other=other.place.name)
        for one, other in pairs[:_MAX_NAMED]
    ]
    more = sentence(" and more") if len(pairs) > _MAX_NAMED else ""
    return sentence("{pairs}{more}", pairs=listing(shown), more=more)
