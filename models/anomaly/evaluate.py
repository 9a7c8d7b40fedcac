"""Measure and record: `python -m models.anomaly.evaluate`.

Owns `metrics.json`: false alarms and misses on SKAB, with the settings as they are and as chosen
without the experiments judged, and what a step takes. Changes no setting (fitting.py).
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
# Fitted on so many first rows of each experiment; judged on the others.
FITTED = 400
FEWER = 320
# What the settings are chosen among: memory, caution, share trimmed. A longer memory than the
# longest takes more rows than are fitted on.
GRID = (
    (10.0, 14.0, 20.0),  # in steps of the root of two, as those of the caution
    (25.0, 35.0, 50.0, 70.0, 100.0),
    (0.0, 0.05),
)
# To tell how much hangs on that: many more settings, among which to choose the luckiest.
FINER = ((10.0, 14.0, 20.0, 25.0), tuple(5.0 * step for step in range(5, 15)), (0.0, 0.05, 0.1))
JUDGED = 4
DIVISIONS = 200
SEED = 101
AHEAD = 1200
LONGER = (400, 1600, 3200)
SENSITIVITIES = (0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0)
REPEATS = 50
DIGITS = 3

Counts = Mapping[Settings, Floats]
"""By settings: of each experiment the alarms that are true and false, the misses, and the silence
that is right, [experiments, 4]."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Of pooled counts: F1 of anomalous rows, false alarms of normal, misses of anomalous rows."""

    f1: float
    false_alarms: float
    misses: float

    @classmethod
    def of(cls, counts: Floats) -> "Rates":
        """From [experiments, 4] or more than one such below each other."""
        true, false, missed, right = counts.sum(axis=0)
        return cls(
            _rounded(2 * true / (2 * true + false + missed)),
            _rounded(false / (false + right)),
            _rounded(missed / (true + missed)),
        )


def evaluate(dataset: Dataset, directory: Path) -> dict[str, Any]:
    """Every figure of the model card, ready for JSON."""
    counts, finer = (among(dataset.experiments, *grid) for grid in (GRID, FINER))
    default = Settings()
    ours = count(dataset.experiments, default)
    return {
        "data": {"sha256": dict(dataset.sha256)},
        "settings": asdict(default),
        "default": asdict(Rates.of(ours)),
        "default_on_resampled_experiments": resampled(ours),
        "false_alarms_after_the_anomaly": after(dataset.experiments, default),
        "chosen_leaving_one_out": leaving_one_out(counts),
        f"chosen_leaving_one_out_among_{len(finer)}": leaving_one_out(finer),
        "chosen_leaving_four_out": leaving_some_out(counts),
        f"fitted_on_{FEWER}": asdict(
            Rates.of(count([_later(one) for one in dataset.experiments], default, FEWER))
        ),
        "false_alarms_of_an_anomaly_free_run": {
            str(rows): free_run(dataset.free, rows) for rows in LONGER
        },
        "against_rows": few_rows.measure(dataset, directory),
        "against_sensitivity": against_sensitivity(dataset.experiments),
        "microseconds": microseconds(dataset),
    }


def alarms(experiment: Experiment, settings: Settings, fitted: int = FITTED) -> Flags:
    """After the rows fitted on, the stream going on from there."""
    detector = fit([experiment.readings[:fitted]], SENSORS, settings)
    verdict, _ = detector.run(experiment.readings[np.newaxis])
    return verdict.alarm[0, fitted:]


def count(experiments: Iterable[Experiment], settings: Settings, fitted: int = FITTED) -> Floats:
    """See Counts."""
    rows = []
    for one in experiments:
        alarm, truth = alarms(one, settings, fitted), one.anomalous[fitted:]
        rows.append([alarm & truth, alarm & ~truth, ~alarm & truth, ~alarm & ~truth])
    return np.array([[flags.sum() for flags in row] for row in rows], dtype=np.float64)


def among(experiments: Sequence[Experiment], *values: Iterable[float]) -> Counts:
    """For each of the settings that have one of each of these values."""
    settings = [Settings(*combined) for combined in itertools.product(*values)]
    return MappingProxyType({one: count(experiments, one) for one in settings})


def choose(counts: Counts, experiments: Sequence[int]) -> Settings:
    """Of the highest F1 on these experiments."""
    return max(counts, key=lambda settings: Rates.of(counts[settings][experiments]).f1)


