"""Train a monitor on a customer's table of normal operation, with the customer's own columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.adaptation import Adaptation, ProgressCallback, Score
from models.monitoring.arrays import StoredArray
from models.monitoring.data import MonitorData, build_data, infer_monitor_schema
from models.monitoring.detection import Detection, estimate_false_alarms, evaluate_detection
from models.monitoring.fitting import FittedMonitor, fit_monitor
from models.monitoring.shares import LEVEL, Share
from models.monitoring.variant import VERSION, MonitorDocument, load, render
from models.onnx_graph import ExportMismatch
from models.sentences import Sentence, describe_verdict, sentence
from models.tables.schema import SchemaRequest

DEFAULT_RATE = 0.02
# The relative difference between the scores of the fit and of the float32 artefact.
_EXPORT_TOLERANCE = 0.02
_CHECKED_WINDOWS = 100


@dataclass(frozen=True, slots=True)
class MonitorAdapter:
    """The training function of a monitor, with the schema that was confirmed."""

    schema: SchemaRequest = field(default_factory=SchemaRequest)

    def __call__(self, training_file: bytes, progress: ProgressCallback) -> Adaptation:
        """Train on a file: CSV, Excel or JSON lines. Raises TrainingFileInvalid."""
        data = build_data(infer_monitor_schema(training_file, self.schema), self.schema)
        rate = self.schema.false_alarms or DEFAULT_RATE
        for told in describe_data(data):
            progress(told)

        def report(number: int, of: int) -> None:
            """Report the evaluated folds."""
            progress(sentence("Evaluated fold {number} of {of}.", number=number, of=of))

        fitted = fit_monitor(data, self.schema.window, rate, report)
        artefact = render(build_document(data, fitted, rate))
        _require_same_scores(artefact, data, fitted)
        progress(describe_false_alarms(estimate_false_alarms(fitted, rate), fitted, rate))
        detection = evaluate_detection(data, fitted, rate)
        progress(describe_detection(detection, rate))
        what = "simulated faults" if detection.is_simulated else "fault rows"
        score = Score(
            f"{what} detected at {rate:.2%} false alarms",
            detection.columns.value,
            detection.monitor.value,
            higher_is_better=True,
            improvement=(detection.difference.low, detection.difference.high),
        )
        return Adaptation(artefact, score, data.normal_count, len(fitted.ratios))


def describe_data(data: MonitorData) -> Sequence[Sentence]:
    """Return sentences on the rows that the training uses."""
    count = len(np.unique(data.series))
    read = sentence(
        "Read {rows} rows{machines}, {normal} of normal operation, with the inputs {inputs}.",
        rows=len(data.readings),
        machines=sentence(" of {count} machines", count=count) if count > 1 else "",
        normal=data.normal_count,
        inputs=", ".join(data.inputs.names),
    )
    return [read, *data.notes]


def describe_false_alarms(found: Share, fitted: FittedMonitor, rate: float) -> Sentence:
    """Return the sentence on the false alarms in held-out rows."""
    advice = ""
    if found.low > rate:
        advice = sentence(
            " This is more than asked for: normal operation differs between the held-out parts. "
            "Add rows from other days, products and machines."
        )
    return sentence(
        "On normal rows held out {held_out}, {share:.2%} raise an alarm ({level:.0%} interval "
        "{low:.2%} to {high:.2%}); {rate:.2%} were asked for. Means of up to {steps} steps are "
        "used.{advice}",
        held_out=sentence(fitted.plan.description),
        share=found.value,
        level=LEVEL,
        low=found.low,
        high=found.high,
        rate=rate,
        steps=fitted.scales[-1],
        advice=advice,
    )


def describe_detection(found: Detection, rate: float) -> Sentence:
    """Return the sentence on the faults that are found, next to limits on single columns."""
    what = (
        sentence(
            "simulated faults (one column off by two standard deviations, {count} windows)",
            count=found.of,
        )
        if found.is_simulated
        else sentence("{count} fault rows", count=found.of)
    )
    return sentence(
        "Of {what}, {share:.1%} are detected ({level:.0%} interval {low:.1%} to {high:.1%}). "
        "Limits on each column by itself detect {limits:.1%} at the same rate: the model is "
        "{verdict} that.",
        what=what,
        share=found.monitor.value,
        level=LEVEL,
        low=found.monitor.low,
        high=found.monitor.high,
        limits=found.columns.value,
        verdict=describe_verdict(found.difference.low > 0, found.difference.high < 0),
    )


def build_document(data: MonitorData, fitted: FittedMonitor, rate: float) -> MonitorDocument:
    """Return the variant's content."""
    components = fitted.components
    return MonitorDocument(
        version=VERSION,
        inputs=data.inputs,
        time=data.time,
        rate=rate,
        centre=StoredArray.of(components.centre),
        spread=StoredArray.of(components.spread),
        loadings=StoredArray.of(components.loadings),
        variances=StoredArray.of(components.variances),
        scales=fitted.scales,
        weights=StoredArray.of(fitted.weights),
        terms=fitted.terms,
        tails=fitted.tails,
    )


def _require_same_scores(artefact: bytes, data: MonitorData, fitted: FittedMonitor) -> None:
    """Raise ExportMismatch if the artefact does not score rows as the fit does."""
    rows = data.readings[data.is_normal][:_CHECKED_WINDOWS, np.newaxis]
    loaded = load(artefact)
    expected = fitted.measure(fitted.components.scores(rows)).max(axis=1)
    variant_scores = loaded.components.scores(rows)
    found = loaded.measure(variant_scores).max(axis=1)
    if np.max(np.abs(found - expected) / (1.0 + expected)) > _EXPORT_TOLERANCE:
        raise ExportMismatch("The exported monitor gives other scores than the fitted one.")
