"""Variant artefact of a monitor: render and load it, and run it on the last steps of machines."""

from dataclasses import dataclass

import msgspec
import numpy as np

from models.monitoring.arrays import StoredArray
from models.monitoring.components import Components, Floats
from models.monitoring.inputs import MonitoredInputs
from models.monitoring.statistics import (
    Term,
    measure_terms,
    scale_ratios,
    strongest_terms,
    term_parts,
    term_weights,
)
from models.monitoring.tails import Tail
from models.own_artefact import VariantBroken, decode_document
from models.series.calls import MAX_STEPS, TimeColumn, check_series, input_fields
from models.signature import BYTES, Columns, InputField, OutputField, Signature
from models.tabular.answers import REASON_COUNT, answer_outside

VERSION = 1


class MonitorDocument(msgspec.Struct, frozen=True):
    """The content of a variant.

    rate: the share of false alarms that the limits are for. centre, spread, loadings, variances: of
    the components. scales, weights, terms: see statistics.py. tails: the distribution of the score
    in normal operation, by the largest scale that there are steps for.
    """

    version: int
    inputs: MonitoredInputs
    time: TimeColumn | None
    rate: float
    centre: StoredArray
    spread: StoredArray
    loadings: StoredArray
    variances: StoredArray
    scales: tuple[int, ...]
    weights: StoredArray
    terms: tuple[Term, ...]
    tails: tuple[Tail, ...]


@dataclass(frozen=True, slots=True)
class MonitorVariant:
    """A loaded artefact. limits: of the scores, by scale."""

    document: MonitorDocument
    components: Components
    weights: Floats
    limits: tuple[float, ...]
    signature: Signature

    def check(self, columns: Columns) -> None:
        """Validate across columns what the signature cannot express. Raises InputInvalid."""
        document = self.document
        check_series(columns, document.inputs.numbers, document.time, document.scales[-1])

    @property
    def decider(self) -> None:
        """None: the limit follows from the rate of false alarms, not from costs."""

    def count_inputs(self, columns: Columns, results: Columns) -> None:
        """Return None: a distance from normal operation is what this model reports itself."""

    def run(self, columns: Columns) -> Columns:
        """Run the monitor on columns of the signature; return one array for each output.

        Only the last steps count, as many as the longest mean has. With fewer ones, shorter means
        are used, with limits of their own.
        """
        document = self.document
        given = {
            name: columns[name][:, -document.scales[-1] :] for name in document.inputs.all_names
        }
        scores = self.components.scores(document.inputs.encode(given))
        measured = self.measure(scores)
        scale = max(at for at, steps in enumerate(document.scales) if steps <= scores.shape[1])
        ratios = scale_ratios(measured, document.terms, len(document.scales))[:, scale]
        distance = np.sqrt(ratios)
        return {
            "score": (distance / self.limits[scale]).astype(np.float32),
            "is_anomaly": distance > self.limits[scale],
            "p_value": document.tails[scale].exceeded(distance).astype(np.float32),
            **self._reasons(scores, measured),
            "outside": answer_outside(document.inputs.outside(given), document.inputs.all_names),
        }

    def measure(self, scores: Floats) -> Floats:
        """Return the statistics of windows, [rows, steps, components], in their units."""
        document = self.document
        return measure_terms(scores, document.scales, self.weights, document.terms)

    def _reasons(self, scores: Floats, measured: Floats) -> Columns:
        """Return the columns that the largest statistic comes from, their shares and deviations."""
        document = self.document
        shares, deviations = self._explain(scores, measured)
        order = np.argsort(-shares, axis=1, kind="stable")[:, :REASON_COUNT]
        names = np.array(document.inputs.names, dtype=object)
        return {
            "reasons": names[order],
            "contributions": np.take_along_axis(shares, order, axis=1).astype(np.float32),
            "deviations": np.take_along_axis(deviations, order, axis=1).astype(np.float32),
        }

    def _explain(self, scores: Floats, measured: Floats) -> tuple[Floats, Floats]:
        """Return the columns' shares and deviations, [rows, columns].

        The share is the reconstruction-based contribution (Alcala and Qin 2009): what the statistic
        would lose if the column had the value that the others suggest; the deviation is the
        distance from that value in standard deviations.
        """
        features = len(self.components.centre)
        gains, deviations = np.zeros((len(scores), features)), np.zeros((len(scores), features))
        chosen = strongest_terms(measured)
        for position in np.unique(chosen):
            term, rows = self.document.terms[position], np.flatnonzero(chosen == position)
            weights = term_weights(self.weights, term)
            loadings = self.components.loadings[:, term.start : term.stop]
            metric = np.maximum((loadings**2) @ weights, 1e-9)
            parts = term_parts(scores[rows], self.document.scales[term.scale], term)
            pulls = (parts * weights) @ loadings.T
            sizes = np.sqrt((pulls**2).mean(axis=1))
            gains[rows] = sizes**2 / metric
            deviations[rows] = np.where(pulls.sum(axis=1) < 0, -sizes, sizes) / metric
        return self._by_column(gains, deviations)

    def _by_column(self, gains: Floats, deviations: Floats) -> tuple[Floats, Floats]:
        """Return the shares of columns, and the deviation of each one's strongest feature."""
        owners = np.array(self.document.inputs.owners)
        columns = range(len(self.document.inputs.names))
        shares, strongest = (np.zeros((len(gains), len(columns))) for _ in range(2))
        for column in columns:
            features = np.flatnonzero(owners == column)
            if len(features):
                shares[:, column] = gains[:, features].sum(axis=1)
                best = features[gains[:, features].argmax(axis=1)]
                strongest[:, column] = deviations[np.arange(len(gains)), best]
        total = np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
        return shares / total, strongest


