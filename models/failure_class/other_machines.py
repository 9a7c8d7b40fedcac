"""Stand-ins for a customer's machine, and how the base and its variants do on them.

No second machine is in the training data, so the base is trained without the rows that stand for
one: half of the set under other limits, or the stretch that holds the heat failures, under the
labels that it has.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.special import expit, logit
from sklearn.metrics import average_precision_score, f1_score

from models.adaptation import Adaptation, Score, TrainingFileInvalid
from models.calibration import Exact
from models.failure_class.adapt import adapted
from models.failure_class.base import Base
from models.failure_class.data import Dataset, Flags, OperatingPoints, Rows
from models.failure_class.features import engineer
from models.failure_class.labelled import FEWEST_OF_A_CLASS, Labelled
from models.failure_class.pooling import log_loss
from models.failure_class.train import Answer, fit, learn, log_odds, run

# Rows of the file, in its order, of which 131 failed, 108 of these by heat.
HEAT_STRETCH = slice(3900, 4900)
# So many labels are wrong, as random failures are in the set itself.
NOISE = 0.003
# A probability in single precision is 0 or 1 before its log-odds are infinite.
_SMALLEST = 1e-7
HEAT = "heat_failures"
COUNTS, HEAT_COUNTS = (50, 200, 1000), (50, 200, 500)
DRAWS = 2
DIGITS = 4

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a machine fails: a temperature difference below `heat` K under `slow` rpm, power
    outside `least` to `most` W, a strain above `strain` min·N·m at grade L (1,000 more a grade)."""

    heat: float
    slow: float
    least: float
    most: float
    strain: float

    def failures(self, points: OperatingPoints) -> Flags:
        """[N], without noise."""
        grade, speed, _, _, difference, power, strain = engineer(points).T
        hot = (difference < np.float32(self.heat)) & (speed < self.slow)
        weak = (power < self.least) | (power > self.most)
        return np.asarray(hot | weak | (strain > self.strain + 1000 * grade))


@dataclass(frozen=True, slots=True)
class Machine:
    """A base that has seen none of its rows, and all of the machine's rows."""

    base: bytes
    rows: Labelled


@dataclass(frozen=True, slots=True)
class Tried:
    """One file. base, alone, adapted: log-loss, F1 and PR-AUC on the rows kept apart; `alone` is
    the base's learner on the file only. Without a variant, `adapted` is what the base does and
    `claimed`, the held-out score, is None. Whether the file is refused with its labels dealt out at
    random, and with all of them swapped."""

    base: Figures
    alone: Figures
    adapted: Figures
    claimed: Score | None
    random_refused: bool
    swapped_refused: bool


# The author's are 8.6, 1380, 3500, 9000 and 11000.
LIMITS: Mapping[str, Limits] = MappingProxyType(
    {
        "tighter_limits": Limits(9.0, 1420, 4000, 8000, 9000),
        # No heat failures, and strain that the base alarms at is borne.
        "other_limits": Limits(7.0, 1380, 4400, 7700, 13000),
    }
)


def measured(dataset: Dataset, seeds: Sequence[int]) -> dict[str, Any]:
    """By machine and number of rows; DRAWS files of each division. Means over the files."""
    tries: dict[tuple[str, int], list[Tried]] = defaultdict(list)
    heat = heat_machine(dataset)
    for seed in seeds:
        for name, machine in {**machines(dataset, seed), HEAT: heat}.items():
            for count in HEAT_COUNTS if name == HEAT else COUNTS:
                for draw in range(DRAWS):
                    tries[name, count].append(tried(machine, count, DRAWS * seed + draw))
    told: dict[str, Any] = defaultdict(dict)
    for (name, count), each in tries.items():
        told[name][f"{count}_rows"] = _summary(each)
    return dict(told)


def machines(dataset: Dataset, seed: int) -> Mapping[str, Machine]:
    """The half of the rows that the base has not seen, as several machines."""
    random = np.random.default_rng(seed)
    known, others = np.array_split(random.permutation(len(dataset.failed)), 2)
    base, points = _base(dataset, known), dataset.points.take(others)
    made = {"the_same_machine": Machine(base, Labelled(points, dataset.failed[others]))}
    for name, limits in LIMITS.items():
        wrong = random.random(len(others)) < NOISE
        made[name] = Machine(base, Labelled(points, limits.failures(points) ^ wrong))
    return made


