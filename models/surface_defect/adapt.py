"""Fitting a head on a customer's labelled pictures; there is no base that could answer before."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.adaptation import Adaptation, Progress, Score, TrainingFileInvalid
from models.surface_defect.backbone import Backbone, Features, open_backbone
from models.surface_defect.discriminant import Classes
from models.surface_defect.head import fit, render
from models.surface_defect.held_out import HeldOut
from models.surface_defect.labelled_pictures import Example, read
from models.surface_defect.picture import mirrored

METRIC = "right among held-out pictures, mean of the labels"
# Right by guessing more often than this many standard errors above the share is luck no longer.
_LUCK = 2.0
_TOLD_EVERY = 200
_TOLD_LINES = 10


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