def render(document: MonitorDocument) -> bytes:
    """Render a variant's artefact."""
    return msgspec.msgpack.encode(document)


def load(artefact: bytes) -> MonitorVariant:
    """Load a variant from its artefact. Raises VariantBroken."""
    document = decode_document(artefact, MonitorDocument, VERSION)
    try:
        components = Components(
            document.centre.values,
            document.spread.values,
            document.loadings.values,
            document.variances.values,
        )
        weights = document.weights.values
    except ValueError as error:
        raise VariantBroken("The variant's arrays are incomplete.") from error
    limits = tuple(tail.limit(document.rate) for tail in document.tails)
    return MonitorVariant(document, components, weights, limits, build_signature(document))


def build_signature(document: MonitorDocument) -> Signature:
    """Return the inputs and outputs of a variant."""
    numbers = (*document.inputs.numbers, *document.inputs.constants)
    fields = input_fields(numbers, document.time, 1)
    categories = tuple(
        InputField(
            one.name,
            BYTES,
            description=f"The last values, oldest first; trained on: {', '.join(one.values[:20])}",
            length=(1, MAX_STEPS),
            optional=True,
        )
        for one in document.inputs.categories
    )
    # The time before the categories: the first series of texts orders the rows of a table.
    return Signature((*fields, *categories), _outputs(document.rate), str(VERSION))


def _outputs(rate: float) -> tuple[OutputField, ...]:
    """Return the outputs, which are those of the last step."""
    share = f"{rate:.2%}".replace(".00", "")
    return (
        OutputField("score", "FP32", "1", "Distance from normal operation; an anomaly is above 1"),
        OutputField("is_anomaly", "BOOL", None, f"At a limit for {share} of false alarms"),
        OutputField(
            "p_value", "FP32", "1", "Share of normal rows with such a score or a higher one"
        ),
        OutputField("reasons", BYTES, None, "The columns that the score comes from", series=True),
        OutputField("contributions", "FP32", "1", "The share of each in the score", series=True),
        OutputField(
            "deviations",
            "FP32",
            "1",
            "Standard deviations above (+) or below (-) what the other columns suggest",
            series=True,
        ),
        OutputField(
            "outside",
            BYTES,
            None,
            "Inputs beyond their range in training, separated by semicolons",
        ),
    )
