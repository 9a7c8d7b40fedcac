"""Fit and score a head on a customer's labelled pictures; there is no base score to compare."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.adaptation import Adaptation, ProgressCallback, Score, TrainingFileInvalid
from models.sentences import listing, sentence
from models.surface_defect.backbone import Backbone, Features, open_backbone
from models.surface_defect.discriminant import Classes
from models.surface_defect.head import fit, serialise
from models.surface_defect.held_out import HeldOutPredictions
from models.surface_defect.labelled_pictures import read_training_file
from models.surface_defect.picture_place import LabelledPicture
from models.surface_defect.views import ViewPlan, plan_views, training_views

METRIC = "accuracy on held-out images, mean over labels"
# Standard errors by which the accuracy must exceed that of guessing.
_MIN_Z_SCORE = 2.0
_PROGRESS_INTERVAL = 200
_MAX_REPORTED = 10
_UPRIGHT_ONLY = sentence(
    "The labels depend on the direction of marks, so images must come in the direction of the "
    "training images."
)


@dataclass(frozen=True, slots=True)
class SurfaceAdapter:
    """Fine-tuning of the surface-defect model; opens the backbone file in its own process."""

    backbone: Path

    def __call__(self, training_file: bytes, progress: ProgressCallback) -> Adaptation:
        """Fit a head on a ZIP of folders or lines of `{"image": "<base64>", "label": "scratch"}`.

        The score is cross-validated. Raises TrainingFileInvalid; BackboneBroken if the file is no
        backbone.
        """
        training = read_training_file(training_file)
        examples = training.pictures
        labels = sorted({example.label for example in examples})
        progress(
            sentence(
                "Read {images} different images with {labels} labels.",
                images=len(examples),
                labels=len(labels),
            )
        )
        truth = np.array([labels.index(example.label) for example in examples], dtype=np.intp)
        backbone = open_backbone(self.backbone)
        plan = plan_views(len(examples))
        views = _extract_views(backbone, examples, plan, progress)
        fitted_head = fit(views, truth, labels, backbone.identity, training.groups, plan)
        held_out = fitted_head.held_out
        if not fitted_head.turned:
            progress(_UPRIGHT_ONLY)
        progress(sentence("Accuracy on held-out images: {share:.1%}.", share=held_out.accuracy))
        _require_better_than_chance(held_out, len(labels))
        _report_suspicious_labels(held_out, examples, labels, progress)
        score = Score(METRIC, None, held_out.accuracy, higher_is_better=True)
        return Adaptation(serialise(fitted_head.head), score, len(examples), len(examples))


def _extract_views(
    backbone: Backbone,
    examples: Sequence[LabelledPicture],
    plan: ViewPlan,
    progress: ProgressCallback,
) -> Features:
    """Return the features of each picture's training views, [pictures, views, features]."""
    views = []
    for number, example in enumerate(examples, 1):
        views.append(backbone.extract_features(training_views(example.picture, plan)))
        if number % _PROGRESS_INTERVAL == 0:
            progress(
                sentence("Processed {number} of {of} images.", number=number, of=len(examples))
            )
    return np.stack(views)


def _require_better_than_chance(held_out: HeldOutPredictions, classes: int) -> None:
    """Raise TrainingFileInvalid if held-out accuracy is no better than guessing.

    The accuracy is a mean over labels, so few images of one label make it uncertain.
    """
    chance = 1 / classes
    by_label = chance * (1 - chance) / np.bincount(held_out.truth)
    error = math.sqrt(by_label.sum()) / classes
    if held_out.accuracy <= chance + _MIN_Z_SCORE * error:
        raise TrainingFileInvalid(
            sentence(
                "The labels cannot be predicted from the images: accuracy on held-out "
                "images is {accuracy:.1%}, and guessing gives {chance:.1%}.",
                accuracy=held_out.accuracy,
                chance=chance,
            )
        )


def _report_suspicious_labels(
    held_out: HeldOutPredictions,
    examples: Sequence[LabelledPicture],
    labels: Sequence[str],
    progress: ProgressCallback,
) -> None:
    """Report pictures predicted as another label: wrong labels are often among them."""
    suspicious: Classes = np.flatnonzero(held_out.predicted != held_out.truth)
    if not len(suspicious):
        return
    shown = [
        sentence(
            "{place} ({label})",
            place=examples[row].place.name,
            label=labels[held_out.predicted[row]],
        )
        for row in suspicious[:_MAX_REPORTED]
    ]
    more = sentence(" and more") if len(suspicious) > _MAX_REPORTED else ""
    progress(
        sentence(
            "Check these images, whose labels look wrong: {names}{more}.",
            names=listing(shown),
            more=more,
        )
    )
