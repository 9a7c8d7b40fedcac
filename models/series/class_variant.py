"""Variant artefact of a classifier of series: render and load it, and run it on windows."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from models.decisions.decider import ClassDecider, Decider, decision_outputs
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
from models.series.series import Floats
from models.series.window_features import WindowRecipe
from models.signature import Columns, Signature
from models.tabular.answers import (
    answer_class,
    answer_outside,
    answer_reasons,
    class_outputs,
    of_best_class,
)
from models.tabular.tree_session import open_trees, run_trees

VERSION = 1


class ClassDocument(msgspec.Struct, frozen=True):
    """The content of a variant.

    base: score of each class before any feature. slope, shifts: calibration of the scores. graph:
    the ONNX graph of contributions, [batch, features] to [batch, classes × features]. decider: how
    decisions follow from costs. reference: distributions in training, of the means of windows. Both
    are None in artefacts of earlier releases.
    """

    version: int
    target: str
    classes: tuple[str, ...]
    columns: tuple[ColumnRange, ...]
    time: TimeColumn | None
    recipe: WindowRecipe
    base: tuple[float, ...]
    slope: float
    shifts: tuple[float, ...]
    graph: bytes
    decider: ClassDecider | None = None
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class ClassVariant:
    """A loaded artefact."""

    document: ClassDocument
    session: Any
    signature: Signature

    @property
    def decider(self) -> Decider | None:
        """How decisions follow from costs; None if they cannot."""
        return self.document.decider

    def check(self, columns: Columns) -> None:
        """Validate across columns what the signature cannot express. Raises InputInvalid."""
        document = self.document
        check_series(columns, document.columns, document.time, document.recipe.steps)

    def run(self, columns: Columns) -> Columns:
        """Run the model on columns of the signature; return one array for each output."""
        document = self.document
        readings = stack_readings(columns, document.columns, document.recipe.steps)
        features = document.recipe.features(document.recipe.standardize(readings))
        contributions = run_trees(self.session, features, len(document.base))
        scores = contributions.sum(axis=2) + np.array(document.base)
        logits = document.slope * scores + np.array(document.shifts)
        chosen = document.slope * of_best_class(contributions, logits.argmax(axis=1))
        names = tuple(column.name for column in document.columns)
        return {
            **answer_class(logits, document.classes),
            **answer_reasons(self._by_column(chosen), names),
            "outside": answer_outside(outside_flags(_means(readings), document.columns), names),
        }

    def count_inputs(self, columns: Columns, results: Columns) -> Counts | None:
        """Return how many rows of a call fall into each slot of the reference."""
        document = self.document
        if document.reference is None:
            return None
        means = _means(stack_readings(columns, document.columns, document.recipe.steps))
        names = [column.name for column in document.columns]
        inputs = dict(zip(names, means.T, strict=True))
        return document.reference.count(inputs, results["class"])

    def _by_column(self, by_feature: Floats) -> Floats:
        """Return the contributions of the columns, [rows, columns]."""
        owners = np.array(self.document.recipe.owners)
        columns = range(len(self.document.columns))
        return np.stack([by_feature[:, owners == one].sum(axis=1) for one in columns], axis=1)


def _means(readings: Floats) -> Floats:
    """Return the mean of each column over its window, NaN without values, [rows, columns]."""
    present = np.isfinite(readings)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(present, readings, 0.0).sum(axis=1) / present.sum(axis=1))


def render(document: ClassDocument) -> bytes:
    """Render a variant's artefact."""
    return msgspec.msgpack.encode(document)


def load(artefact: bytes) -> ClassVariant:
    """Load a variant from its artefact. Raises VariantBroken."""
    document = decode_document(artefact, ClassDocument, VERSION)
    session = open_trees(document.graph)
    return ClassVariant(document, session, build_signature(document))


def build_signature(document: ClassDocument) -> Signature:
    """Return the inputs and outputs of a variant."""
    inputs = input_fields(document.columns, document.time, document.recipe.steps)
    outputs = class_outputs(document.target, document.classes)
    return Signature(inputs, (*outputs, *decision_outputs(document.decider)), str(VERSION))
