"""Evaluate a regressor on machines that its file lacks: capped remaining life from single rows.

It stands for wear of tools with one cutter left out, for which no set is at hand: few machines, a
few hundred rows of each, and a number that rises or falls over each machine's life.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.observed.metrics import rmse
from models.own_evaluation import round_figure, train
from models.rul.data import CAP, SENSORS, Engine
from models.rul.data import load as load_engines
from models.tables.schema import SchemaRequest
from models.tabular.adapt import TabularAdapter
from models.tabular.data import Floats, Goal, Indices, Target
from models.tabular.evaluation import compare
from models.tabular.plain_boosting import tuned_numbers
from models.tabular.variant import load

DRAWS, MACHINES = 3, 4
MACHINE, TARGET = "machine", "life"
SCHEMA = SchemaRequest(target=TARGET, machine=MACHINE, time="")
_SEED = 57


@dataclass(frozen=True, slots=True)
class HeldOutMachine:
    """Predictions of a machine's rows, [rows] each: ours with bounds, tuned boosting, the mean."""

    truth: Floats
    own: Floats
    lower: Floats
    upper: Floats
    tuned: Floats
    mean: Floats
    rejected: bool


def evaluate_lives(directory: Path, draws: int = DRAWS) -> dict[str, Any]:
    """Leave each of four engines out in turn, for several draws of engines."""
    engines = load_engines(directory).training
    generator = np.random.default_rng(_SEED)
    machines: list[HeldOutMachine] = []
    for _ in range(draws):
        chosen = [engines[at] for at in generator.choice(len(engines), MACHINES, replace=False)]
        for number, held_out in enumerate(chosen):
            others = [one for at, one in enumerate(chosen) if at != number]
            machines.append(leave_out(others, held_out))
    return {"draws": draws, "machines_of_a_draw": MACHINES, "cap": CAP, **summarize(machines)}


def leave_out(training: Sequence[Engine], held_out: Engine) -> HeldOutMachine:
    """Predict the rows of a machine by models of the others."""
    features = np.concatenate([one.readings for one in training]).astype(np.float64)
    values = np.concatenate([one.remaining for one in training]).astype(np.float64)
    numbers = np.repeat(np.arange(len(training)), [len(one.readings) for one in training])
    file = {
        MACHINE: np.array([f"E{number}" for number in numbers], dtype=object),
        **{name: features[:, at] for at, name in enumerate(SENSORS)},
        TARGET: values,
    }
    training_run = train(TabularAdapter(Goal.NUMBER, SCHEMA, threads=1), file)
    answer = load(training_run.artefact).run(
        {name: held_out.readings[:, at] for at, name in enumerate(SENSORS)}
    )
    own, lower, upper = (answer[name].astype(np.float64) for name in ("value", "lower", "upper"))
    rows = held_out.readings.astype(np.float64)
    return HeldOutMachine(
        held_out.remaining.astype(np.float64),
        own,
        lower,
        upper,
        tuned_numbers(features, values, numbers, rows),
        np.full(len(own), values.mean()),
        training_run.score.worse,
    )


def summarize(machines: Sequence[HeldOutMachine]) -> dict[str, Any]:
    """Return the errors on all rows, with the interval of the difference over machines."""
    truth, own, lower, upper, tuned, mean = (
        np.concatenate([getattr(one, name) for one in machines])
        for name in ("truth", "own", "lower", "upper", "tuned", "mean")
    )
    of_machine: Indices = np.repeat(np.arange(len(machines)), [len(one.truth) for one in machines])
    found = compare(Target(TARGET, Goal.NUMBER, truth), own, tuned, of_machine)
    return {
        "rmse": round_figure(found.model.value),
        "tuned_rmse": round_figure(found.baseline.value),
        "mean_rmse": round_figure(rmse(truth, mean)),
        "ratio_to_tuned": round_figure(found.model.value / found.baseline.value),
        "improvement_interval": [
            round_figure(found.difference.low),
            round_figure(found.difference.high),
        ],
        "coverage": round_figure(np.mean((lower <= truth) & (truth <= upper))),
        "rejected": sum(one.rejected for one in machines),
    }
