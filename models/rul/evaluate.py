"""Evaluate remaining useful life and write `metrics.json`: `python -m models.rul.evaluate`.

Measures the error on test machines, the coverage of the intervals, and the difference between the
committed artefact and a new training.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.onnx_session import open_session
from models.rul.data import (
    CAP,
    Dataset,
    Fleet,
    Floats,
    load,
)
from models.rul.features import Scaling, last_cycle_rows
from models.rul.intervals import BIN_EDGES, CONFIDENCE, calibrate_widths
from models.rul.other_fleets import ADAPTATION_MACHINES, measure_transfer
from models.rul.train import (
    ARTEFACT,
    fit,
    out_of_fold_predictions,
    predict,
    predict_with_graph,
    train,
)
from models.training_data import record_metrics

METRICS = Path(__file__).with_name("metrics.json")
# Other seeds than those on which features and settings were selected.
SEEDS = (101, 102, 103, 104, 105)
SPLITS = 200
DIGITS = 3

Figures = dict[str, float]


def evaluate(dataset: Dataset, artefact: bytes) -> dict[str, Any]:
    """Compute all figures of the model card, ready for JSON."""
    return {
        "data": {"sha256": dict(dataset.sha256), "cap": CAP, "edges": list(BIN_EDGES)},
        "single_seeds": errors_by_seed(dataset),
        "artefact": artefact_figures(dataset, artefact),
        "interval_of_unseen_machines": interval_coverage(dataset.training),
        "another_fleet": transfer_figures(dataset.training),
    }


def errors_by_seed(dataset: Dataset) -> dict[str, Any]:
    """Return the test RMSE of a single booster for each seed; the literature reports such means."""
    scaling = Scaling.fit(dataset.training)
    features, truth = last_cycle_rows(dataset.test, scaling)
    errors = [
        _rmse(predict([fit(dataset.training, scaling, seed)], features), truth) for seed in SEEDS
    ]
    return {
        "rmse": errors,
        "mean": _round(np.mean(errors)),
        "deviation": _round(np.std(errors)),
    }


def artefact_figures(dataset: Dataset, artefact: bytes) -> dict[str, Any]:
    """Evaluate the committed graph on the test set and compare it with a new training."""
    trained = train(dataset.training)
    features, truth = last_cycle_rows(dataset.test, trained.scaling)
    predicted, lower, upper = predict_last_cycles(artefact, dataset.test)
    uncapped_truth = np.array([engine.final_remaining for engine in dataset.test], dtype=np.float32)
    retrained = predict(trained.boosters, features)
    return {
        "bytes": len(artefact),
        "rmse": _rmse(predicted, truth),
        "rmse_of_uncapped_truth": _rmse(predicted, uncapped_truth),
        "mean_absolute_error": _round(np.abs(predicted - truth).mean()),
        "nasa_score": _round(nasa_score(predicted, truth)),
        "covered": _round(np.mean((lower <= truth) & (truth <= upper))),
        "confidence": CONFIDENCE,
        "mean_width": _round(np.mean(upper - lower)),
        "largest_difference_from_trees": _round(np.abs(predicted - retrained).max()),
    }


def predict_last_cycles(artefact: bytes, fleet: Fleet) -> tuple[Floats, Floats, Floats]:
    """Return remaining life, lower and upper bound by the graph after each machine's last cycle."""
    session = open_session(artefact)
    outputs = [predict_with_graph(session, engine.readings[np.newaxis]) for engine in fleet]
    remaining, lower, upper = (np.concatenate(part) for part in zip(*outputs, strict=True))
    return remaining, lower, upper


def interval_coverage(fleet: Fleet) -> Figures:
    """Return the coverage of the intervals on machines they were not calibrated on.

    Over many random splits, four fifths of the machines calibrate the widths and the others test
    them; each machine has the same weight.
    """
    predicted, truth = out_of_fold_predictions(fleet, SEEDS[0])
    generator = np.random.default_rng(SEEDS[0])
    shares = []
    for _ in range(SPLITS):
        order = generator.permutation(len(fleet))
        calibration_machines, test_machines = np.split(order, [len(order) * 4 // 5])
        widths = calibrate_widths(
            [predicted[machine] for machine in calibration_machines],
            [truth[machine] for machine in calibration_machines],
        )
        covered_shares = [
            np.mean(
                np.abs(predicted[machine] - truth[machine]) <= widths.half_width(predicted[machine])
            )
            for machine in test_machines
        ]
        shares.append(np.mean(covered_shares))
    return {"covered": _round(np.mean(shares)), "deviation": _round(np.std(shares))}


def transfer_figures(fleet: Fleet) -> dict[str, Any]:
    """Return the errors after fine-tuning on a few machines of another fleet (other_fleets.py)."""
    transfers = [measure_transfer(fleet, seed) for seed in SEEDS]
    return {
        "machines": ADAPTATION_MACHINES,
        "rmse_base": [_round(transfer.base) for transfer in transfers],
        "rmse_alone": [_round(transfer.fleet_only) for transfer in transfers],
        "rmse_adapted": [_round(transfer.adapted) for transfer in transfers],
        "rmse_whole_fleet": [_round(transfer.whole_fleet) for transfer in transfers],
        "ratio": [_round(transfer.ratio) for transfer in transfers],
        "mean_ratio": _round(np.mean([transfer.ratio for transfer in transfers])),
    }


def nasa_score(predicted: Floats, truth: Floats) -> float:
    """Return the NASA score (Saxena et al. 2008), summed over machines.

    Late predictions are penalized more than early ones.
    """
    error = predicted - truth
    return float(np.where(error < 0, np.expm1(-error / 13), np.expm1(error / 10)).sum())


def _rmse(predicted: Floats, truth: Floats) -> float:
    """Return the rounded root mean squared error in cycles."""
    return _round(np.sqrt(np.mean((predicted - truth) ** 2)))


def _round(value: float | np.floating[Any]) -> float:
    """Round a figure to DIGITS decimals."""
    return round(float(value), DIGITS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write and print `metrics.json`."""
    record_metrics(
        arguments,
        "Evaluate the remaining useful life model.",
        METRICS,
        lambda directory: evaluate(load(directory), ARTEFACT.read_bytes()),
    )


if __name__ == "__main__":
    main()
