"""Variant artefact of a model of rows: render and load it, and run it on columns of tensors.

The trees are an ONNX graph of contributions (models/contributing_trees.py); calibration, intervals,
reasons in the customer's column names and the check of the trained ranges are computed here.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.decisions.decider import ClassDecider, Decider, LimitDecider, decision_outputs
from models.drift.reference import Counts, Reference
from models.own_artefact import decode_document
from models.signature import BYTES, Columns, InputField, InputInvalid, Signature
from models.tabular.answers import (
    LEVEL,
    answer_class,
    answer_outside,
    answer_reasons,
    class_outputs,
    level_field,
    number_outputs,
    of_best_class,
)
from models.tabular.data import Floats, Goal
from models.tabular.encoding import ColumnEncoding, NumberEncoding, RowEncoding
from models.tabular.intervals import DEFAULT_LEVEL, IntervalTable
from models.tabular.tree_session import open_trees, run_trees

VERSION = 1


class TabularDocument(msgspec.Struct, frozen=True):
    """The content of a variant.

    base: raw score of each class (one for numbers and two classes) before any split. slope, shifts:
    calibration of class scores. intervals: of numbers. trees: the ONNX graph, [batch, features] to
    [batch, scores × features]. decider: how decisions follow from costs. reference: distributions
    in training. Both are None in artefacts of earlier releases.
    """

    version: int
    goal: Goal
    target: str
    unit: str | None
    classes: tuple[str, ...]
    encoding: RowEncoding
    base: tuple[float, ...]
    slope: float
    shifts: tuple[float, ...]
    intervals: IntervalTable | None
    trees: bytes
    decider: ClassDecider | LimitDecider | None = None
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class TabularVariant:
    """A loaded artefact."""

    document: TabularDocument
    session: Any
    signature: Signature

    @property
    def decider(self) -> Decider | None:
        """How decisions follow from costs; None if they cannot."""
        return self.document.decider

    def check(self, columns: Columns) -> None:
        """Raise InputInvalid for a row without a value in any input: nothing tells it apart."""
        inputs = self.document.encoding.columns
        has_value = np.any([~one.is_missing(columns[one.name]) for one in inputs], axis=0)
        if not has_value.all():
            row = int(np.argmin(has_value))
            message = f"Row {row} has no value in any input."
            raise InputInvalid(message, param="inputs", index=(row,))

    def run(self, columns: Columns) -> Columns:
        """Run the model on columns of the signature; return one array for each output."""
        document = self.document
        inputs = {column.name: columns[column.name] for column in document.encoding.columns}
        features = document.encoding.encode(inputs)
        contributions = run_trees(self.session, features, len(document.base))
        scores = contributions.sum(axis=2) + np.array(document.base)
        outside = self._outside_names(inputs)
        if document.goal is Goal.CLASS:
            return {**self._classify(scores, contributions), "outside": outside}
        return {**self._predict(scores[:, 0], contributions, columns), "outside": outside}

    def count_inputs(self, columns: Columns, results: Columns) -> Counts | None:
        """Return how many rows of a call fall into each slot of the reference."""
        reference = self.document.reference
        if reference is None:
            return None
        encodings = {column.name: column for column in self.document.encoding.columns}
        inputs = {
            variable.name: encodings[variable.name].without_fill(columns[variable.name])
            for variable in reference.inputs
        }
        output = "class" if self.document.goal is Goal.CLASS else "value"
        return reference.count(inputs, results[output])

    def _classify(self, scores: Floats, contributions: Floats) -> Columns:
        """Return class, calibrated probabilities and reasons."""
        document = self.document
        if scores.shape[1] == 1:
            scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
        logits = document.slope * scores + np.array(document.shifts)
        chosen = of_best_class(contributions, logits.argmax(axis=1))
        return {
            **answer_class(logits, document.classes),
            **self._reasons(document.slope * chosen),
        }

    def _predict(self, scores: Floats, contributions: Floats, columns: Columns) -> Columns:
        """Return the number with its interval, and reasons."""
        table = self.document.intervals
        level = np.asarray(columns.get(LEVEL, np.full(len(scores), DEFAULT_LEVEL)), dtype=float)
        width = np.zeros(len(scores)) if table is None else table.half_width(scores, level)
        return {
            "value": scores.astype(np.float32),
            "lower": (scores - width).astype(np.float32),
            "upper": (scores + width).astype(np.float32),
            **self._reasons(contributions[:, 0]),
        }

    def _reasons(self, by_feature: Floats) -> Columns:
        """Return the columns or pairs with the largest contributions, and their contributions."""
        encoding = self.document.encoding
        starts = np.unique(np.array(encoding.owners), return_index=True)[1]
        by_name = np.add.reduceat(by_feature, starts, axis=1)
        return answer_reasons(by_name, encoding.names)

    def _outside_names(self, inputs: Columns) -> NDArray[np.object_]:
        """Return the names of the inputs that training did not cover, one text per row."""
        names = [column.name for column in self.document.encoding.columns]
        return answer_outside(self.document.encoding.outside(inputs), names)


def render(document: TabularDocument) -> bytes:
    """Render a variant's artefact."""
    return msgspec.msgpack.encode(document)


def load(artefact: bytes) -> TabularVariant:
    """Load a variant from its artefact. Raises VariantBroken."""
    document = decode_document(artefact, TabularDocument, VERSION)
    session = open_trees(document.trees)
    return TabularVariant(document, session, build_signature(document))


def build_signature(document: TabularDocument) -> Signature:
    """Return the inputs and outputs of a variant."""
    inputs = tuple(_input_field(column) for column in document.encoding.columns)
    decided = decision_outputs(document.decider)
    if document.goal is Goal.CLASS:
        outputs = class_outputs(document.target, document.classes)
        return Signature(inputs, (*outputs, *decided), str(VERSION))
    names = {field.name for field in inputs}
    settings = () if LEVEL in names else (level_field(),)
    outputs = number_outputs(document.target, document.unit)
    return Signature((*inputs, *settings), (*outputs, *decided), str(VERSION))


def _input_field(column: ColumnEncoding) -> InputField:
    """Return the input of a column. A value is missing if it is left out, or NaN for a number."""
    if isinstance(column, NumberEncoding):
        return InputField(
            column.name,
            "FP32",
            column.unit,
            trained=(column.minimum, column.maximum),
            optional=True,
            default=column.missing,
            nullable=True,
        )
    return InputField(
        column.name,
        BYTES,
        description=f"Trained on: {', '.join(column.values[:20])}",
        optional=True,
    )
