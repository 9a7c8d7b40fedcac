"""Evaluate the anomaly detector and write `metrics.json`: `python -m models.anomaly.evaluate`.

False alarms and misses are measured on SKAB, with the default settings and with settings chosen by
cross-validation; latency is measured for a step.
"""

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from models.anomaly import few_rows
from models.anomaly.data import SENSORS, Dataset, Experiment, load
from models.anomaly.detector import Flags, Floats
from models.anomaly.fitting import fit
from models.anomaly.settings import Settings
from models.anomaly.variant import STATE, Variant, render
from models.anomaly.variant import load as load_variant
from models.training_data import record_metrics

METRICS = Path(__file__).with_name("metrics.json")
# The first rows of each experiment, which are fitted on; the others are evaluated.
FIT_ROWS = 400
FEWER_FIT_ROWS = 320
# Values of memory, caution and trimmed to choose from. A longer memory would require more rows than
# are fitted on.
GRID = (
    (10.0, 14.0, 20.0),  # in steps of the square root of 2, like the caution
    (25.0, 35.0, 50.0, 70.0, 100.0),
    (0.0, 0.05),
)
# A finer grid, which shows how much the result depends on the choice of the grid.
FINE_GRID = ((10.0, 14.0, 20.0, 25.0), tuple(5.0 * step for step in range(5, 15)), (0.0, 0.05, 0.1))
TEST_EXPERIMENTS = 4
RESAMPLES = 200
SEED = 101
EVALUATED_ROWS = 1200
ANOMALY_FREE_FIT_ROWS = (400, 1600, 3200)
SENSITIVITIES = (0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0)
REPEATS = 50
DIGITS = 3

CountsBySettings = Mapping[Settings, Floats]
"""True positives, false positives, false negatives and true negatives of each experiment, by
settings, [experiments, 4]."""


@dataclass(frozen=True, slots=True)
class Rates:
    """F1, false positive rate and false negative rate of rows, pooled over experiments."""

    f1: float
    false_alarms: float
    misses: float

    @classmethod
    def from_counts(cls, counts: Floats) -> "Rates":
        """Compute the rates from confusion counts, [experiments, 4], summed over experiments."""
        true, false, missed, right = counts.sum(axis=0)
        return cls(
            _round(2 * true / (2 * true + false + missed)),
            _round(false / (false + right)),
            _round(missed / (true + missed)),
        )


def evaluate(dataset: Dataset, directory: Path) -> dict[str, Any]:
    """Compute all figures of the model card, ready for JSON."""
    counts, fine_counts = (grid_counts(dataset.experiments, *grid) for grid in (GRID, FINE_GRID))
    default = Settings()
    default_counts = confusion_counts(dataset.experiments, default)
    return {
        "data": {"sha256": dict(dataset.sha256)},
        "settings": asdict(default),
        "default": asdict(Rates.from_counts(default_counts)),
        "default_on_resampled_experiments": bootstrap_intervals(default_counts),
        "false_alarms_after_the_anomaly": false_alarms_after_anomaly(dataset.experiments, default),
        "chosen_leaving_one_out": leave_one_out(counts),
        f"chosen_leaving_one_out_among_{len(fine_counts)}": leave_one_out(fine_counts),
        "chosen_leaving_four_out": leave_several_out(counts),
        f"fitted_on_{FEWER_FIT_ROWS}": asdict(
            Rates.from_counts(
                confusion_counts(
                    [_skip_first_rows(one) for one in dataset.experiments], default, FEWER_FIT_ROWS
                )
            )
        ),
        "false_alarms_of_an_anomaly_free_run": {
            str(rows): anomaly_free_alarms(dataset.anomaly_free, rows)
            for rows in ANOMALY_FREE_FIT_ROWS
        },
        "against_rows": few_rows.measure_by_row_count(dataset, directory),
        "against_sensitivity": rates_by_sensitivity(dataset.experiments),
        "microseconds": measure_latency(dataset),
    }


def predict_alarms(experiment: Experiment, settings: Settings, fit_rows: int = FIT_ROWS) -> Flags:
    """Fit on the first rows of an experiment and return the alarms of the others."""
    detector = fit([experiment.readings[:fit_rows]], SENSORS, settings)
    scores, _ = detector.run(experiment.readings[np.newaxis])
    return scores.alarm[0, fit_rows:]


def confusion_counts(
    experiments: Iterable[Experiment], settings: Settings, fit_rows: int = FIT_ROWS
) -> Floats:
    """Return the confusion counts of each experiment, [experiments, 4]."""
    rows = []
    for experiment in experiments:
        alarm, truth = (
            predict_alarms(experiment, settings, fit_rows),
            experiment.anomalous[fit_rows:],
        )
        rows.append([alarm & truth, alarm & ~truth, ~alarm & truth, ~alarm & ~truth])
    return np.array([[flags.sum() for flags in row] for row in rows], dtype=np.float64)


def grid_counts(experiments: Sequence[Experiment], *values: Iterable[float]) -> CountsBySettings:
    """Return the confusion counts by settings, for all combinations of `values` (grid search)."""
    settings = [Settings(*combined) for combined in itertools.product(*values)]
    return MappingProxyType({one: confusion_counts(experiments, one) for one in settings})


