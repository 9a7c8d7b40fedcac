"""Adapting the failure class to another machine: its labelled operating points in, a variant out.

Owns what is told, what labels are refused for, the held-out score and the variant's graph.

Every row is judged by trees and weights that were not fitted to it; the weights, three numbers,
lean on trees of other folds, which saw it. The score is log-loss: with few
failures F1 moves in steps of several hundredths, and a lucky threshold would pass for skill. The
base is given its best chance, as it is or recalibrated on the same rows: a variant that only told
how often this machine fails would be no better.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from models.adaptation import Adaptation, Progress, Score, TrainingFileInvalid
from models.calibration import Calibration, Exact
from models.contributing_trees import joined
from models.failure_class.base import Base
from models.failure_class.data import Flags
from models.failure_class.export import Rule, own_trees, to_graph
from models.failure_class.features import engineer
from models.failure_class.labelled import Labelled, read
from models.failure_class.pooling import (
    FOLDS,
    Learned,
    LeftOut,
    grow,
    left_out,
    log_loss,
    recalibrated,
    weigh,
)
from models.failure_class.signature import widened
from models.failure_class.train import (
    ARTEFACT,
    EXPORT_TOLERANCE,
    best_f1_threshold,
    log_odds,
    run,
)
from models.onnx_graph import ExportDisagrees

METRIC = "log-loss, nats a row; the base as it is or recalibrated, whichever does better"
# Standard errors from chance: labels at random get so far once in a hundred.
SURE = 2.33
# Labels that the base ranks so badly, and surely, are taken for swapped. Nearer to one half it may
# know nothing of this machine, which many rows would make sure as well.
SWAPPED = 0.45


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows by what has not seen them, [N] each: log-odds of the recalibrated base and of the
    variant, and the variant's decision."""

    recalibrated: Exact
    variant: Exact
    decision: Flags


def adapt(training_file: bytes, progress: Progress) -> Adaptation:
    """Learn lines of `{"type": "L", "air_temperature": 300.1, …, "failure": 0}`, one for each
    operating point. Raises TrainingFileInvalid."""
    base = Base.of(ARTEFACT.read_bytes())
    return adapted(base, read(training_file, base.signature), progress)


def adapted(base: Base, labelled: Labelled, progress: Progress) -> Adaptation:
    """A variant of any base. Raises TrainingFileInvalid where the labels mean nothing to it."""
    failed, count = labelled.failed, len(labelled.failed)
    repeated = f" {labelled.repeated} lines say one again." if labelled.repeated else ""
    progress(f"{count} different operating points, {failed.sum()} of them failures.{repeated}")
    rows = Learned(engineer(labelled.points), base.log_odds(labelled.points), failed)
    _require_not_swapped(rows)
    progress(f"Scoring: each of {FOLDS} parts is left out in turn.")
    unseen = left_out(rows)
    judged = judge(rows, unseen)
    _require_meaning(judged.variant, failed)
    score = score_of(rows, judged)
    progress(f"Left out, the base {_found(base.decisions(rows.base), failed)}.")
    progress(f"Left out, the variant {_found(judged.decision, failed)}.")
    artefact = render(base, labelled, rows, unseen)
    return Adaptation(artefact, score, count, count)


def judge(rows: Learned, unseen: LeftOut) -> Judged:
    """Weights and threshold, too, are fitted without the fold that they are tried on."""
    count = len(rows.failed)
    alone, told, decision = np.empty(count), np.empty(count), np.empty(count, dtype=np.bool_)
    for number in range(FOLDS):
        there = unseen.fold == number
        base, trees, failed = (one[~there] for one in (rows.base, unseen.trees, rows.failed))
        weights = weigh(base, trees, failed)
        threshold = best_f1_threshold(failed, expit(weights.log_odds(base, trees)))
        told[there] = weights.log_odds(rows.base[there], unseen.trees[there])
        decision[there] = expit(told[there]) >= threshold
        alone[there] = recalibrated(base, failed).log_odds(rows.base[there], np.zeros(1))
    return Judged(alone, told, decision)


def score_of(rows: Learned, judged: Judged) -> Score:
    """The variant beside the better of the base as it is and the base recalibrated."""
    before = min(log_loss(told, rows.failed) for told in (rows.base, judged.recalibrated))
    return Score(METRIC, before, log_loss(judged.variant, rows.failed), higher_is_better=False)


def render(base: Base, labelled: Labelled, rows: Learned, unseen: LeftOut) -> bytes:
    """The graph: trees of all rows beside the base's, weighed as the rows left out ask for.

    Raises ExportDisagrees.
    """
    booster, weights = grow(rows), weigh(rows.base, unseen.trees, rows.failed)
    threshold = best_f1_threshold(rows.failed, expit(weights.log_odds(rows.base, unseen.trees)))
    trees = joined([(weights.base, base.trees), (weights.trees, own_trees(booster))])
    rule = Rule(Calibration(1.0, np.array([0.0, weights.shift])), threshold)
    signature = widened(base.signature, labelled.points, float(threshold))
    artefact: bytes = to_graph(trees, rule, signature).SerializeToString(deterministic=True)
    _require_same(artefact, labelled, weights.log_odds(rows.base, log_odds(booster, rows.features)))
    return artefact


def _require_same(artefact: bytes, labelled: Labelled, told: Exact) -> None:
    answered = run(artefact, labelled.points).probability
    if not np.allclose(answered, expit(told), rtol=0, atol=EXPORT_TOLERANCE):
        raise ExportDisagrees("The variant's graph does not reproduce its trees.")


def _require_not_swapped(rows: Learned) -> None:
    ranked, sure = _standing(rows.base, rows.failed)
    if ranked < SWAPPED and sure < -SURE:
        raise TrainingFileInvalid(
            "The labels look swapped: what the file calls failures is what the base takes for "
            f"healthy (area under the ROC curve {ranked:.2f}). `failure` is 1 where it failed."
        )


def _require_meaning(told: Exact, failed: Flags) -> None:
    ranked, sure = _standing(told, failed)
    if sure < SURE:
        raise TrainingFileInvalid(
            "The labels follow nothing that these inputs show: failures left out are told from "
            f"healthy points hardly better than by chance (area under the ROC curve {ranked:.2f}). "
            "Give more rows, or look for wrong labels."
        )


def _standing(told: Exact, failed: Flags) -> tuple[float, float]:
    """How well failures are ranked above others, and how many standard errors that is from chance
    (Mann-Whitney)."""
    ranked = float(roc_auc_score(failed, told))
    ones, zeros = int(failed.sum()), int((~failed).sum())
    error = np.sqrt((ones + zeros + 1) / (12 * ones * zeros))
    return ranked, float((ranked - 0.5) / error)


def _found(decision: Flags, failed: Flags) -> str:
    return (
        f"finds {np.sum(decision & failed)} of {failed.sum()} failures, with "
        f"{np.sum(decision & ~failed)} false alarms"
    )
