"""Variant artefact of remaining life: load it, and run it on series."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.decisions.decider import WIDENING, Decider, decision_outputs
from models.drift.reference import Counts
from models.own_artefact import decode_document
from models.series.calls import check_series, input_fields, outside_flags, stack_readings
from models.series.life.document import VERSION, LifeDocument
from models.series.life.prediction import LifePredictor, PredictedLives
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
from models.tabular.intervals import DEFAULT_LEVEL
from models.tabular.tree_session import open_trees


@dataclass(frozen=True, slots=True)
class LifeVariant:
    """A loaded artefact."""

    document: LifeDocument
    predictor: LifePredictor
    signature: Signature

    @property
    def session(self) -> Any:
        """The trees of the last steps."""
        return self.predictor.session

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
        found = self.predictor.predict(columns)
        return {
            **self._bounds(found, columns),
            **answer_reasons(self._contributions(found), self._names),
            "outside": answer_outside(self._outside(found), self._names),
        }

    def count_inputs(self, columns: Columns, results: Columns) -> Counts | None:
        """Return how many rows of a call fall into each slot of the reference."""
        document = self.document
        if document.reference is None:
            return None
        width = document.recipe.windows[1]
        readings = stack_readings(columns, document.columns, width)
        end = np.array([readings.shape[1]])
        means = np.vstack([CumulativeSums(one).means(end, width) for one in readings])
        names = [column.name for column in document.columns]
        inputs = dict(zip(names, means.T, strict=True))
        return document.reference.count(inputs, results["value"])

    @property
    def _names(self) -> tuple[str, ...]:
        """The columns that reasons name: with the time where ages are known."""
        names = tuple(column.name for column in self.document.columns)
        time = self.document.time
        return (*names, time.name) if self.document.complete and time else names

    def _contributions(self, found: PredictedLives) -> Floats:
        """Return what each of the named columns adds, [rows, names]."""
        return found.contributions[:, : len(self._names)]

    def _outside(self, found: PredictedLives) -> np.ndarray:
        """Return which of the named columns lie outside the trained range, [rows, names]."""
        document = self.document
        centre, spread = np.array(document.recipe.centre), np.array(document.recipe.spread)
        flags = outside_flags(found.means * spread + centre, document.columns)
        if document.complete is None:
            return flags
        is_older = found.ages > document.complete.start.oldest
        return np.hstack([flags, is_older[:, np.newaxis]])

    def _bounds(self, found: PredictedLives, columns: Columns) -> Columns:
        """Return lives with intervals, and by what these are widened.

        The upper bound of a capped life is the longest one.
        """
        document, life = self.document, found.life
        level = np.asarray(columns.get(LEVEL, np.full(len(life), DEFAULT_LEVEL)), dtype=float)
        widening = np.ones(len(life))
        if document.distance is not None:
            widening = document.distance.widening(found.means, life)
        if document.complete is not None:
            other = document.complete.other_widening
            widening = widening * np.where(np.isfinite(found.ages), 1.0, other)
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


def load(artefact: bytes) -> LifeVariant:
    """Load a variant from its artefact. Raises VariantBroken."""
    document = decode_document(artefact, LifeDocument, VERSION)
    complete = None if document.complete is None else open_trees(document.complete.trees)
    predictor = LifePredictor(document, open_trees(document.trees), complete)
    return LifeVariant(document, predictor, build_signature(document))


def build_signature(document: LifeDocument) -> Signature:
    """Return the inputs and outputs of a variant."""
    steps = document.recipe.min_steps
    if document.complete is None:
        inputs = input_fields(document.columns, document.time, steps)
    else:
        use = (
            f"which tell the age if they begin with the machine, at {document.complete.start.new:g}"
        )
        inputs = input_fields(document.columns, document.time, steps, use)
    outputs = number_outputs(document.target, document.unit)
    decided = decision_outputs(document.decider)
    return Signature((*inputs, level_field()), (*outputs, *decided), str(VERSION))
