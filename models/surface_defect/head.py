"""The classification head: fitted on a customer's pictures; predicts label and familiarity."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.surface_defect import held_out
from models.surface_defect.backbone import Features
from models.surface_defect.discriminant import Classes, Discriminant, FloatArray
from models.surface_defect.held_out import Departures, HeldOutPredictions
from models.surface_defect.labelled_pictures import MAX_CLASSES
from models.surface_defect.similar_pictures import Groups
from models.surface_defect.views import ViewPlan

VERSION = 1
# Standard errors by which quarter turns may lower the accuracy. By one, turns were left out by
# chance in some draws of textures that look alike from every side: in one of them 69 % of the
# turned pictures were right, instead of 97 %. Where labels name a direction, turns cost far more.
_MAX_LOSS_ERRORS = 2.0


class HeadBroken(ValueError):
    """The artefact is not a valid head of this version and backbone."""


@dataclass(frozen=True, slots=True)
class HeadPredictions:
    """Predictions: class probabilities [rows, classes] and familiarity [rows], in (0, 1]."""

    probabilities: FloatArray
    familiarity: FloatArray


@dataclass(frozen=True, slots=True)
class Head:
    """A fitted classification head.

    nonconformity: scores of the training pictures while held out, ascending, [pictures].
    departure_scales: the departures that count as a score of 1. backbone: identity of the feature
    extractor.
    """

    labels: tuple[str, ...]
    discriminant: Discriminant
    temperature: float
    departure_scales: tuple[float, float]
    nonconformity: FloatArray
    backbone: str

    def predict(self, features: Features) -> HeadPredictions:
        """Predict from features, [rows, width]."""
        standardised = self.discriminant.standardise(features)
        distances = self.discriminant.class_distances(standardised)
        probabilities = held_out.probabilities(distances, self.temperature)
        departures = Departures.from_features(self.discriminant, standardised)
        return HeadPredictions(
            probabilities,
            self._familiarity(nonconformity_scores(departures, self.departure_scales)),
        )

    def _familiarity(self, scores: FloatArray) -> FloatArray:
        """Return conformal p-values (Vovk 2005) of nonconformity scores.

        The share of held-out training pictures, this one included, with a score at least as high.
        """
        count = len(self.nonconformity)
        at_least = count - np.searchsorted(self.nonconformity, scores)
        return np.asarray((at_least + 1) / (count + 1))


@dataclass(frozen=True, slots=True)
class FittedHead:
    """A head fitted on all pictures, and its cross-validation results.

    turned: whether it was fitted on quarter turns too.
    """

    head: Head
    held_out: HeldOutPredictions
    turned: bool


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The serialised head; arrays are little-endian float32, in base64."""

    version: int
    backbone: str
    labels: list[str]
    temperature: float
    far: tuple[float, float]
    middle: bytes
    spread: bytes
    projection: bytes
    centres: bytes
    strangeness: bytes


class _DocumentVersion(msgspec.Struct):
    """The version of a serialised head."""

    version: int


def fit(
    views: Features,
    truth: Classes,
    labels: Sequence[str],
    backbone: str,
    groups: Groups | None = None,
    plan: ViewPlan = ViewPlan.ALL,
) -> FittedHead:
    """Fit and calibrate a head on the features of labelled pictures.

    views: features [pictures, views, width] of views.training_views by the plan. truth:
    [pictures], indices in `labels`; two pictures or more of each class. groups: near copies,
    [pictures]. Quarter turns are learned unless the labels are then predicted worse: some depend
    on the direction.
    """
    upright_views = views[:, : plan.value]
    upright = held_out.cross_validate(upright_views, truth, groups)
    with_turns = held_out.cross_validate(views, truth, groups)
    least = upright.accuracy - _MAX_LOSS_ERRORS * upright.accuracy_error
    turned = with_turns.accuracy >= least
    results = with_turns if turned else upright
    learned = views if turned else upright_views
    scales = results.departure_scales()
    head = Head(
        tuple(labels),
        held_out.fit_discriminant(learned, truth),
        results.fit_temperature(),
        scales,
        np.sort(nonconformity_scores(results.departures, scales)),
        backbone,
    )
    return FittedHead(head, results, turned)


