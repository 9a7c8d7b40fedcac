"""Train and export: `python -m models.condition.train`.

Owns how cycles are divided, the choice of the penalty's strength, the calibration and the gate
before the artefact is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from models.calibration import Calibration, calibrate, reliability
from models.condition.data import (
    SENSORS,
    TARGETS,
    Dataset,
    Floats,
    Places,
    load,
)
from models.condition.export import to_onnx
from models.condition.features import Exact, engineer
from models.condition.levels import LevelModel, Moments, fit
from models.condition.signature import signature
from models.onnx_graph import ExportDisagrees, opened
from models.training_data import write_artefact

ARTEFACT = Path(__file__).with_name("model.onnx")
# Short ones, so that a model which is judged for the calibration knows nearly what that of all
# cycles does: with ten, probabilities came out some .08 too low.
STRETCHES = 20
# Weaker ones let the sensors' contributions cancel each other, so that reasons mean nothing.
STRENGTHS = (0.001, 0.003, 0.01, 0.03)
EXPORT_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Trained:
    """What one training gives; `strengths` and `calibrations` are one for each target."""

    level: LevelModel
    strengths: tuple[float, ...]
    calibrations: tuple[Calibration, ...]
    model: ModelProto


@dataclass(frozen=True, slots=True)
class Answer:
    """What the graph says of one target, of N cycles: [N] each, the last two [N, TOLD]."""

    condition: NDArray[np.int64]
    probability: Floats
    reasons: NDArray[np.object_]
    contributions: Floats


def stretches(places: Places, count: int) -> list[Places]:
    """Cycles of [cycles, targets] in `count` stretches of time, about equally long. Each is cut
    where a condition changes, so that no cycle has its like in another stretch by being next to
    it."""
    changes = np.flatnonzero(np.any(np.diff(places, axis=0) != 0, axis=1)) + 1
    wanted = np.arange(1, count) * len(places) / count
    cuts = changes[np.abs(changes - wanted[:, np.newaxis]).argmin(axis=1)]
    return np.split(np.arange(len(places)), np.unique(cuts))


def unseen_scores(features: Exact, places: Places) -> list[list[Exact]]:
    """Of each strength and each target the scores [cycles, conditions], every cycle's by a model
    that has not seen its stretch."""
    told = [
        [np.empty((len(places), len(target.conditions))) for target in TARGETS] for _ in STRENGTHS
    ]
    for left_out in stretches(places, STRETCHES):
        seen = np.setdiff1d(np.arange(len(places)), left_out)
        moments = Moments.of(features[seen], places[seen])
        for of_strength, strength in zip(told, STRENGTHS, strict=True):
            model = fit(moments, (strength,) * len(TARGETS))
            for scores, part in zip(of_strength, model.scores(features[left_out]), strict=True):
                scores[left_out] = part
    return told


def choose(scores: Sequence[Exact], truth: Places) -> tuple[float, Calibration]:
    """Strength and calibration of one target, which make the true places [cycles] likeliest, by
    scores [cycles, conditions] that each of STRENGTHS gave to unseen cycles."""
    found = [calibrate(one, truth, shifted=False) for one in scores]
    losses = [
        reliability(calibration.probabilities(one), truth)["log_loss"]
        for calibration, one in zip(found, scores, strict=True)
    ]
    at = int(np.argmin(losses))
    return STRENGTHS[at], found[at]


def learn(readings: Floats, places: Places) -> Trained:
    """Model, calibration and graph from readings [cycles, sensors, SECONDS] and places [cycles,
    targets]."""
    features = engineer(readings)
    by_target = zip(*unseen_scores(features, places), strict=True)
    chosen = [choose(scores, places[:, at]) for at, scores in enumerate(by_target)]
    strengths = tuple(strength for strength, _ in chosen)
    calibrations = tuple(calibration for _, calibration in chosen)
    level = fit(Moments.of(features, places), strengths)
    return Trained(
        level, strengths, calibrations, to_onnx(level, calibrations, signature(readings))
    )


def predict(trained: Trained, readings: Floats, at: int) -> Exact:
    """Probability of each condition of one target, [cycles, conditions], in double precision."""
    scores = trained.level.scores(engineer(readings))[at]
    return trained.calibrations[at].probabilities(scores)


def train(dataset: Dataset) -> Trained:
    """Learn from all cycles, and check the graph.

    Raises ExportDisagrees where the graph and the model differ on one of them.
    """
    trained = learn(dataset.readings, dataset.places)
    answers = run(trained.model.SerializeToString(), dataset.readings)
    for at, target in enumerate(TARGETS):
        expected = predict(trained, dataset.readings, at).max(axis=1)
        apart = np.abs(answers[target.name].probability - expected).max()
        if apart > EXPORT_TOLERANCE:
            raise ExportDisagrees(f"The graph's {target.name} is {apart:.1e} from the model's.")
    return trained


def run(artefact: bytes, readings: Floats) -> dict[str, Answer]:
    """What a serialised graph says of readings [cycles, sensors, SECONDS], for each target."""
    feed = {name: readings[:, at] for at, name in enumerate(SENSORS)}
    parts = ("", "_probability", "_reasons", "_contributions")
    session = opened(artefact)
    return {
        target.name: Answer(*session.run([f"{target.name}{part}" for part in parts], feed))
        for target in TARGETS
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the artefact."""
    write_artefact(arguments, "Train the condition and export it to ONNX.", ARTEFACT, _made)


def _made(directory: Path) -> tuple[bytes, str]:
    trained = train(load(directory))
    said = "strengths " + ", ".join(str(one) for one in trained.strengths)
    return trained.model.SerializeToString(deterministic=True), said


if __name__ == "__main__":
    main()
