"""How many normal rows a detector takes: false alarms and detection against the rows fitted on.

Measured on SKAB's run without an anomaly (drawn sensors and places), on its experiments, and on two
single sensors of NAB with their labelled windows. Owns these figures, by which the least number of
rows is chosen (settings.py). **The data are for tests and figures only.**
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
from models.anomaly.fitting import fitted
from models.anomaly.settings import Settings
from models.training_data import content

ROWS = (60, 100, 150, 200, 250, 400, 800, 1600)
SENSORS = (1, 2, 4, 8)
DRAWS = 60
SEED = 7
AHEAD = 1200
# A sensor is moved by so many of its standard deviations for so many steps, to be found.
SHIFT, SHIFTED = 3.0, 60
EXPERIMENT_ROWS = 400
NAB = ("machine_temperature_system_failure", "ambient_temperature_system_failure")
_BEFORE, _AFTER = 300, 40
_PLACES = 40


@dataclass(frozen=True, slots=True)
class Single:
    """A single sensor, [rows, 1], and its labelled windows as [first, last] rows."""

    readings: Floats
    windows: tuple[tuple[int, int], ...]

    @property
    def anomalous(self) -> Flags:
        flags = np.zeros(len(self.readings), dtype=np.bool_)
        for first, last in self.windows:
            flags[first : last + 1] = True
        return flags


def measure(dataset: Dataset, directory: Path) -> dict[str, Any]:
    """By data and number of rows, ready for JSON."""
    return {
        "skab_anomaly_free": {
            f"{sensors} sensors": {str(rows): _free(dataset.free, sensors, rows) for rows in ROWS}
            for sensors in SENSORS
        },
        "skab_experiments_8_sensors": {
            str(rows): _experiments(dataset.experiments, rows)
            for rows in ROWS
            if rows <= EXPERIMENT_ROWS
        },
        **{
            f"nab_{name}": {str(rows): _single(load(directory, name), rows) for rows in ROWS}
            for name in NAB
        },
    }


def load(directory: Path, name: str) -> Single:
    """One of NAB's series. Raises TrainingDataMissing."""
    packed = content(directory, Path("nab", f"{name}.csv.gz"), "NAB's file")
    text = io.StringIO(gzip.decompress(packed).decode())
    rows = list(csv.DictReader(text))
    times = [row["timestamp"] for row in rows]
    told = json.loads(content(directory, Path("nab", "combined_windows.json"), "NAB's windows"))
    ends = next(value for key, value in told.items() if name in key)
    windows = tuple(tuple(_row(times, end) for end in pair) for pair in ends)
    readings = np.array([[float(row["value"])] for row in rows])
    return Single(readings, windows)  # type: ignore[arg-type]


def _row(times: Sequence[str], end: str) -> int:
    return int(np.searchsorted(np.array(times), end[:19]))


def _free(free: Floats, sensors: int, rows: int) -> dict[str, float]:
    """Drawn sensors and places of a run in which nothing is wrong."""
    generator = np.random.default_rng([SEED, sensors, rows])
    alarms, found = [], []
    for _ in range(DRAWS):
        columns = generator.choice(free.shape[1], sensors, replace=False)
        start = int(generator.integers(0, len(free) - rows - AHEAD + 1))
        stretch = free[start : start + rows + AHEAD, columns]
        alarms.append(float(_alarms(stretch, rows).mean()))
        moved = stretch[: rows + _BEFORE + SHIFTED + _AFTER].copy()
        at, one = rows + _BEFORE, int(generator.integers(sensors))
        moved[at : at + SHIFTED, one] += SHIFT * stretch[:rows, one].std()
        found.append(bool(_alarms(moved, rows)[_BEFORE : _BEFORE + SHIFTED].any()))
    return {**_rates(alarms), "shift_found": round(float(np.mean(found)), 2)}


def _experiments(experiments: Sequence[Experiment], rows: int) -> dict[str, float]:
    """Fitted on the last `rows` of the first 400, judged on what follows."""
    counts = np.zeros(4)
    for one in experiments:
        truth = one.anomalous[EXPERIMENT_ROWS:]
        alarm = _alarms(one.readings[EXPERIMENT_ROWS - rows :], rows)
        counts += [(alarm & truth).sum(), (alarm & ~truth).sum(), (~alarm & truth).sum(), 0]
        counts[3] += (~alarm & ~truth).sum()
    true, false, missed, right = counts
    return {
        "f1": round(2 * true / (2 * true + false + missed), 3),
        "false_alarms": round(false / (false + right), 3),
        "misses": round(missed / (true + missed), 3),
    }


def _single(series: Single, rows: int) -> dict[str, float]:
    """Fitted at many places without an anomaly; false alarms ahead, and labelled windows found."""
    alarms, found = [], []
    truth = series.anomalous
    for start in _places(truth, rows):
        alarm, flags = _alarms(series.readings[start:], rows), truth[start + rows :]
        ahead = ~flags[:AHEAD]
        alarms.append(float(alarm[:AHEAD][ahead].mean()) if ahead.any() else 0.0)
        later = [pair for pair in series.windows if pair[0] >= start + rows]
        found += [bool(alarm[a - start - rows : b - start - rows + 1].any()) for a, b in later]
    return {**_rates(alarms), "windows_found": round(float(np.mean(found)), 2)}


def _places(truth: Flags, rows: int) -> Iterator[int]:
    for start in range(0, len(truth) - rows - 1, max(1, len(truth) // _PLACES)):
        if not truth[start : start + rows].any():
            yield start


def _alarms(stretch: Floats, rows: int) -> Flags:
    """After the rows fitted on, whatever their number."""
    names = [str(number) for number in range(stretch.shape[1])]
    verdict, _ = fitted([stretch[:rows]], names, Settings()).run(stretch[np.newaxis])
    return verdict.alarm[0, rows:]


def _rates(alarms: Sequence[float]) -> dict[str, float]:
    return {
        "false_alarms": round(float(np.mean(alarms)), 3),
        "one_in_ten_above": round(float(np.quantile(alarms, 0.9)), 3),
    }
