"""Fit an anomaly detector variant on a customer's normal operation; there is no base model.

The last fifth of the normal rows, in the order of the file, is held out to measure false alarms;
the variant is then refitted on all normal rows. Anomalous stretches are never fitted on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.adaptation import Adaptation, ProgressCallback, Score, TrainingFileInvalid
from models.anomaly.detector import Detector, Flags, Floats
from models.anomaly.fitting import HoursInvalid, fit
from models.anomaly.settings import HELD_OUT_DIVISOR, Settings
from models.anomaly.training_file import TrainingHours, held_out_starts, read_hours
from models.anomaly.variant import SENSITIVITY, render
from models.sentences import Sentence, listing, sentence

# False alarm rate in % above which the customer is advised to add data.
HIGH_FALSE_ALARM_PERCENT = 5.0
METRIC = "false alarms in held-out normal operation, % of steps"
# Further call sensitivities for which the held-out false alarm rate is reported.
REPORTED_SENSITIVITIES = (0.7, 1.5, 2.0)


@dataclass(frozen=True, slots=True)
class AnomalyAdapter:
    """Fine-tuning function with a sensitivity, the divisor of the alarm limit."""

    sensitivity: float = 1.0

    def __call__(self, training_file: bytes, progress: ProgressCallback) -> Adaptation:
        """Fit a variant on a training file. Raises TrainingFileInvalid."""
        return adapt(training_file, progress, Settings(sensitivity=self.sensitivity))


def adapt(
    training_file: bytes, progress: ProgressCallback, settings: Settings | None = None
) -> Adaptation:
    """Fit a variant on a training file in JSON lines, one gapless stretch of rows per line.

        {"sensors": {"pressure": [5.1, 5.0], "flow": [61, 60]}, "units": {"pressure": "bar"},
         "label": "normal"}

    `units` and `label` are optional. Raises TrainingFileInvalid with all problems, each with its
    line and sensor.
    """
    settings = settings or Settings()
    hours = read_hours(training_file, settings)
    rows = sum(map(len, hours.normal))
    progress(
        sentence(
            "Read {rows} rows of normal operation from {count} sensors and "
            "{anomalous} rows of anomalous operation.",
            rows=rows,
            count=len(hours.sensors),
            anomalous=sum(map(len, hours.anomalous)),
        )
    )
    held_out = rows // HELD_OUT_DIVISOR
    rate = _held_out_false_alarms(hours, rows - held_out, settings, progress)
    detector = _fit_or_reject(hours.normal, hours.sensors, settings, sentence("In all normal rows"))
    progress(
        sentence(
            "Refitted on all {rows} rows of normal operation. {drifting}",
            rows=rows,
            drifting=_describe_drifting_sensors(detector),
        )
    )
    artefact = render(detector, hours.units, hours.normal, settings.sensitivity)
    return Adaptation(artefact, Score(METRIC, None, rate, False), rows, held_out)


def _held_out_false_alarms(
    hours: TrainingHours, training_rows: int, settings: Settings, progress: ProgressCallback
) -> float:
    """Fit on the first `training_rows` normal rows; return the others' false alarm rate in %."""
    starts = held_out_starts([len(stretch) for stretch in hours.normal], training_rows)
    training_parts = [
        stretch[:start] for stretch, start in zip(hours.normal, starts, strict=True) if start
    ]
    detector = _fit_or_reject(
        training_parts,
        hours.sensors,
        settings,
        sentence("In the first four fifths of the normal rows"),
    )
    pairs = zip(hours.normal, starts, strict=True)
    # A stretch that is split is run from its start, so that the held-out part begins with the state
    # that the machine would have in operation.
    scores = [
        _scores(detector, stretch)[start:] for stretch, start in pairs if start < len(stretch)
    ]
    rate = _percent([stretch > 1.0 for stretch in scores])
    other_rates = [
        sentence(
            "{share:.1f} % at {sensitivity:g}",
            share=_percent([stretch * sensitivity > 1.0 for stretch in scores]),
            sensitivity=sensitivity,
        )
        for sensitivity in REPORTED_SENSITIVITIES
    ]
    progress(
        sentence(
            "In the last fifth of the normal rows (held out), {rate:.1f} % raised "
            "an alarm; with another `{sensitivity}` it would be {others}.",
            rate=rate,
            sensitivity=SENSITIVITY,
            others=listing(other_rates),
        )
    )
    if rate > HIGH_FALSE_ALARM_PERCENT:
        progress(
            sentence(
                "This rate is high. Add more data that covers all normal operation of this machine."
            )
        )
    if hours.anomalous:
        missed = _percent([_scores(detector, stretch) <= 1.0 for stretch in hours.anomalous])
        progress(sentence("{missed:.1f} % of the anomalous rows raised no alarm.", missed=missed))
    else:
        progress(
            sentence("There are no anomalous rows, so the share of missed anomalies is unknown.")
        )
    return rate


def _scores(detector: Detector, readings: Floats) -> Floats:
    """Return the anomaly score of each row of one stretch, [rows]."""
    result, _ = detector.run(readings[np.newaxis])
    return result.score.reshape(-1)


def _percent(flags: Sequence[Flags]) -> float:
    """Return the share of true flags over all stretches, in %."""
    return round(100.0 * float(np.concatenate(flags).mean()), 2)


def _fit_or_reject(
    stretches: Sequence[Floats], sensors: Sequence[str], settings: Settings, where: Sentence
) -> Detector:
    """Fit a detector. Raises TrainingFileInvalid if the rows cannot be fitted on."""
    try:
        return fit(stretches, sensors, settings)
    except HoursInvalid as error:
        raise TrainingFileInvalid(sentence("{where}: {error}", where=where, error=error)) from error


def _describe_drifting_sensors(detector: Detector) -> Sentence:
    """Return the progress message on drifting sensors."""
    names = [name for name, slow in zip(detector.sensors, detector.slow, strict=True) if slow]
    if not names:
        return sentence("No sensor drifts.")
    return sentence(
        "These sensors drift, so only their changes are used: {names}.", names=listing(names)
    )
