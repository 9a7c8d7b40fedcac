"""Variant artefact of a model of rows: render and load it, and run it on columns of tensors.

The trees are an ONNX graph of contributions (models/contributing_trees.py); calibration, intervals,
reasons in the customer's column names and the check of the trained ranges are computed here.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.signature import BYTES, Columns, InputField, OutputField, Signature
from models.tabular.data import Floats, Goal
from models.tabular.encoding import NumberEncoding, RowEncoding
from models.tabular.intervals import DEFAULT_LEVEL, LEVELS, IntervalTable

VERSION = 1
LEVEL = "level"
FEATURES, CONTRIBUTIONS = "features", "contributions"
REASON_COUNT = 3
_SEPARATOR = "; "


class VariantBroken(ValueError):
    """Bytes that are not a variant of this version."""


class TabularDocument(msgspec.Struct, frozen=True):
    """The content of a variant.

    base: raw score of each class (one for numbers and two classes) before any split. slope, shifts:
    calibration of class scores. intervals: of numbers. trees: the ONNX graph, [batch, features] to
    [batch, scores × features].
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


@dataclass(frozen=True, slots=True)
class TabularVariant:
    """A loaded artefact."""

    document: TabularDocument
    session: Any
    signature: Signature

    def run(self, columns: Columns) -> Columns:
        """Run the model on columns of the signature; return one array for each output."""
        document = self.document
        inputs = {column.name: columns[column.name] for column in document.encoding.columns}
        features = document.encoding.encode(inputs)
        (flat,) = self.session.run([CONTRIBUTIONS], {FEATURES: features})
        # [rows, scores, features]
        contributions = np.asarray(flat, dtype=np.float64).reshape(
            len(features), len(document.base), -1
        )
        scores = contributions.sum(axis=2) + np.array(document.base)
        outside = self._outside_names(inputs)
        if document.goal is Goal.CLASS:
            return {**self._classify(scores, contributions), "outside": outside}
        return {**self._predict(scores[:, 0], contributions, columns), "outside": outside}

    def _classify(self, scores: Floats, contributions: Floats) -> Columns:
        """Return class, calibrated probabilities and reasons."""
        document = self.document
        if scores.shape[1] == 1:
            scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
        probabilities = _softmax(document.slope * scores + np.array(document.shifts))
        best = probabilities.argmax(axis=1)
        rows = np.arange(len(best))
        # Of two classes there is one score, which speaks for the second class.
        if contributions.shape[1] == 1:
            chosen = contributions[:, 0] * np.where(best == 1, 1.0, -1.0)[:, np.newaxis]
        else:
            chosen = contributions[rows, best]
        names = np.array(document.classes, dtype=object)
        return {
            "class": names[best],
            "probability": probabilities[rows, best].astype(np.float32),
            "probabilities": probabilities.astype(np.float32),
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
        """Return the columns with the largest contributions, and their contributions."""
        owners = np.array(self.document.encoding.owners)
        count = len(self.document.encoding.columns)
        by_column = np.zeros((len(by_feature), count))
        for column in range(count):
            by_column[:, column] = by_feature[:, owners == column].sum(axis=1)
        shown = min(REASON_COUNT, count)
        order = np.argsort(-np.abs(by_column), axis=1)[:, :shown]
        names = np.array([one.name for one in self.document.encoding.columns], dtype=object)
        return {
            "reasons": names[order],
            "contributions": np.take_along_axis(by_column, order, axis=1).astype(np.float32),
        }

    def _outside_names(self, inputs: Columns) -> NDArray[np.object_]:
        """Return the names of the inputs that training did not cover, one text per row."""
        names = [column.name for column in self.document.encoding.columns]
        flags = self.document.encoding.outside(inputs)
        return np.array(
            [_SEPARATOR.join(name for name, flag in zip(names, row, strict=True) if flag)
             for row in flags],
            dtype=object,
        )  # fmt: skip


def open_trees(trees: bytes) -> Any:
    """Open the graph of the trees on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # One memory arena for each of thousands of variants would take most of their memory.
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(trees, options, providers=["CPUExecutionProvider"])


def render(document: TabularDocument) -> bytes:
    """Render a variant's artefact."""
    return msgspec.msgpack.encode(document)


def load(artefact: bytes) -> TabularVariant:
    """Load a variant from its artefact. Raises VariantBroken."""
    try:
        document = msgspec.msgpack.decode(artefact, type=TabularDocument)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise VariantBroken(f"The artefact is not a fine-tuned model: {error}.") from error
    if document.version != VERSION:
        raise VariantBroken(f"The variant is of version {document.version}, not {VERSION}.")
    try:
        session = open_trees(document.trees)
    except Exception as error:  # ONNX Runtime raises several unrelated exception classes
        raise VariantBroken("The variant's trees cannot be loaded.") from error
    return TabularVariant(document, session, build_signature(document))


def build_signature(document: TabularDocument) -> Signature:
    """Return the inputs and outputs of a variant."""
    inputs = tuple(_input_field(column) for column in document.encoding.columns)
    outputs = _class_outputs(document) if document.goal is Goal.CLASS else _number_outputs(document)
    level = InputField(
        LEVEL,
        "FP32",
        "1",
        "Share of intervals that contain the true value",
        minimum=LEVELS[0],
        maximum=LEVELS[-1],
        optional=True,
        default=DEFAULT_LEVEL,
    )
    names = {field.name for field in inputs}
    settings = (level,) if document.goal is Goal.NUMBER and LEVEL not in names else ()
    return Signature((*inputs, *settings), outputs, str(VERSION))


def _input_field(column: Any) -> InputField:
    """Return the input of a column. It may be omitted: then its value is missing."""
    if isinstance(column, NumberEncoding):
        return InputField(
            column.name,
            "FP32",
            column.unit,
            trained=(column.minimum, column.maximum),
            optional=True,
            default=column.missing,
        )
    return InputField(
        column.name,
        BYTES,
        description=f"Trained on: {', '.join(column.values[:20])}",
        optional=True,
    )


def _class_outputs(document: TabularDocument) -> tuple[OutputField, ...]:
    """Return the outputs of a classifier."""
    classes = ", ".join(document.classes)
    return (
        OutputField("class", BYTES, description=f"The most likely {document.target}"),
        OutputField("probability", "FP32", "1", "Its calibrated probability"),
        OutputField("probabilities", "FP32", "1", f"Of each class: {classes}", series=True),
        *_shared_outputs("log-odds of the class", "1"),
    )


def _number_outputs(document: TabularDocument) -> tuple[OutputField, ...]:
    """Return the outputs of a regressor."""
    unit = document.unit
    return (
        OutputField("value", "FP32", unit, f"The expected {document.target}"),
        OutputField("lower", "FP32", unit, f"Lower bound at `{LEVEL}`"),
        OutputField("upper", "FP32", unit, f"Upper bound at `{LEVEL}`"),
        *_shared_outputs("value", unit),
    )


def _shared_outputs(of: str, unit: str | None) -> tuple[OutputField, ...]:
    """Return the outputs for reasons and for inputs outside the trained range."""
    return (
        OutputField("reasons", BYTES, None, "The inputs that moved it most", series=True),
        OutputField("contributions", "FP32", unit, f"What each adds to the {of}", series=True),
        OutputField(
            "outside",
            BYTES,
            None,
            "Inputs that training did not cover, separated by semicolons; then do not rely on it",
        ),
    )


def _softmax(logits: Floats) -> Floats:
    """Return the softmax over the classes of each row."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
