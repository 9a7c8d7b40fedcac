"""Variant artefact of remaining life: render and load it, and run it on series."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from models.decisions.decider import WIDENING, Decider, LimitDecider, decision_outputs
from models.drift.reference import Counts, Reference
from models.own_artefact import decode_document
from models.series.calls import (
    ColumnRange,
    TimeColumn,
    check_series,
    input_fields,
    outside_flags,
    stack_readings,
)
from models.series.life_distance import LifeDistance
from models.series.life_features import Features, LifeRecipe
from models.series.life_trajectory import Trajectory
from models.series.series import Floats
from models.series.windows import CumulativeSums
from models.signature import Columns, Signature
from models.tabular.answers import (
    LEVEL,
    answer_outside,
    answer_reasons,
    level_field,
    number_outputs,
)
from models.tabular.intervals import DEFAULT_LEVEL, IntervalTable
from models.tabular.tree_session import open_trees, run_trees

VERSION = 1


class LifeDocument(msgspec.Struct, frozen=True):
    """The content of a variant.

    weights: of the columns in the health index. with_columns: whether the columns' own features
    follow those of the index. fills: stand for missing features. cap: the highest life that is
    told apart. longest: the longest life in training, the upper bound of capped lives. base: the
    life before any split. trees: the ONNX graph of contributions. decider: how decisions follow
    from costs. reference: distributions in training, of recent means. trajectory: the course of the
    index, whose prediction is averaged with that of the trees. distance: by which intervals of
    machines that differ from those of training are widened. All are None in artefacts of earlier
    releases.
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


@dataclass(frozen=True, slots=True)
class LifeVariant:
    """A loaded artefact."""

    document: LifeDocument
    session: Any
    signature: Signature

    @property
    def decider(self) -> Decider | None:
        """How decisions follow from costs; None if they cannot."""
        return self.document.decider

    def check(self, columns: Columns) -> None:
        """Validate across columns what the signature cannot express. Raises InputInvalid."""
        document = self.document
        check_series(columns, document.columns, document.time, document.recipe.span)

    def run(self, columns: Columns) -> Columns:
        """Run the model on columns of the signature; return one array for each output.

        WIDENING is added for decisions.
        """
        document = self.document
        readings = stack_readings(columns, document.columns, document.recipe.span)
        described = [self._describe(one) for one in readings]
        features = np.concatenate([one for one, _ in described])
        means = np.stack([mean for _, mean in described])
        contributions = run_trees(self.session, features, 1)[:, 0]
        life = np.clip(contributions.sum(axis=1) + document.base[0], 0.0, document.cap)
        if document.trajectory is not None:
            by_course = self._predict_course(document.trajectory, features, readings.shape[1])
            life = (life + by_course) / 2
            contributions /= 2
            contributions[:, 0] += (by_course - document.base[0]) / 2
        centre, spread = np.array(document.recipe.centre), np.array(document.recipe.spread)
        names = tuple(column.name for column in document.columns)
        return {
            **self._bounds(life, means, columns),
            **answer_reasons(self._by_column(contributions, means), names),
            "outside": answer_outside(
                outside_flags(means * spread + centre, document.columns), names
            ),
        }

    def count_inputs(self, columns: Columns, results: Columns) -> Counts | None:
        """Return how many rows of a call fall into each slot of the reference."""
        document = self.document
        if document.reference is None:
            return None
        width = document.recipe.windows[1]
        readings = stack_readings(columns, document.columns, width)
        end = np.array([readings.shape[1]])
        means = np.vstack([CumulativeSums(one).statistics(end, width).mean for one in readings])
        names = [column.name for column in document.columns]
        inputs = dict(zip(names, means.T, strict=True))
        return document.reference.count(inputs, results["value"])

    def _describe(self, readings: Floats) -> tuple[Features, Floats]:
        """Return the features of one series, [1, features], and its recent means in deviations."""
        document, recipe = self.document, self.document.recipe
        end = np.array([len(readings)])
        standardized = recipe.standardize(readings)
        sums = CumulativeSums(standardized)
        index = np.nan_to_num(standardized) @ np.array(document.weights)
        parts = [recipe.index_features(index, end)]
        if document.with_columns:
            parts.append(recipe.column_features(sums, end))
        raw = np.hstack(parts)
        features = np.where(np.isnan(raw), np.array(document.fills), raw).astype(np.float32)
        return features, sums.statistics(end, recipe.windows[1]).mean[0]

    def _predict_course(self, course: Trajectory, features: Features, steps: int) -> Floats:
        """Return the lives at which the recent means of the index fit its course."""
        windows = self.document.recipe.windows
        means = features[:, : len(windows)].astype(np.float64)
        return course.predict(means, windows, np.full(len(means), steps), self.document.cap)

    def _bounds(self, life: Floats, means: Floats, columns: Columns) -> Columns:
        """Return lives with intervals, and by what these are widened.

        The upper bound of a capped life is the longest one.
        """
        document = self.document
        level = np.asarray(columns.get(LEVEL, np.full(len(life), DEFAULT_LEVEL)), dtype=float)
        widening = np.ones(len(life))
        if document.distance is not None:
            widening = document.distance.widening(means, life)
        width = document.intervals.half_width(life, level) * widening
        upper = life + width
        return {
            "value": life.astype(np.float32),
            "lower": np.maximum(life - width, 0.0).astype(np.float32),
            "upper": np.where(
                upper >= document.cap, max(document.longest, document.cap), upper
            ).astype(np.float32),
            WIDENING: widening,
        }

    def _by_column(self, contributions: Floats, means: Floats) -> Floats:
        """Return the contributions of the columns, [rows, columns].

        Those of the health index are shared by what each column adds to it.
        """
        recipe = self.document.recipe
        added = np.abs(np.nan_to_num(means) * np.array(self.document.weights))
        total = added.sum(axis=1, keepdims=True)
        shares = np.where(total > 0, added / np.where(total > 0, total, 1), 1 / added.shape[1])
        of_index = contributions[:, : recipe.index_feature_count].sum(axis=1, keepdims=True)
        own = contributions[:, recipe.index_feature_count :]
        blocks = own.reshape(len(own), -1, added.shape[1]).sum(axis=1) if own.size else 0.0
        return np.asarray(of_index * shares + blocks)


def render(document: LifeDocument) -> bytes:
    """Render a variant's artefact."""
    return msgspec.msgpack.encode(document)


def load(artefact: bytes) -> LifeVariant:
    """Load a variant from its artefact. Raises VariantBroken."""
    document = decode_document(artefact, LifeDocument, VERSION)
    session = open_trees(document.trees)
    return LifeVariant(document, session, build_signature(document))


def build_signature(document: LifeDocument) -> Signature:
    """Return the inputs and outputs of a variant."""
    inputs = input_fields(document.columns, document.time, document.recipe.min_steps)
    outputs = number_outputs(document.target, document.unit)
    decided = decision_outputs(document.decider)
    return Signature((*inputs, level_field()), (*outputs, *decided), str(VERSION))
