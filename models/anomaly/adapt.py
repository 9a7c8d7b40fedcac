"""Fitting a variant on a customer's normal hours; there is no base model that it could start from.

The last fifth of the normal rows, in the file's order, is held out to count false alarms; then all
of them are fitted on. Anomalous stretches are never learned from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.adaptation import Adaptation, Progress, Score, TrainingFileInvalid
from models.anomaly.detector import Detector, Flags, Floats
from models.anomaly.fitting import HoursInvalid, fit
from models.anomaly.hours import Hours, heads_of, read
from models.anomaly.settings import PARTS, Settings
from models.anomaly.variant import SENSITIVITY, render

# More false alarms than this, in %, and the customer is told what to do.
OFTEN = 5.0
METRIC = "false alarms in held-out normal hours, % of steps"
# Sensitivities of calls for which the held-out rows are counted too.
TOLD = (0.7, 1.5, 2.0)


@dataclass(frozen=True, slots=True)
class AnomalyAdapter:
    """Fits with the limit divided by `sensitivity`."""

    sensitivity: float = 1.0

    def __call__(self, training_file: bytes, progress: Progress) -> Adaptation:
        return adapt(training_file, progress, Settings(sensitivity=self.sensitivity))


def adapt(training_file: bytes, progress: Progress, settings: Settings | None = None) -> Adaptation:
    """Learn from a training file in JSON lines, each a stretch of hours:

        {"sensors": {"pressure": [5.1, 5.0], "flow": [61, 60]}, "units": {"pressure": "bar"},
         "label": "normal"}

    `units` and `label` may be left out. Raises TrainingFileInvalid with all problems, each with its
    line and sensor.
    """
    settings = settings or Settings()
    hours = read(training_file, settings)
    rows = sum(map(len, hours.normal))
    progress(
        f"Read {rows} rows of normal hours from {len(hours.sensors)} sensors, and "
        f"{sum(map(len, hours.anomalous))} of anomalous hours."
    )
    held_out = rows // PARTS
    rate = _held_out_rate(hours, rows - held_out, settings, progress)
    detector = _fitted(hours.normal, hours.sensors, settings, "In all")
    progress(f"Fitted again, on all {rows} rows of normal hours. {_on_slow_sensors(detector)}")
    artefact = render(detector, hours.units, hours.normal, settings.sensitivity)
    return Adaptation(artefact, Score(METRIC, None, rate, False), rows, held_out)


def _held_out_rate(hours: Hours, learned: int, settings: Settings, progress: Progress) -> float:
    """False alarms in % where the first `learned` normal rows are fitted on."""
    starts = heads_of([len(one) for one in hours.normal], learned)
    heads = [one[:start] for one, start in zip(hours.normal, starts, strict=True) if start]
    detector = _fitted(heads, hours.sensors, settings, "In the first four fifths")
    pairs = zip(hours.normal, starts, strict=True)
    # A stretch that is cut is run through whole: its state is what the machine's would be.
    scores = [_scores(detector, one)[start:] for one, start in pairs if start < len(one)]
    rate = _percent([one > 1.0 for one in scores])
    others = (f"{_percent([one * by > 1.0 for one in scores]):.1f} % at {by:g}" for by in TOLD)
    progress(
        f"In the last fifth of the normal rows, held out, {rate:.1f} % raised an alarm; called "
        f"with another `{SENSITIVITY}` it would be {', '.join(others)}."
    )
    if rate > OFTEN:
        progress("That is often. More hours, of all that is normal for this machine, would help.")
    if hours.anomalous:
        missed = _percent([_scores(detector, one) <= 1.0 for one in hours.anomalous])
        progress(f"Of the anomalous rows, {missed:.1f} % raised none.")
    else:
        progress("There are no anomalous hours to tell how many it misses.")
    return rate


def _scores(detector: Detector, readings: Floats) -> Floats:
    verdict, _ = detector.run(readings[np.newaxis])
    return verdict.score.reshape(-1)


def _percent(flags: Sequence[Flags]) -> float:
    return round(100.0 * float(np.concatenate(flags).mean()), 2)


def _fitted(
    stretches: Sequence[Floats], sensors: Sequence[str], settings: Settings, where: str
) -> Detector:
    try:
        return fit(stretches, sensors, settings)
    except HoursInvalid as error:
        raise TrainingFileInvalid(f"{where} of the normal rows: {error}") from error


def _on_slow_sensors(detector: Detector) -> str:
    names = [name for name, slow in zip(detector.sensors, detector.slow, strict=True) if slow]
    if not names:
        return "No sensor drifts."
    return f"These drift, and are told by their changes only: {', '.join(names)}."
