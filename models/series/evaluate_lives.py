"""Evaluate remaining life on engines: trained on a few of them in turn, and on all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.own_evaluation import Training, long_table, round_figure, train
from models.series.life.adapt import LifeAdapter
from models.series.life.variant import LifeVariant, load
from models.series.public_sets import (
    ENGINE_COLUMNS,
    Engines,
    read_test_engines,
    read_training_engines,
)
from models.series.series import Floats
from models.tables.schema import SchemaRequest

FLEET = "FD001"
# As in most of the literature: longer lives are not told apart.
CAP = 125
ENGINES_OF_A_DRAW, DRAWS = 5, 20
MORE_ENGINES, DRAWS_OF_MORE = (20, 50), 3
STEP = "step"
SCHEMA = SchemaRequest(machine="engine", time=STEP, cap=CAP)
# Draws with other engines than those by which the method was chosen.
_SEED = 2026


def evaluate_lives(directory: Path, draws: int = DRAWS) -> dict[str, Any]:
    """Return errors and coverage on the test engines, by draws of engines and from all."""
    engines, test = read_training_engines(directory, FLEET), read_test_engines(directory, FLEET)
    generator = np.random.default_rng(_SEED)
    chosen = [
        generator.choice(len(engines.histories), ENGINES_OF_A_DRAW, replace=False)
        for _ in range(draws)
    ]
    of_draws = [
        evaluate_training(_train([engines.histories[at] for at in draw]), test) for draw in chosen
    ]
    return {
        "fleet": FLEET,
        "engines_of_a_draw": ENGINES_OF_A_DRAW,
        "draws": _summary(of_draws),
        "more_engines": [
            _evaluate_count(engines, test, count)
            for count in MORE_ENGINES
            if count < len(engines.histories)
        ],
        **_evaluate_all(engines, test),
    }


def _evaluate_count(engines: Engines, test: Engines, count: int) -> dict[str, Any]:
    """Return mean figures of draws of so many engines, with whole histories and last steps."""
    generator = np.random.default_rng(_SEED)
    found = []
    for _ in range(DRAWS_OF_MORE):
        draw = generator.choice(len(engines.histories), count, replace=False)
        training = _train([engines.histories[at] for at in draw])
        found.append([evaluate_training(training, test, with_times=one) for one in (True, False)])
    return {
        "engines": count,
        "rmse": round_figure(np.mean([whole["rmse"] for whole, _ in found])),
        "coverage": round_figure(np.mean([whole["coverage"] for whole, _ in found])),
        "rmse_without_times": round_figure(np.mean([last["rmse"] for _, last in found])),
        "processor_s": round_figure(np.mean([whole["processor_s"] for whole, _ in found])),
    }


def _evaluate_all(engines: Engines, test: Engines) -> dict[str, Any]:
    """Return the figures of all engines, called with whole histories and with last steps."""
    training = _train(engines.histories)
    return {
        "all_engines": evaluate_training(training, test),
        "all_engines_without_times": evaluate_training(training, test, with_times=False),
    }


def _train(histories: Sequence[Floats]) -> Training:
    """Train on histories, [cycles, columns] each, as a customer's file."""
    names = [f"E{number}" for number in range(len(histories))]
    return train(
        LifeAdapter(SCHEMA, threads=1), long_table(histories, ENGINE_COLUMNS, engine=names)
    )


def evaluate_training(
    training: Training, test: Engines, *, with_times: bool = True
) -> dict[str, Any]:
    """Call an artefact after the last cycle of each test engine; lives above CAP count as CAP."""
    variant = load(training.artefact)
    answers = np.array([_call(variant, history, with_times) for history in test.histories])
    truth = np.minimum(test.remaining, CAP)
    value, lower, upper = answers.T
    return {
        "rmse": round_figure(np.sqrt(np.mean((value - truth) ** 2))),
        "coverage": round_figure(np.mean((lower <= truth) & (truth <= upper))),
        "width": round_figure(np.mean(np.minimum(upper, CAP) - lower)),
        "rejected": training.score.worse,
        "processor_s": round_figure(training.processor_s),
    }


def _call(variant: LifeVariant, history: Floats, with_times: bool) -> tuple[float, float, float]:
    """Return the remaining life after the last cycle with its interval at 90 %."""
    inputs = {
        name: history[np.newaxis, :, position].astype(np.float32)
        for position, name in enumerate(ENGINE_COLUMNS)
    }
    steps = np.arange(len(history), dtype=np.float32)
    times = steps if with_times else np.full_like(steps, np.nan)
    answer = variant.run({**inputs, STEP: times[np.newaxis]})
    return tuple(float(answer[name][0]) for name in ("value", "lower", "upper"))  # type: ignore[return-value]


def _summary(draws: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return means and extremes over draws."""
    errors, coverages = ([one[name] for one in draws] for name in ("rmse", "coverage"))
    return {
        "count": len(draws),
        "rmse_mean": round_figure(np.mean(errors)),
        "rmse_range": [min(errors), max(errors)],
        "coverage_mean": round_figure(np.mean(coverages)),
        "coverage_range": [min(coverages), max(coverages)],
        "below_80_percent": sum(one < 0.8 for one in coverages),
        "width_mean": round_figure(np.mean([one["width"] for one in draws])),
        "rejected": sum(one["rejected"] for one in draws),
        "processor_s": round_figure(np.mean([one["processor_s"] for one in draws])),
    }
