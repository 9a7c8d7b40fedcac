"""Fitting a variant on a customer's normal hours; there is no base model that it could start from.

Owns what is held out and what is told. Does not own the file's form (hours.py), what is learned
(fitting.py) nor the artefact (variant.py).

The last fifth of the normal rows, in the file's order, is held out to count false alarms; then all
of them are fitted on. Anomalous stretches are never learned from.
"""

from collections.abc import Sequence

import numpy as np

from models.adaptation import Adaptation, Progress, Score, TrainingFileInvalid
from models.anomaly.detector import Detector, Flags, Floats
from models.anomaly.fitting import HoursInvalid, Settings, fit
from models.anomaly.hours import Hours, read
from models.anomaly.variant import render

# One part of so many is held out.
PARTS = 5
# More false alarms than this, in %, and the customer is told what to do.
OFTEN = 5.0
METRIC = "false alarms in held-out normal hours, % of steps"


def adapt(training_file: bytes, progress: Progress) -> Adaptation:
    """Learn from a training file in JSON lines, each a stretch of hours:

        {"sensors": {"pressure": [5.1, 5.0], "flow": [61, 60]}, "units": {"pressure": "bar"},
         "label": "normal"}

    `units` and `label` may be left out. Raises TrainingFileInvalid, naming the line and the sensor.
    """
    settings = Settings()
    hours = read(training_file, settings.shortest)
    rows = sum(map(len, hours.normal))
    _require_rows(rows, settings.rows_needed(len(hours.sensors)), len(hours.sensors))
    progress(
        f"Read {rows} rows of normal hours from {len(hours.sensors)} sensors, and "
        f"{sum(map(len, hours.anomalous))} of anomalous hours."
    )
    held_out = rows // PARTS
    rate = _held_out_rate(hours, rows - held_out, settings, progress)
    detector = _fitted(hours.normal, hours.sensors, settings, "In all")
    progress(f"Fitted again, on all {rows} rows of normal hours. {_on_slow_sensors(detector)}")
    artefact = render(detector, hours.units, hours.normal)
    return Adaptation(artefact, Score(METRIC, None, rate, False), rows, held_out)


def _held_out_rate(hours: Hours, learned: int, settings: Settings, progress: Progress) -> float:
    """False alarms in % where the first `learned` normal rows are fitted on."""
    starts = _starts([len(one) for one in hours.normal], learned)
    heads = [one[:start] for one, start in zip(hours.normal, starts, strict=True) if start]
    detector = _fitted(heads, hours.sensors, settings, "In the first four fifths")
    pairs = zip(hours.normal, starts, strict=True)
    # A stretch that is cut is run through whole: its state is what the machine's would be.
    alarms = [_alarms(detector, one)[start:] for one, start in pairs if start < len(one)]
    rate = _percent(alarms)
    progress(f"In the last fifth of the normal rows, held out, {rate:.1f} % raised an alarm.")
    if rate > OFTEN:
        progress("That is often. More hours, of all that is normal for this machine, would help.")
    if hours.anomalous:
        missed = _percent([~_alarms(detector, one) for one in hours.anomalous])
        progress(f"Of the anomalous rows, {missed:.1f} % raised none.")
    else:
        progress("There are no anomalous hours to tell how many it misses.")
    return rate


def _starts(lengths: Sequence[int], learned: int) -> list[int]:
    """In each stretch, where the held-out rows begin."""
    starts = []
    for length in lengths:
        starts.append(min(length, learned))
        learned -= starts[-1]
    return starts


def _alarms(detector: Detector, readings: Floats) -> Flags:
    verdict, _ = detector.run(readings[np.newaxis])
    return verdict.alarm.reshape(-1)


def _percent(flags: Sequence[Flags]) -> float:
    return round(100.0 * float(np.concatenate(flags).mean()), 2)


def _fitted(
    stretches: Sequence[Floats], sensors: Sequence[str], settings: Settings, where: str
) -> Detector:
    try:
        return fit(stretches, sensors, settings)
    except HoursInvalid as error:
        raise TrainingFileInvalid(f"{where} of the normal rows: {error}") from error


def _require_rows(rows: int, needed: int, sensors: int) -> None:
    """`needed` are those that remain to be fitted on where a part is held out."""
    least = -(-needed * PARTS // (PARTS - 1))
    if rows < least:
        raise TrainingFileInvalid(
            f"{rows} rows of normal hours are too few: {sensors} sensors take at least {least}."
        )


def _on_slow_sensors(detector: Detector) -> str:
    names = [name for name, slow in zip(detector.sensors, detector.slow, strict=True) if slow]
    if not names:
        return "No sensor drifts."
    return f"These drift, and are told by their changes only: {', '.join(names)}."
