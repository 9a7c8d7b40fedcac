"""Measure and record: `python -m models.rul.evaluate`.

Owns `metrics.json`: how far the remaining life is off for machines that were never seen, how often
the interval holds, and how far the committed artefact agrees with the trees that training gives
now. Changes neither the method nor the artefact (train.py).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.onnx_graph import opened
from models.rul.data import (
    CAP,
    Dataset,
    Fleet,
    Floats,
    load,
)
from models.rul.features import Scaling, latest
from models.rul.intervals import CONFIDENCE, EDGES, calibrate
from models.rul.other_fleets import FEW, carried
from models.rul.train import ARTEFACT, fit, predict, run, train, unseen
from models.training_data import record_metrics

METRICS = Path(__file__).with_name("metrics.json")
# Not the seeds on which features and settings were compared.
SEEDS = (101, 102, 103, 104, 105)
DIVISIONS = 200
DIGITS = 3

Figures = dict[str, float]


def evaluate(dataset: Dataset, artefact: bytes) -> dict[str, Any]:
    """Every figure of the model card, ready for JSON."""
    return {
        "data": {"sha256": dict(dataset.sha256), "cap": CAP, "edges": list(EDGES)},
        "single_seeds": single_seeds(dataset),
        "artefact": artefact_figures(dataset, artefact),
        "interval_of_unseen_machines": coverage(dataset.training),
        "another_fleet": another_fleet(dataset.training),
    }


def single_seeds(dataset: Dataset) -> dict[str, Any]:
    """The test set by one booster each, the mean of which is what is compared with others'."""
    scaling = Scaling.of(dataset.training)
    features, truth = latest(dataset.test, scaling)
    errors = [
        _rmse(predict([fit(dataset.training, scaling, seed)], features), truth) for seed in SEEDS
    ]
    return {
        "rmse": errors,
        "mean": _rounded(np.mean(errors)),
        "deviation": _rounded(np.std(errors)),
    }


def artefact_figures(dataset: Dataset, artefact: bytes) -> dict[str, Any]:
    """The committed graph in ONNX Runtime on the test set, and beside a fresh training."""
    trained = train(dataset.training)
    features, truth = latest(dataset.test, trained.scaling)
    said, lower, upper = ask(artefact, dataset.test)
    left = np.array([one.left for one in dataset.test], dtype=np.float32)
    fresh = predict(trained.boosters, features)
    return {
        "bytes": len(artefact),
        "rmse": _rmse(said, truth),
        "rmse_of_uncapped_truth": _rmse(said, left),
        "mean_absolute_error": _rounded(np.abs(said - truth).mean()),
        "nasa_score": _rounded(nasa_score(said, truth)),
        "covered": _rounded(np.mean((lower <= truth) & (truth <= upper))),
        "confidence": CONFIDENCE,
        "mean_width": _rounded(np.mean(upper - lower)),
        "largest_difference_from_trees": _rounded(np.abs(said - fresh).max()),
    }


def ask(artefact: bytes, fleet: Fleet) -> tuple[Floats, Floats, Floats]:
    """What the graph says after each machine's last cycle: remaining, lower, upper."""
    session = opened(artefact)
    answers = [run(session, one.readings[np.newaxis]) for one in fleet]
    remaining, lower, upper = (np.concatenate(part) for part in zip(*answers, strict=True))
    return remaining, lower, upper


def coverage(fleet: Fleet) -> Figures:
    """How often the interval holds where four fifths of the machines calibrate it and it is judged
    on the others, at cycles of which each machine's count as one, over many divisions."""
    said, truth = unseen(fleet, SEEDS[0])
    generator = np.random.default_rng(SEEDS[0])
    shares = []
    for _ in range(DIVISIONS):
        order = generator.permutation(len(fleet))
        ours, others = np.split(order, [len(order) * 4 // 5])
        widths = calibrate([said[at] for at in ours], [truth[at] for at in ours])
        held = [np.mean(np.abs(said[at] - truth[at]) <= widths.of(said[at])) for at in others]
        shares.append(np.mean(held))
    return {"covered": _rounded(np.mean(shares)), "deviation": _rounded(np.std(shares))}


def another_fleet(fleet: Fleet) -> dict[str, Any]:
    """What five machines of another fleet are worth (other_fleets.py)."""
    each = [carried(fleet, seed) for seed in SEEDS]
    return {
        "machines": FEW,
        "rmse_base": [_rounded(one.base) for one in each],
        "rmse_alone": [_rounded(one.alone) for one in each],
        "rmse_adapted": [_rounded(one.few) for one in each],
        "rmse_whole_fleet": [_rounded(one.whole) for one in each],
        "ratio": [_rounded(one.ratio) for one in each],
        "mean_ratio": _rounded(np.mean([one.ratio for one in each])),
    }


def nasa_score(said: Floats, truth: Floats) -> float:
    """Saxena et al. 2008: late is worse than early; a sum over the machines."""
    late = said - truth
    return float(np.where(late < 0, np.expm1(-late / 13), np.expm1(late / 10)).sum())


def _rmse(said: Floats, truth: Floats) -> float:
    return _rounded(np.sqrt(np.mean((said - truth) ** 2)))


def _rounded(value: float | np.floating[Any]) -> float:
    return round(float(value), DIGITS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write `metrics.json` and show it."""
    record_metrics(
        arguments,
        "Measure the remaining life and its artefact.",
        METRICS,
        lambda directory: evaluate(load(directory), ARTEFACT.read_bytes()),
    )


if __name__ == "__main__":
    main()
