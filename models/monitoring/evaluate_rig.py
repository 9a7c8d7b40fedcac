"""When a monitor raises false alarms on the water circulation rig (SKAB). **For metrics only.**

The rig drifts, and after an anomaly it is not as it was before, though its rows are labelled
normal. So the rows before and after the anomaly are counted apart, and those of the run without an
anomaly by how long after the training rows they are.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.anomaly import data as skab
from models.monitoring.components import Floats
from models.monitoring.trained_calls import call_rows, train_variant

# Parts of the run without an anomaly that are trained on, and the rows that follow soon.
FREE_PARTS = ((0, 4_000), (2_000, 6_000), (0, 7_000))
SOON = 1_500
DIGITS = 3


def rig_figures(directory: Path, rate: float, trained_rows: int) -> dict[str, Any]:
    """Return the shares of false alarms, ready for JSON. Raises TrainingDataMissing."""
    data = skab.load(directory)
    before, after = [], []
    for one in data.experiments:
        variant = train_variant([one.readings[:trained_rows]], rate, None)
        alarms = call_rows(variant, one.readings, trained_rows)
        anomalous = one.anomalous[trained_rows:]
        first = int(anomalous.argmax())
        rows = np.arange(len(anomalous))
        before.append(alarms[~anomalous & (rows < first)])
        after.append(alarms[~anomalous & (rows > first)])
    return {
        "before_the_anomaly": _share(before),
        "after_the_anomaly": _share(after),
        "without_an_anomaly": _free_run(data.anomaly_free, rate),
    }


def _free_run(run: Floats, rate: float) -> dict[str, float]:
    """Return the shares of false alarms soon after the training rows, and later."""
    soon, later = [], []
    for start, stop in FREE_PARTS:
        alarms = call_rows(train_variant([run[start:stop]], rate, None), run, stop)
        soon.append(alarms[:SOON])
        later.append(alarms[SOON:])
    return {f"next_{SOON}_rows": _share(soon), "later": _share(later)}


def _share(parts: Sequence[np.ndarray]) -> float:
    """Return the share of alarms in all parts."""
    return round(float(np.concatenate(parts).mean()), DIGITS)