def choose_settings(counts: CountsBySettings, experiments: Sequence[int]) -> Settings:
    """Return the settings with the highest F1 on these experiments."""
    return max(counts, key=lambda settings: Rates.from_counts(counts[settings][experiments]).f1)


def leave_one_out(counts: CountsBySettings) -> dict[str, Any]:
    """Return the rates pooled over experiments, each with the settings chosen on all others."""
    experiments = range(len(next(iter(counts.values()))))
    chosen_settings = [
        choose_settings(
            counts, [experiment for experiment in experiments if experiment != held_out]
        )
        for held_out in experiments
    ]
    test_counts = [
        counts[settings][[held_out]]
        for held_out, settings in zip(experiments, chosen_settings, strict=True)
    ]
    return {
        **asdict(Rates.from_counts(np.concatenate(test_counts))),
        "as_the_default": sum(settings == Settings() for settings in chosen_settings),
    }


def leave_several_out(counts: CountsBySettings) -> dict[str, Any]:
    """Return the rates pooled over random test experiments, with settings chosen on the others."""
    generator = np.random.default_rng(SEED)
    test_counts = []
    for _ in range(RESAMPLES):
        test, training = np.split(
            generator.permutation(len(next(iter(counts.values())))), [TEST_EXPERIMENTS]
        )
        test_counts.append(counts[choose_settings(counts, training.tolist())][test])
    return asdict(Rates.from_counts(np.concatenate(test_counts)))


def bootstrap_intervals(counts: Floats) -> dict[str, list[float]]:
    """Return the 90 % bootstrap interval of each rate over experiments."""
    generator = np.random.default_rng(SEED)
    samples = generator.integers(0, len(counts), (RESAMPLES, len(counts)))
    rates = [asdict(Rates.from_counts(counts[rows])) for rows in samples]
    return {
        name: [_round(end) for end in np.quantile([one[name] for one in rates], (0.05, 0.95))]
        for name in rates[0]
    }


def false_alarms_after_anomaly(experiments: Iterable[Experiment], settings: Settings) -> float:
    """Return the share of false alarms that occur after an anomaly has ended."""
    late_alarms = all_alarms = 0
    for experiment in experiments:
        truth = experiment.anomalous[FIT_ROWS:]
        false_alarms = predict_alarms(experiment, settings) & ~truth
        all_alarms += int(false_alarms.sum())
        late_alarms += int((false_alarms & np.logical_or.accumulate(truth)).sum())
    return _round(late_alarms / all_alarms)


def anomaly_free_alarms(anomaly_free: Floats, rows: int) -> float:
    """Return the mean alarm rate on an anomaly-free run after a fit on `rows` rows.

    It is the mean over windows of EVALUATED_ROWS rows.
    """
    shares = []
    for start in range(0, len(anomaly_free) - rows - EVALUATED_ROWS + 1, EVALUATED_ROWS):
        stretch = anomaly_free[start : start + rows + EVALUATED_ROWS]
        experiment = Experiment(stretch, np.zeros(len(stretch), dtype=bool))
        shares.append(predict_alarms(experiment, Settings(), rows).mean())
    return _round(np.mean(shares))


def rates_by_sensitivity(experiments: Sequence[Experiment]) -> dict[str, Any]:
    """Return F1, false alarms and misses for each sensitivity at fitting."""
    return {
        str(sensitivity): asdict(
            Rates.from_counts(
                confusion_counts(experiments, replace(Settings(), sensitivity=sensitivity))
            )
        )
        for sensitivity in SENSITIVITIES
    }


def measure_latency(dataset: Dataset) -> dict[str, float]:
    """Return the time of a step in a long series and of a call with one step, in microseconds."""
    readings = dataset.experiments[0].readings
    fitted = [readings[:FIT_ROWS]]
    variant = load_variant(render(fit(fitted, SENSORS), {}, fitted))
    states = np.array([""], dtype=object)
    first_step = variant.run(_columns(readings[:FIT_ROWS], states))
    next_step = _columns(readings[FIT_ROWS : FIT_ROWS + 1], first_step[STATE])
    series = partial(variant.detector.run, readings[np.newaxis, :FIT_ROWS])
    return {
        "step_in_a_series": round(_best_microseconds(series) / FIT_ROWS, 1),
        "call_with_one_step": round(
            _best_microseconds(partial(Variant.run, variant, next_step)), 1
        ),
    }


def _columns(readings: Floats, states: Any) -> dict[str, Any]:
    """Return the input columns of one machine, with its state token."""
    columns = {name: readings[np.newaxis, :, at] for at, name in enumerate(SENSORS)}
    return {**columns, STATE: states}


def _best_microseconds(work: Callable[[], object]) -> float:
    """Return the shortest of many runs in microseconds, as other processes share the CPU."""
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return 1e6 * min(seconds)


def _skip_first_rows(experiment: Experiment) -> Experiment:
    """Drop the first rows, so that fewer rows are fitted on and the same rows are evaluated."""
    first = FIT_ROWS - FEWER_FIT_ROWS
    return Experiment(experiment.readings[first:], experiment.anomalous[first:])


def _round(value: float | np.floating[Any]) -> float:
    """Round a figure to DIGITS decimals."""
    return round(float(value), DIGITS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write and print `metrics.json`."""
    record_metrics(
        arguments,
        "Evaluate the anomaly detector.",
        METRICS,
        lambda directory: evaluate(load(directory), directory),
    )


if __name__ == "__main__":
    main()
