"""Measure false alarms and detection by the number of normal rows a detector is fitted on.

Measured on random sensors and windows of SKAB's anomaly-free run, on SKAB's experiments, and on two
single-sensor series of NAB with labelled anomaly windows. The minimum number of rows in settings.py
is chosen by these metrics. **Use the data for tests and metrics only.**
"""

import csv
import gzip
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.anomaly.data import Dataset, Experiment
from models.anomaly.detector import Flags, Floats
from models.anomaly.fitting import fit_unchecked
from models.anomaly.settings import Settings
from models.training_data import read_training_set

ROWS = (60, 100, 150, 200, 250, 400, 800, 1600)
SENSORS = (1, 2, 4, 8)
DRAWS = 60
SEED = 7
EVALUATED_ROWS = 1200
# Injected anomaly: one sensor is shifted by this many standard deviations for this many steps.
SHIFT_DEVIATIONS, SHIFT_STEPS = 3.0, 60
EXPERIMENT_ROWS = 400
NAB_SERIES = ("machine_temperature_system_failure", "ambient_temperature_system_failure")
_ROWS_BEFORE_SHIFT, _ROWS_AFTER_SHIFT = 300, 40
_STARTS = 40


@dataclass(frozen=True, slots=True)
class LabelledSeries:
    """A single-sensor series, [rows, 1], and its labelled anomaly windows as (first, last) rows."""

    readings: Floats
    windows: tuple[tuple[int, int], ...]

    @property
    def anomalous(self) -> Flags:
        """Whether each row is in an anomaly window, [rows]."""
        flags = np.zeros(len(self.readings), dtype=np.bool_)
        for first, last in self.windows:
            flags[first : last + 1] = True
        return flags


def measure_by_row_count(dataset: Dataset, directory: Path) -> dict[str, Any]:
    """Return detection and false alarm rates by data set and number of fitted rows, for JSON."""
    return {
        "skab_anomaly_free": {
            f"{sensors} sensors": {
                str(rows): _rates_without_anomaly(dataset.anomaly_free, sensors, rows)
                for rows in ROWS
            }
            for sensors in SENSORS
        },
        "skab_experiments_8_sensors": {
            str(rows): _rates_of_experiments(dataset.experiments, rows)
            for rows in ROWS
            if rows <= EXPERIMENT_ROWS
        },
        **{
            f"nab_{name}": {
                str(rows): _rates_of_series(load_nab_series(directory, name), rows) for rows in ROWS
            }
            for name in NAB_SERIES
        },
    }


def load_nab_series(directory: Path, name: str) -> LabelledSeries:
    """Load one of NAB's series. Raises TrainingDataMissing."""
    compressed = read_training_set(directory, Path("nab", f"{name}.csv.gz"), "NAB's file")
    text = io.StringIO(gzip.decompress(compressed).decode())
    rows = list(csv.DictReader(text))
    times = [row["timestamp"] for row in rows]
    windows_by_file = json.loads(
        read_training_set(directory, Path("nab", "combined_windows.json"), "NAB's windows")
    )
    window_times = next(value for key, value in windows_by_file.items() if name in key)
    windows = tuple(tuple(_row_at_time(times, time) for time in pair) for pair in window_times)
    readings = np.array([[float(row["value"])] for row in rows])
    return LabelledSeries(readings, windows)  # type: ignore[arg-type]


def _row_at_time(times: Sequence[str], time: str) -> int:
    """Return the row with a timestamp, to the second."""
    return int(np.searchsorted(np.array(times), time[:19]))