def leaving_one_out(counts: Counts) -> dict[str, Any]:
    """Each experiment with the settings that the others choose."""
    everyone = range(len(next(iter(counts.values()))))
    chosen = [choose(counts, [at for at in everyone if at != one]) for one in everyone]
    judged = [counts[settings][[one]] for one, settings in zip(everyone, chosen, strict=True)]
    return {
        **asdict(Rates.of(np.concatenate(judged))),
        "as_the_default": sum(settings == Settings() for settings in chosen),
    }


def leaving_some_out(counts: Counts) -> dict[str, Any]:
    """Many times: `JUDGED` experiments drawn, with the settings that the others choose."""
    generator = np.random.default_rng(SEED)
    judged = []
    for _ in range(DIVISIONS):
        drawn, others = np.split(generator.permutation(len(next(iter(counts.values())))), [JUDGED])
        judged.append(counts[choose(counts, others.tolist())][drawn])
    return asdict(Rates.of(np.concatenate(judged)))


def resampled(counts: Floats) -> dict[str, list[float]]:
    """Between which of each rate nine of ten sets of as many experiments lie that are drawn from
    these with replacement."""
    generator = np.random.default_rng(SEED)
    drawn = generator.integers(0, len(counts), (DIVISIONS, len(counts)))
    rates = [asdict(Rates.of(counts[rows])) for rows in drawn]
    return {
        name: [_rounded(end) for end in np.quantile([one[name] for one in rates], (0.05, 0.95))]
        for name in rates[0]
    }


def after(experiments: Iterable[Experiment], settings: Settings) -> float:
    """The share of false alarms which come when the anomaly is over."""
    late = total = 0
    for one in experiments:
        truth = one.anomalous[FITTED:]
        false = alarms(one, settings) & ~truth
        total += int(false.sum())
        late += int((false & np.logical_or.accumulate(truth)).sum())
    return _rounded(late / total)


def free_run(free: Floats, rows: int) -> float:
    """The share of alarms in the `AHEAD` rows after the `rows` fitted on, the mean of as many such
    windows as the run has, one beginning every `AHEAD` rows."""
    shares = []
    for start in range(0, len(free) - rows - AHEAD + 1, AHEAD):
        stretch = free[start : start + rows + AHEAD]
        one = Experiment(stretch, np.zeros(len(stretch), dtype=bool))
        shares.append(alarms(one, Settings(), rows).mean())
    return _rounded(np.mean(shares))


def against_sensitivity(experiments: Sequence[Experiment]) -> dict[str, Any]:
    """F1, false alarms and misses where the limit is divided by so much."""
    return {
        str(one): asdict(Rates.of(count(experiments, replace(Settings(), sensitivity=one))))
        for one in SENSITIVITIES
    }


def microseconds(dataset: Dataset) -> dict[str, float]:
    """A step within a series of `FITTED`, and a call with one step and its state as text."""
    readings = dataset.experiments[0].readings
    fitted = [readings[:FITTED]]
    variant = load_variant(render(fit(fitted, SENSORS), {}, fitted))
    states = np.array([""], dtype=object)
    began = variant.run(_columns(readings[:FITTED], states))
    one = _columns(readings[FITTED : FITTED + 1], began[STATE])
    series = partial(variant.detector.run, readings[np.newaxis, :FITTED])
    return {
        "step_in_a_series": round(_shortest(series) / FITTED, 1),
        "call_with_one_step": round(_shortest(partial(Variant.run, variant, one)), 1),
    }


def _columns(readings: Floats, states: Any) -> dict[str, Any]:
    columns = {name: readings[np.newaxis, :, at] for at, name in enumerate(SENSORS)}
    return {**columns, STATE: states}


def _shortest(work: Callable[[], object]) -> float:
    """Of many, as others use the machine too."""
    spent = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        spent.append(time.perf_counter() - begun)
    return 1e6 * min(spent)


def _later(experiment: Experiment) -> Experiment:
    """Without the first rows, so that fewer are fitted on and the same are judged."""
    first = FITTED - FEWER
    return Experiment(experiment.readings[first:], experiment.anomalous[first:])


def _rounded(value: float | np.floating[Any]) -> float:
    return round(float(value), DIGITS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write `metrics.json` and show it."""
    record_metrics(
        arguments,
        "Measure false alarms and misses of the anomaly detector.",
        METRICS,
        lambda directory: evaluate(load(directory), directory),
    )


if __name__ == "__main__":
    main()
