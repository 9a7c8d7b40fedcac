"""The content of a variant of remaining life."""

import msgspec

from models.decisions.decider import LimitDecider
from models.drift.reference import Reference
from models.series.calls import ColumnRange, TimeColumn
from models.series.life.distance import LifeDistance
from models.series.life.features import LifeRecipe
from models.series.life.history import LifeStart
from models.series.life.network import LifeNetwork
from models.series.life.trajectory import Trajectory
from models.tabular.intervals import IntervalTable

VERSION = 1


class CompleteHistories(msgspec.Struct, frozen=True):
    """The model of machines whose history is known from their beginning.

    start: when machines are new. fills: stand for missing features. base: the life before any
    split. trees: the ONNX graph of contributions, averaged with `network`. other_widening: by what
    intervals of other histories are wider, which the document's own trees predict.
    """

    start: LifeStart
    fills: tuple[float, ...]
    base: tuple[float, ...]
    trees: bytes
    network: LifeNetwork
    other_widening: float


class LifeDocument(msgspec.Struct, frozen=True):
    """The content of a variant.

    weights: of the columns in the health index. with_columns: whether the columns' own features
    follow those of the index. fills: stand for missing features. cap: the highest life that is
    told apart. longest: the longest life in training, the upper bound of capped lives. base: the
    life before any split. trees: the ONNX graph of contributions. decider: how decisions follow
    from costs. reference: distributions in training, of recent means. trajectory: the course of the
    index, whose prediction is averaged with that of the trees. distance: by which intervals of
    machines that differ from those of training are widened. complete: the model of histories from
    the machine's beginning; None if the file does not tell it, or it explains no more. All are None
    in artefacts of earlier releases.
    """

    version: int
    target: str
    unit: str | None
    columns: tuple[ColumnRange, ...]
    time: TimeColumn | None
    recipe: LifeRecipe
    weights: tuple[float, ...]
    with_columns: bool
    fills: tuple[float, ...]
    cap: float
    longest: float
    base: tuple[float, ...]
    intervals: IntervalTable
    trees: bytes
    decider: LimitDecider | None = None
    reference: Reference | None = None
    trajectory: Trajectory | None = None
    distance: LifeDistance | None = None
    complete: CompleteHistories | None = None


def render(document: LifeDocument) -> bytes:
    """Render a variant's artefact."""
    return msgspec.msgpack.encode(document)
