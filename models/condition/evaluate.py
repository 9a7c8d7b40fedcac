"""Evaluate the condition model and write `metrics.json`: `python -m models.condition.evaluate`.

The model is cross-validated over contiguous blocks of time, over combinations of conditions and
over random folds; the committed artefact is compared with a new training.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calibration import calibration_metrics
from models.condition.data import TARGETS, Dataset, Labels, Rows, load
from models.condition.features import Doubles, compute_features
from models.condition.train import (
    ARTEFACT,
    TargetPrediction,
    fit_and_calibrate,
    predict_probabilities,
    predict_with_graph,
    split_into_blocks,
    train,
)
from models.training_data import record_metrics

METRICS = Path(__file__).with_name("metrics.json")
# Other seeds than those on which features were selected.
SEEDS = (101, 102, 103)
# Numbers of blocks: the accuracy depends on the block borders, so its mean is published.
BLOCK_COUNTS = (10, 8, 12, 15)
FOLDS = 10
REASONS_SHOWN = 3
DIGITS = 4

Figures = dict[str, Any]
Folds = Iterable[Rows]
"""The test rows of each fold."""


def evaluate(dataset: Dataset, artefact: bytes) -> dict[str, Any]:
    """Compute all figures of the model card, ready for JSON."""
    block_figures = {
        str(count): cross_validated_figures(dataset, split_into_blocks(dataset.labels, count))
        for count in BLOCK_COUNTS
    }
    return {
        "data": {"sha256": dict(dataset.sha256), "cycles": len(dataset)},
        "stretches_left_out": block_figures,
        "accuracy_over_all_cuts": mean_accuracies(block_figures),
        "conditions_left_out": [
            cross_validated_figures(dataset, _split_by_condition(dataset.labels, seed))
            for seed in SEEDS
        ],
        "random_folds": cross_validated_figures(dataset, _split_at_random(len(dataset), SEEDS[0])),
        "artefact": artefact_figures(dataset, artefact),
    }


def mean_accuracies(figures_by_count: Mapping[str, Mapping[str, Figures]]) -> Figures:
    """Return each target's accuracy, averaged over cross-validations by number of blocks."""
    return {
        target.name: _round(
            np.mean([figures[target.name]["accuracy"] for figures in figures_by_count.values()])
        )
        for target in TARGETS
    }


def cross_validated_figures(dataset: Dataset, folds: Folds) -> dict[str, Figures]:
    """Return cross-validated accuracy, worst fold accuracy and calibration of each target."""
    folds = list(folds)
    probabilities = out_of_fold_probabilities(dataset, folds)
    return {
        target.name: _target_figures(
            probabilities[target_index], dataset.labels[:, target_index], folds
        )
        for target_index, target in enumerate(TARGETS)
    }


def out_of_fold_probabilities(dataset: Dataset, folds: Folds) -> list[Doubles]:
    """Return the out-of-fold probabilities of each target, [cycles, conditions].

    Model, penalty and calibration of a cycle were all fitted without its fold.
    """
    probabilities = [np.empty((len(dataset), len(target.conditions))) for target in TARGETS]
    for test_rows in folds:
        training_rows = np.setdiff1d(np.arange(len(dataset)), test_rows)
        trained = fit_and_calibrate(dataset.readings[training_rows], dataset.labels[training_rows])
        for target_index, target_probabilities in enumerate(probabilities):
            target_probabilities[test_rows] = predict_probabilities(
                trained, dataset.readings[test_rows], target_index
            )
    return probabilities


def artefact_figures(dataset: Dataset, artefact: bytes) -> dict[str, Any]:
    """Return how the committed graph differs from a new training, and its commonest reasons.

    Reasons are counted in cycles of a component that is not healthy.
    """
    predictions, trained = predict_with_graph(artefact, dataset.readings), train(dataset)
    cancellations = _contribution_cancellation(
        trained.level.contributions(compute_features(dataset.readings)), dataset.labels
    )
    return {
        "bytes": len(artefact),
        **{
            target.name: {
                "strength": trained.penalties[target_index],
                "slope": _round(trained.calibrations[target_index].slope),
                **_graph_agreement(
                    predictions[target.name],
                    predict_probabilities(trained, dataset.readings, target_index),
                    target_index,
                ),
                "contributions_over_their_sum": cancellations[target_index],
                "strongest_reasons": _strongest_reason_shares(
                    predictions[target.name], dataset.labels[:, target_index] < target.healthy
                ),
            }
            for target_index, target in enumerate(TARGETS)
        },
    }


def _target_figures(probabilities: Doubles, truth: Labels, folds: Sequence[Rows]) -> Figures:
    """Return accuracy, worst fold accuracy and calibration metrics of one target."""
    is_correct = probabilities.argmax(axis=1) == truth
    calibration_errors = calibration_metrics(probabilities, truth)
    return {
        "accuracy": _round(is_correct.mean()),
        "worst_part": _round(min(is_correct[rows].mean() for rows in folds)),
        **{name: _round(value) for name, value in calibration_errors.items()},
    }


def _graph_agreement(prediction: TargetPrediction, expected: Doubles, target_index: int) -> Figures:
    """Return how far the graph's output for one target differs from the model's probabilities."""
    conditions = np.array(TARGETS[target_index].conditions)
    difference = np.abs(prediction.probability - expected.max(axis=1)).max()
    return {
        "largest_probability_difference": float(f"{difference:.1e}"),
        "differing_conditions": int(
            np.sum(prediction.condition != conditions[expected.argmax(axis=1)])
        ),
    }


def _contribution_cancellation(contributions: Doubles, labels: Labels) -> list[float]:
    """Return how much the sensors' contributions cancel each other, for each target.

    It is the sum of absolute contributions over the absolute sum, 1 without cancellation, as the
    median over the cycles in the worst condition.
    """
    ratios = np.abs(contributions).sum(axis=1) / np.abs(contributions.sum(axis=1))
    return [
        _round(np.median(ratios[labels[:, target_index] == 0, target_index]))
        for target_index in range(len(TARGETS))
    ]


def _strongest_reason_shares(
    prediction: TargetPrediction, rows: NDArray[np.bool_]
) -> dict[str, float]:
    """Return the sensors that are most often the strongest reason, with their share of cycles."""
    names, counts = np.unique(prediction.reasons[rows, 0].astype(str), return_counts=True)
    order = np.argsort(-counts)[:REASONS_SHOWN]
    return {str(names[at]): _round(counts[at] / counts.sum()) for at in order}


def _split_by_condition(labels: Labels, seed: int) -> list[Rows]:
    """Split cycles into FOLDS folds by combination of the four conditions (grouped k-fold)."""
    _, combination = np.unique(labels, axis=0, return_inverse=True)
    combination = combination.ravel()
    order = np.random.default_rng(seed).permutation(combination.max() + 1)
    return [np.flatnonzero(np.isin(combination, fold)) for fold in np.array_split(order, FOLDS)]


def _split_at_random(count: int, seed: int) -> list[Rows]:
    """Split cycles into FOLDS random folds."""
    return np.array_split(np.random.default_rng(seed).permutation(count), FOLDS)


def _round(value: float | np.floating[Any]) -> float:
    """Round a figure to DIGITS decimals."""
    return round(float(value), DIGITS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write and print `metrics.json`."""
    record_metrics(
        arguments,
        "Evaluate the condition model.",
        METRICS,
        lambda directory: evaluate(load(directory), ARTEFACT.read_bytes()),
    )


if __name__ == "__main__":
    main()