def heat_machine(dataset: Dataset) -> Machine:
    """The stretch of heat failures. Of these its base has seen seven."""
    rows = np.arange(len(dataset.failed))
    stretch = rows[HEAT_STRETCH]
    heat = Labelled(dataset.points.take(stretch), dataset.failed[stretch])
    return Machine(_base(dataset, np.setdiff1d(rows, stretch)), heat)


def tried(machine: Machine, count: int, seed: int) -> Tried:
    """Adapted to `count` of its rows, as often failures as in all; tried on the others."""
    rows, test = divided(machine.rows, count, seed)
    base = Base.of(machine.base)
    made = _accepted(base, rows)
    dealt = np.random.default_rng(seed).permutation(rows.failed)
    before = _figures(run(machine.base, test.points), test.failed)
    return Tried(
        base=before,
        alone=_alone(rows, test),
        adapted=_figures(run(made.artefact, test.points), test.failed) if made else before,
        claimed=made.score if made else None,
        random_refused=_accepted(base, replace(rows, failed=dealt)) is None,
        swapped_refused=_accepted(base, replace(rows, failed=~rows.failed)) is None,
    )


def _accepted(base: Base, rows: Labelled) -> Adaptation | None:
    """None where the customer gets no variant."""
    try:
        made = adapted(base, rows, lambda _: None)
    except TrainingFileInvalid:
        return None
    return None if made.score.worse else made


def divided(rows: Labelled, count: int, seed: int) -> tuple[Labelled, Labelled]:
    """`count` rows, failures by their share among all, and the rest."""
    order = np.random.default_rng(seed).permutation(len(rows.failed))
    ones, zeros = order[rows.failed[order]], order[~rows.failed[order]]
    wanted = max(FEWEST_OF_A_CLASS, round(count * len(ones) / len(order)))
    taken = np.concatenate([ones[:wanted], zeros[: count - wanted]])
    rest = np.concatenate([ones[wanted:], zeros[count - wanted :]])
    return _take(rows, taken), _take(rows, rest)


def _take(rows: Labelled, which: Rows) -> Labelled:
    return Labelled(rows.points.take(which), rows.failed[which])


def _base(dataset: Dataset, rows: Rows) -> bytes:
    trained = learn(dataset.points.take(rows), dataset.failed[rows])
    artefact: bytes = trained.model.SerializeToString()
    return artefact


def _alone(rows: Labelled, test: Labelled) -> Figures:
    """The base's own learner on these rows only."""
    told = log_odds(fit(engineer(rows.points), rows.failed), engineer(test.points))
    return _measured(told, told >= 0, test.failed)


def _figures(answer: Answer, failed: Flags) -> Figures:
    probability = answer.probability.astype(np.float64)
    told = np.asarray(logit(np.clip(probability, _SMALLEST, 1 - _SMALLEST)))
    return _measured(told, answer.failure == 1, failed)


def _measured(told: Exact, decision: Flags, failed: Flags) -> Figures:
    return {
        "log_loss": log_loss(told, failed),
        "f1": float(f1_score(failed, decision)),
        "pr_auc": float(average_precision_score(failed, expit(told))),
    }


def _summary(each: Sequence[Tried]) -> dict[str, Any]:
    claims = [one.claimed for one in each if one.claimed]
    return {
        "files": len(each),
        "base": _mean([one.base for one in each]),
        "alone": _mean([one.alone for one in each]),
        "adapted": _mean([one.adapted for one in each]),
        "held_out_score": _mean([{"base": c.base or 0.0, "adapted": c.adapted} for c in claims]),
        "worse_than_base": sum(one.adapted["log_loss"] > one.base["log_loss"] for one in each),
        "refused": len(each) - len(claims),
        "refused_with_random_labels": sum(one.random_refused for one in each),
        "refused_with_swapped_labels": sum(one.swapped_refused for one in each),
    }


def _mean(each: Sequence[Figures]) -> Figures:
    names = each[0] if each else ()
    return {name: round(float(np.mean([one[name] for one in each])), DIGITS) for name in names}
