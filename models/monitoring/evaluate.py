"""Evaluate monitors and write `metrics.json`: `python -m models.monitoring.evaluate`.

Each table is trained as a customer does, and the artefact is called with the last steps of rows
that it has not seen: experiments on a water circulation rig (SKAB), turbofan engines (C-MAPSS),
load cycles of a hydraulic rig, and a simulated plant of 52 columns, which is no real data. **Use
the data for tests and metrics only.**
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from models.anomaly import data as skab
from models.condition import data as hydraulic
from models.monitoring.adapt import DEFAULT_RATE
from models.monitoring.components import Flags, Floats, Indices
from models.monitoring.evaluate_plant import plant_figures
from models.monitoring.evaluate_rig import rig_figures
from models.monitoring.trained_calls import call_rows, train_variant
from models.rul import data as cmapss
from models.training_data import record_metrics

METRICS = Path(__file__).with_name("metrics.json")
# Settings by name: the share of false alarms that is asked for, and the most steps averaged, None
# as a job chooses them.
SETTINGS: Mapping[str, tuple[float, int | None]] = MappingProxyType(
    {
        "default": (DEFAULT_RATE, None),
        "last_step_only": (DEFAULT_RATE, 1),
        "rate_0.01": (0.01, None),
    }
)
SKAB_TRAINED_ROWS = 400
TRAINED_ENGINES, EARLY_CYCLES = 30, 60
# Remaining cycles from which on an engine counts as degraded.
LATE_CYCLES = 40
# Every third stretch of healthy load cycles is left out, three times.
PARTS = 3
DIGITS = 3


@dataclass(frozen=True, slots=True)
class Task:
    """Rows to train on and courses to test on.

    training: courses of normal operation, each [rows, columns]. tested: courses with their labels,
    1 for faults, 0 for normal rows, -1 for neither. start: the first row of a course that counts.
    """

    training: Sequence[Floats]
    tested: Sequence[tuple[Floats, Indices]]
    start: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """Scored rows: their alarms and labels."""

    alarms: Flags
    labels: Indices

    def figures(self) -> dict[str, float]:
        """Return false alarms, detected faults and F1."""
        fault, normal = self.labels == 1, self.labels == 0
        right, wrong = int(self.alarms[fault].sum()), int(self.alarms[normal].sum())
        f1 = 2 * right / (right + wrong + int(fault.sum()))
        return {
            "false_alarms": _round(wrong / normal.sum()),
            "detected": _round(right / fault.sum()),
            "f1": _round(f1),
        }


def evaluate(directory: Path) -> dict[str, Any]:
    """Compute all figures of the model card, ready for JSON."""
    tasks = {
        "skab": list(skab_tasks(directory)),
        "cmapss": [cmapss_task(directory)],
        "hydraulic": list(hydraulic_tasks(directory)),
    }
    return {
        "settings": {name: {"rate": one[0], "window": one[1]} for name, one in SETTINGS.items()},
        **{
            name: {setting: measure(of, *values) for setting, values in SETTINGS.items()}
            for name, of in tasks.items()
        },
        "skab_when": rig_figures(directory, DEFAULT_RATE, SKAB_TRAINED_ROWS),
        "simulated_plant": plant_figures(),
    }


def measure(tasks: Sequence[Task], rate: float, window: int | None) -> dict[str, float]:
    """Train on each task and return the figures of all tested rows together."""
    counts = [_run(task, rate, window) for task in tasks]
    return Counts(
        np.concatenate([one.alarms for one in counts]),
        np.concatenate([one.labels for one in counts]),
    ).figures()


def skab_tasks(directory: Path) -> Iterator[Task]:
    """Yield a task for each experiment: trained on its first rows, tested on the others."""
    for one in skab.load(directory).experiments:
        training = one.readings[:SKAB_TRAINED_ROWS]
        tested = (one.readings, one.anomalous.astype(np.intp))
        yield Task([training], [tested], SKAB_TRAINED_ROWS)


def cmapss_task(directory: Path) -> Task:
    """Return the early cycles of some engines to train on, and the other engines to test on."""
    engines = cmapss.load(directory, "FD001").training
    tested = []
    for one in engines[TRAINED_ENGINES:]:
        remaining = np.arange(len(one.readings))[::-1]
        labels = np.where(remaining < LATE_CYCLES, 1, -1)
        labels[:EARLY_CYCLES] = 0
        tested.append((one.readings.astype(np.float64), labels))
    early = [one.readings[:EARLY_CYCLES].astype(np.float64) for one in engines[:TRAINED_ENGINES]]
    return Task(early, tested)


def hydraulic_tasks(directory: Path) -> Iterator[Task]:
    """Yield tasks of mean readings of load cycles: faults are those of valve and pump.

    Cooler and accumulator have any condition: normal operation has several modes.
    """
    cycles = hydraulic.load(directory)
    readings = cycles.readings.mean(axis=2).astype(np.float64)
    healthy = (cycles.labels[:, 1] == 3) & (cycles.labels[:, 2] == 2)
    stretches = np.split(np.arange(len(cycles)), np.flatnonzero(np.diff(healthy)) + 1)
    normal = [rows for rows in stretches if healthy[rows[0]]]
    faulty = [(readings[rows], np.ones(len(rows), np.intp)) for rows in stretches
              if not healthy[rows[0]]]  # fmt: skip
    for part in range(PARTS):
        held = [(readings[rows], np.zeros(len(rows), np.intp)) for rows in normal[part::PARTS]]
        training = [readings[rows] for at, rows in enumerate(normal) if at % PARTS != part]
        yield Task(training, [*held, *faulty])


def _run(task: Task, rate: float, window: int | None) -> Counts:
    """Train on a task and call the artefact for each tested row."""
    variant = train_variant(task.training, rate, window)
    found = [
        (call_rows(variant, course, task.start), labels[task.start :])
        for course, labels in task.tested
    ]
    return Counts(
        np.concatenate([alarms for alarms, _ in found]),
        np.concatenate([labels for _, labels in found]),
    )


def _round(value: float | np.floating[Any]) -> float:
    """Round a figure to DIGITS decimals."""
    return round(float(value), DIGITS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write and print `metrics.json`."""
    record_metrics(arguments, "Evaluate monitors.", METRICS, evaluate)


if __name__ == "__main__":
    main()