def _rates_without_anomaly(anomaly_free: Floats, sensors: int, rows: int) -> dict[str, float]:
    """Return false alarm and shift detection rates on random windows of an anomaly-free run."""
    generator = np.random.default_rng([SEED, sensors, rows])
    alarms, detected = [], []
    for _ in range(DRAWS):
        columns = generator.choice(anomaly_free.shape[1], sensors, replace=False)
        start = int(generator.integers(0, len(anomaly_free) - rows - EVALUATED_ROWS + 1))
        stretch = anomaly_free[start : start + rows + EVALUATED_ROWS, columns]
        alarms.append(float(_alarms_after_fit(stretch, rows).mean()))
        shifted = stretch[: rows + _ROWS_BEFORE_SHIFT + SHIFT_STEPS + _ROWS_AFTER_SHIFT].copy()
        shift_start, sensor = rows + _ROWS_BEFORE_SHIFT, int(generator.integers(sensors))
        shifted[shift_start : shift_start + SHIFT_STEPS, sensor] += (
            SHIFT_DEVIATIONS * stretch[:rows, sensor].std()
        )
        detected.append(
            bool(
                _alarms_after_fit(shifted, rows)[
                    _ROWS_BEFORE_SHIFT : _ROWS_BEFORE_SHIFT + SHIFT_STEPS
                ].any()
            )
        )
    return {**_false_alarm_rates(alarms), "shift_found": round(float(np.mean(detected)), 2)}


def _rates_of_experiments(experiments: Sequence[Experiment], rows: int) -> dict[str, float]:
    """Return F1, false alarm and miss rates on SKAB's experiments after a fit on `rows` rows.

    A detector is fitted on the last `rows` of the first EXPERIMENT_ROWS rows of each experiment.
    """
    counts = np.zeros(4)
    for experiment in experiments:
        truth = experiment.anomalous[EXPERIMENT_ROWS:]
        alarm = _alarms_after_fit(experiment.readings[EXPERIMENT_ROWS - rows :], rows)
        counts += [(alarm & truth).sum(), (alarm & ~truth).sum(), (~alarm & truth).sum(), 0]
        counts[3] += (~alarm & ~truth).sum()
    true, false, missed, right = counts
    return {
        "f1": round(2 * true / (2 * true + false + missed), 3),
        "false_alarms": round(false / (false + right), 3),
        "misses": round(missed / (true + missed), 3),
    }


def _rates_of_series(series: LabelledSeries, row_count: int) -> dict[str, float]:
    """Return the false alarm and detection rates after a fit on `row_count` normal rows.

    The rates cover several detectors, each fitted at another position in the series.
    """
    alarms, detected = [], []
    truth = series.anomalous
    for start in _anomaly_free_starts(truth, row_count):
        alarm, flags = (
            _alarms_after_fit(series.readings[start:], row_count),
            truth[start + row_count :],
        )
        is_normal = ~flags[:EVALUATED_ROWS]
        alarms.append(float(alarm[:EVALUATED_ROWS][is_normal].mean()) if is_normal.any() else 0.0)
        later_windows = [pair for pair in series.windows if pair[0] >= start + row_count]
        detected += [
            bool(alarm[a - start - row_count : b - start - row_count + 1].any())
            for a, b in later_windows
        ]
    return {**_false_alarm_rates(alarms), "windows_found": round(float(np.mean(detected)), 2)}


def _anomaly_free_starts(truth: Flags, rows: int) -> Iterator[int]:
    """Yield evenly spaced starts of `rows` rows without an anomaly."""
    for start in range(0, len(truth) - rows - 1, max(1, len(truth) // _STARTS)):
        if not truth[start : start + rows].any():
            yield start


def _alarms_after_fit(stretch: Floats, rows: int) -> Flags:
    """Fit a detector on the first `rows` rows and return the alarms of the later rows."""
    names = [str(number) for number in range(stretch.shape[1])]
    scores, _ = fit_unchecked([stretch[:rows]], names, Settings()).run(stretch[np.newaxis])
    return scores.alarm[0, rows:]


def _false_alarm_rates(alarms: Sequence[float]) -> dict[str, float]:
    """Return the mean and the 90 % quantile of false alarm rates."""
    return {
        "false_alarms": round(float(np.mean(alarms)), 3),
        "one_in_ten_above": round(float(np.quantile(alarms, 0.9)), 3),
    }
