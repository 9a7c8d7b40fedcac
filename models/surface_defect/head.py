"""The head: from features to a label, how likely it is, and how familiar the picture looks.

Owns fitting it on a customer's pictures, its answers and its bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.surface_defect import held_out
from models.surface_defect.backbone import Features
from models.surface_defect.discriminant import Classes, Discriminant, Exact
from models.surface_defect.held_out import Departures, HeldOut
from models.surface_defect.labelled_pictures import MOST_CLASSES

VERSION = 1


class HeadBroken(ValueError):
    """The bytes are no head, none of this version, or one of another backbone."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """probabilities: [rows, classes]. familiarity: [rows], above 0 to 1."""

    probabilities: Exact
    familiarity: Exact


@dataclass(frozen=True, slots=True)
class Head:
    """strangeness: [pictures], ascending, of those that it was fitted on, each while it was held
    out. far: what is far to a class and in size. backbone: of which features."""

    labels: tuple[str, ...]
    known: Discriminant
    temperature: float
    far: tuple[float, float]
    strangeness: Exact
    backbone: str

    def judge(self, features: Features) -> Judgement:
        """Of each row of features, [rows, width]."""
        standardised = self.known.standardised(features)
        distances = self.known.distances(standardised)
        probabilities = held_out.probabilities(distances, self.temperature)
        departures = Departures.of(self.known, standardised)
        return Judgement(probabilities, self._familiarity(strangeness(departures, self.far)))

    def _familiarity(self, strange: Exact) -> Exact:
        """A conformal p-value (Vovk 2005): of the pictures learned from, each held out, and this
        one, the share that is at least as strange as this one."""
        count = len(self.strangeness)
        as_strange = count - np.searchsorted(self.strangeness, strange)
        return np.asarray((as_strange + 1) / (count + 1))


@dataclass(frozen=True, slots=True)
class Fitted:
    """A head of all pictures, and what heads of parts of them said of the others."""

    head: Head
    held_out: HeldOut


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arrays are little-endian float32, in base64."""

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


class _Versioned(msgspec.Struct):
    version: int


def fit(views: Features, truth: Classes, labels: Sequence[str], backbone: str) -> Fitted:
    """From features of each picture's views [pictures, views, width], the picture itself first, and
    its class [pictures] as a place in `labels`. Of each class two pictures or more."""
    judged = held_out.judge(views, truth)
    far = judged.far()
    head = Head(
        tuple(labels),
        held_out.learned(views, truth),
        judged.temperature(),
        far,
        np.sort(strangeness(judged.departures, far)),
        backbone,
    )
    return Fitted(head, judged)


def strangeness(departures: Departures, far: tuple[float, float]) -> Exact:
    """How far out a picture is in whichever way it is farther, 1 where that is far, [rows]."""
    to_class, size = far
    return np.maximum(departures.to_class / to_class, departures.size / size)


def render(head: Head) -> bytes:
    """The head's bytes, in JSON. Same head, same bytes."""
    known = head.known
    return msgspec.json.encode(
        _Document(
            VERSION,
            head.backbone,
            list(head.labels),
            head.temperature,
            head.far,
            _packed(known.middle),
            _packed(known.spread),
            _packed(known.projection),
            _packed(known.centres),
            _packed(head.strangeness),
        )
    )


def load(artefact: bytes, backbone: str, width: int) -> Head:
    """What `render` wrote, of the backbone with so many features. Raises HeadBroken."""
    document = _document(artefact)
    if document.backbone != backbone:
        raise HeadBroken(f"The head is of backbone {document.backbone!r}, not {backbone!r}.")
    classes = _require_classes(document.labels)
    axes = min(classes - 1, width)
    known = Discriminant(
        _unpacked(document.middle, "middle", width),
        _unpacked(document.spread, "spread", width),
        _unpacked(document.projection, "projection", width, axes),
        _unpacked(document.centres, "centres", classes, axes),
    )
    strange = _unpacked(document.strangeness, "strangeness", len(document.strangeness) // 4)
    _require_sense(document, known, strange)
    labels = tuple(document.labels)
    return Head(labels, known, document.temperature, document.far, strange, backbone)


def _document(artefact: bytes) -> _Document:
    try:
        version = msgspec.json.decode(artefact, type=_Versioned).version
        if version != VERSION:
            raise HeadBroken(f"The head is of version {version}, not {VERSION}.")
        return msgspec.json.decode(artefact, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HeadBroken(f"These bytes are no head: {error}.") from error


def _require_classes(labels: Sequence[str]) -> int:
    if not 2 <= len(labels) <= MOST_CLASSES or len(set(labels)) != len(labels):
        raise HeadBroken(f"The head has {len(labels)} labels, or one of them twice.")
    return len(labels)


def _require_sense(document: _Document, known: Discriminant, strange: Exact) -> None:
    if not (document.temperature > 0 and min(document.far) > 0 and np.all(known.spread > 0)):
        raise HeadBroken("The head divides by what is not above 0.")
    if not len(strange) or np.any(np.diff(strange) < 0):
        raise HeadBroken("The head's strangeness does not ascend.")


def _packed(values: Exact) -> bytes:
    return values.astype("<f4").tobytes()


def _unpacked(packed: bytes, name: str, *shape: int) -> Exact:
    """Raises HeadBroken where there are more or fewer values, or one is not finite."""
    if len(packed) != 4 * int(np.prod(shape)):
        raise HeadBroken(f"The head's {name} is not of the shape {shape}.")
    values: NDArray[np.float64] = np.frombuffer(packed, dtype="<f4").astype(np.float64)
    if not np.isfinite(values).all():
        raise HeadBroken(f"The head's {name} holds what is no finite number.")
    return values.reshape(shape)
