"""Fitting a head on a customer's labelled pictures; there is no base that could answer before.

Owns the training file's form and its limits, and what is told. Does not own the head (head.py), the
score (held_out.py) nor what counts as a picture (picture.py).
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from models.adaptation import Adaptation, Progress, Score, TrainingFileInvalid, examples
from models.surface_defect.backbone import Backbone, Features, open_backbone
from models.surface_defect.discriminant import Classes
from models.surface_defect.head import MOST_CLASSES, fit, render
from models.surface_defect.held_out import HeldOut
from models.surface_defect.picture import Picture, PictureInvalid, decoded, mirrored

FEWEST_PICTURES = 5
MOST_PICTURES = 2_000
LONGEST_LABEL = 100
METRIC = "right among held-out pictures, mean of the labels"
# Right by guessing more often than this many standard errors above the share is luck no longer.
_LUCK = 2.0
_TOLD_EVERY = 200
_TOLD_LINES = 10


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    image: str
    label: str


@dataclass(frozen=True, slots=True)
class Example:
    """A picture that was not in an earlier line, with its line's number from 1."""

    line: int
    label: str
    picture: Picture


@dataclass(frozen=True, slots=True)
class SurfaceAdapter:
    """Adapts on the backbone in the file, which is opened in the process that learns."""

    backbone: Path

    def __call__(self, training_file: bytes, progress: Progress) -> Adaptation:
        """Learn lines of `{"image": "<base64>", "label": "scratch"}`.

        Raises TrainingFileInvalid; BackboneBroken where the file is no backbone. Each picture is
        scored by a head that learned from others.
        """
        given = read(training_file)
        labels = sorted({one.label for one in given})
        progress(f"{len(given)} different pictures with {len(labels)} labels were read.")
        truth = np.array([labels.index(one.label) for one in given], dtype=np.intp)
        backbone = open_backbone(self.backbone)
        fitted = fit(_views(backbone, given, progress), truth, labels, backbone.identity)
        judged = fitted.held_out
        progress(f"Of held-out pictures {judged.accuracy:.1%} came out right.")
        _require_better_than_luck(judged, len(labels))
        _tell_doubtful(judged, given, labels, progress)
        score = Score(METRIC, None, judged.accuracy, higher_is_better=True)
        return Adaptation(render(fitted.head), score, len(given), len(given))


def read(training_file: bytes) -> list[Example]:
    """The different pictures, in the file's order. Raises TrainingFileInvalid."""
    given: dict[str, Example] = {}
    for one in _examples(training_file):
        first = given.setdefault(_digest(one.picture), one)
        if first.label != one.label:
            raise TrainingFileInvalid(
                f"Line {one.line}: the picture is that of line {first.line}, but its label is "
                f"{one.label!r} and not {first.label!r}."
            )
        if len(given) > MOST_PICTURES:
            raise TrainingFileInvalid(
                f"Line {one.line}: at most {MOST_PICTURES} pictures are learned from."
            )
    _require_labels(list(given.values()))
    return list(given.values())


def _examples(training_file: bytes) -> Iterator[Example]:
    for number, line in examples(training_file, _Line):
        label = line.label.strip()
        if not label or len(label) > LONGEST_LABEL or not label.isprintable():
            raise TrainingFileInvalid(
                f"Line {number}: 'label' is 1 to {LONGEST_LABEL} characters that can be printed."
            )
        try:
            yield Example(number, label, decoded(line.image))
        except PictureInvalid as error:
            raise TrainingFileInvalid(f"Line {number}: 'image' {error}.") from error


def _digest(picture: Picture) -> str:
    """Of what is seen, so that the same picture in another file is the same."""
    return hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()


def _require_labels(given: Sequence[Example]) -> None:
    counts: dict[str, int] = {}
    lines: dict[str, int] = {}
    for one in given:
        counts[one.label] = counts.get(one.label, 0) + 1
        lines.setdefault(one.label, one.line)
    if len(counts) < 2:
        raise TrainingFileInvalid(f"There are pictures with {len(counts)} labels; 2 are needed.")
    if len(counts) > MOST_CLASSES:
        raise TrainingFileInvalid(f"There are {len(counts)} labels, more than {MOST_CLASSES}.")
    for label, count in counts.items():
        if count < FEWEST_PICTURES:
            raise TrainingFileInvalid(
                f"The label {label!r}, first in line {lines[label]}, has {count} different "
                f"pictures; at least {FEWEST_PICTURES} are needed."
            )


def _views(backbone: Backbone, given: Sequence[Example], progress: Progress) -> Features:
    """[pictures, views, features]"""
    views = []
    for number, one in enumerate(given, 1):
        views.append(backbone.features(mirrored(one.picture)))
        if number % _TOLD_EVERY == 0:
            progress(f"{number} of {len(given)} pictures have been looked at.")
    return np.stack(views)


def _require_better_than_luck(judged: HeldOut, classes: int) -> None:
    share = 1 / classes
    error = math.sqrt(share * (1 - share) / len(judged.truth))
    if judged.accuracy <= share + _LUCK * error:
        raise TrainingFileInvalid(
            f"The labels cannot be told from the pictures: {judged.accuracy:.1%} of held-out "
            f"pictures came out right, and {share:.1%} would by guessing."
        )


def _tell_doubtful(
    judged: HeldOut, given: Sequence[Example], labels: Sequence[str], progress: Progress
) -> None:
    """Which pictures look like another label: a wrong one among the labels is often one of them."""
    doubtful: Classes = np.flatnonzero(judged.said != judged.truth)
    if not len(doubtful):
        return
    shown = [f"{given[at].line} ({labels[judged.said[at]]})" for at in doubtful[:_TOLD_LINES]]
    more = " and more" if len(doubtful) > _TOLD_LINES else ""
    progress(f"Look again at lines that seem to be of another label: {', '.join(shown)}{more}.")