def nonconformity_scores(departures: Departures, scales: tuple[float, float]) -> FloatArray:
    """Return nonconformity scores [rows]: the larger of scaled class distance and feature norm."""
    class_scale, size_scale = scales
    return np.maximum(departures.to_class / class_scale, departures.size / size_scale)


def serialise(head: Head) -> bytes:
    """Serialise the head to JSON. The same head gives the same bytes."""
    discriminant = head.discriminant
    return msgspec.json.encode(
        _Document(
            VERSION,
            head.backbone,
            list(head.labels),
            head.temperature,
            head.departure_scales,
            _pack_float32(discriminant.mean),
            _pack_float32(discriminant.scale),
            _pack_float32(discriminant.projection),
            _pack_float32(discriminant.centres),
            _pack_float32(head.nonconformity),
        )
    )


def load(artefact: bytes, backbone: str, width: int) -> Head:
    """Deserialise a head for this backbone and feature width. Raises HeadBroken."""
    document = _decode_document(artefact)
    if document.backbone != backbone:
        raise HeadBroken(
            f"The head was fitted on the backbone {document.backbone!r}, not {backbone!r}."
        )
    classes = _require_classes(document.labels)
    axes = min(classes - 1, width)
    discriminant = Discriminant(
        _unpack_float32(document.middle, "middle", width),
        _unpack_float32(document.spread, "spread", width),
        _unpack_float32(document.projection, "projection", width, axes),
        _unpack_float32(document.centres, "centres", classes, axes),
    )
    scores = _unpack_float32(document.strangeness, "strangeness", len(document.strangeness) // 4)
    _require_valid_values(document, discriminant, scores)
    labels = tuple(document.labels)
    return Head(labels, discriminant, document.temperature, document.far, scores, backbone)


def _decode_document(artefact: bytes) -> _Document:
    """Decode and check the version of a serialised head. Raises HeadBroken."""
    try:
        version = msgspec.json.decode(artefact, type=_DocumentVersion).version
        if version != VERSION:
            raise HeadBroken(
                f"The head has version {version}; this software reads version {VERSION}."
            )
        return msgspec.json.decode(artefact, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HeadBroken(f"The artefact is not a classifier head: {error}.") from error


def _require_classes(labels: Sequence[str]) -> int:
    """Return the number of distinct labels. Raises HeadBroken if it is out of range."""
    if not 2 <= len(labels) <= MAX_CLASSES or len(set(labels)) != len(labels):
        raise HeadBroken(f"The head has {len(labels)} labels, or one of them twice.")
    return len(labels)


def _require_valid_values(
    document: _Document, discriminant: Discriminant, scores: FloatArray
) -> None:
    """Raise HeadBroken if a divisor is not positive or the scores do not ascend."""
    if not (document.temperature > 0 and min(document.far) > 0 and np.all(discriminant.scale > 0)):
        raise HeadBroken("The head divides by what is not above 0.")
    if not len(scores) or np.any(np.diff(scores) < 0):
        raise HeadBroken("The head's strangeness does not ascend.")


def _pack_float32(values: FloatArray) -> bytes:
    """Encode values as little-endian float32."""
    return values.astype("<f4").tobytes()


def _unpack_float32(packed: bytes, name: str, *shape: int) -> FloatArray:
    """Decode float32 values. Raises HeadBroken for a wrong count or a value not finite."""
    if len(packed) != 4 * int(np.prod(shape)):
        raise HeadBroken(f"The head's {name} is not of the shape {shape}.")
    values: NDArray[np.float64] = np.frombuffer(packed, dtype="<f4").astype(np.float64)
    if not np.isfinite(values).all():
        raise HeadBroken(f"The head's {name} contains a value that is not a finite number.")
    return values.reshape(shape)
