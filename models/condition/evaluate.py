"""Measure and record: `python -m models.condition.evaluate`.

Owns `metrics.json`: how often each condition is told right for cycles of which neither a neighbour
nor, in the second division, any of the same condition was seen; and how far the committed artefact
agrees with what training gives now. Changes neither the method nor the artefact (train.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calibration import reliability
from models.condition.data import TARGETS, Dataset, Places, load
from models.condition.features import Exact, engineer
from models.condition.train import (
    ARTEFACT,
    Answer,
    learn,
    predict,
    run,
    stretches,
    train,
)
from models.training_data import record_metrics

METRICS = Path(__file__).with_name("metrics.json")
# Not the seeds on which features were compared.
SEEDS = (101, 102, 103)
# How much the figures hang on where the cuts fall: what is published is their mean.
STRETCHES = (10, 8, 12, 15)
FOLDS = 10
REASONS_SHOWN = 3
DIGITS = 4

Figures = dict[str, Any]
Division = Iterable[Places]
"""The cycles that are left out, one array after the other."""


def evaluate(dataset: Dataset, artefact: bytes) -> dict[str, Any]:
    """Every figure of the model card, ready for JSON."""
    left_out = {
        str(count): figures(dataset, stretches(dataset.places, count)) for count in STRETCHES
    }
    return {
        "data": {"sha256": dict(dataset.sha256), "cycles": len(dataset)},
        "stretches_left_out": left_out,
        "accuracy_over_all_cuts": mean_accuracies(left_out),
        "conditions_left_out": [
            figures(dataset, _conditions(dataset.places, seed)) for seed in SEEDS
        ],
        "random_folds": figures(dataset, _random(len(dataset), SEEDS[0])),
        "artefact": artefact_figures(dataset, artefact),
    }


def mean_accuracies(left_out: Mapping[str, Mapping[str, Figures]]) -> Figures:
    """Of each target, over the ways in which the cycles were cut."""
    return {
        target.name: _rounded(np.mean([one[target.name]["accuracy"] for one in left_out.values()]))
        for target in TARGETS
    }


def figures(dataset: Dataset, division: Division) -> dict[str, Figures]:
    """Of each target: accuracy over all cycles, that of the worst part, reliability."""
    division = list(division)
    told = judge(dataset, division)
    return {
        target.name: _of_target(told[at], dataset.places[:, at], division)
        for at, target in enumerate(TARGETS)
    }


def judge(dataset: Dataset, division: Division) -> list[Exact]:
    """Of each target, the probability of each condition, [cycles, conditions], every cycle by a
    model, a strength and a calibration that have not seen it."""
    told = [np.empty((len(dataset), len(target.conditions))) for target in TARGETS]
    for left_out in division:
        seen = np.setdiff1d(np.arange(len(dataset)), left_out)
        trained = learn(dataset.readings[seen], dataset.places[seen])
        for at, probability in enumerate(told):
            probability[left_out] = predict(trained, dataset.readings[left_out], at)
    return told


def artefact_figures(dataset: Dataset, artefact: bytes) -> dict[str, Any]:
    """The committed graph in ONNX Runtime against a fresh training, and what it gives as reasons
    for cycles of a component that is not sound."""
    answers, trained = run(artefact, dataset.readings), train(dataset)
    shares = _cancelling(trained.level.contributions(engineer(dataset.readings)), dataset.places)
    return {
        "bytes": len(artefact),
        **{
            target.name: {
                "strength": trained.strengths[at],
                "slope": _rounded(trained.calibrations[at].slope),
                **_agreement(answers[target.name], predict(trained, dataset.readings, at), at),
                "contributions_over_their_sum": shares[at],
                "strongest_reasons": _strongest(
                    answers[target.name], dataset.places[:, at] < target.sound
                ),
            }
            for at, target in enumerate(TARGETS)
        },
    }


def _of_target(told: Exact, truth: Places, division: Sequence[Places]) -> Figures:
    right = told.argmax(axis=1) == truth
    held = reliability(told, truth)
    return {
        "accuracy": _rounded(right.mean()),
        "worst_part": _rounded(min(right[rows].mean() for rows in division)),
        **{name: _rounded(value) for name, value in held.items()},
    }


def _agreement(answer: Answer, expected: Exact, at: int) -> Figures:
    conditions = np.array(TARGETS[at].conditions)
    apart = np.abs(answer.probability - expected.max(axis=1)).max()
    return {
        "largest_probability_difference": float(f"{apart:.1e}"),
        "differing_conditions": int(
            np.sum(answer.condition != conditions[expected.argmax(axis=1)])
        ),
    }


def _cancelling(contributions: Exact, places: Places) -> list[float]:
    """Of each target, the sizes of all sensors' contributions over the size of their sum: 1 where
    none speaks against another. The median over the cycles in the worst condition."""
    sizes = np.abs(contributions).sum(axis=1) / np.abs(contributions.sum(axis=1))
    return [_rounded(np.median(sizes[places[:, at] == 0, at])) for at in range(len(TARGETS))]


def _strongest(answer: Answer, rows: NDArray[np.bool_]) -> dict[str, float]:
    """Which sensors are the strongest reason, and how often."""
    names, counts = np.unique(answer.reasons[rows, 0].astype(str), return_counts=True)
    order = np.argsort(-counts)[:REASONS_SHOWN]
    return {str(names[at]): _rounded(counts[at] / counts.sum()) for at in order}


def _conditions(places: Places, seed: int) -> list[Places]:
    """Cycles of a tenth of the rig's conditions each: all cycles with the same four go together,
    whenever they were."""
    _, condition = np.unique(places, axis=0, return_inverse=True)
    condition = condition.ravel()
    order = np.random.default_rng(seed).permutation(condition.max() + 1)
    return [np.flatnonzero(np.isin(condition, one)) for one in np.array_split(order, FOLDS)]


def _random(count: int, seed: int) -> list[Places]:
    return np.array_split(np.random.default_rng(seed).permutation(count), FOLDS)


def _rounded(value: float | np.floating[Any]) -> float:
    return round(float(value), DIGITS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write `metrics.json` and show it."""
    record_metrics(
        arguments,
        "Measure the condition and its artefact.",
        METRICS,
        lambda directory: evaluate(load(directory), ARTEFACT.read_bytes()),
    )


if __name__ == "__main__":
    main()
