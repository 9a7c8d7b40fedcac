"""Fine-tune the failure classifier on a customer's labelled operating points.

Every row is scored by trees and weights that were not fitted to it; the three weights are fitted on
predictions of other folds' trees, which saw the row. The score is log-loss: with few failures F1
moves in steps of several hundredths, and a lucky threshold would look like skill. The variant is
compared with the better of the base as it is and the base recalibrated on the same rows: a variant
that only learned this machine's failure rate would be no better.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from models.adaptation import Adaptation, ProgressCallback, Score, TrainingFileInvalid
from models.calibration import Calibration, FloatArray
from models.contributing_trees import combine_ensembles
from models.failure_class.base import BaseClassifier
from models.failure_class.data import Flags
from models.failure_class.export import DecisionRule, booster_trees, build_graph
from models.failure_class.features import compute_features
from models.failure_class.labelled import LabelledPoints, read_training_file
from models.failure_class.pooling import (
    FOLDS,
    OutOfFoldLogOdds,
    TrainingRows,
    fit_recalibration,
    fit_trees,
    fit_weights,
    log_loss,
    predict_out_of_fold,
)
from models.failure_class.signature import variant_signature
from models.failure_class.train import (
    ARTEFACT,
    EXPORT_TOLERANCE,
    best_f1_threshold,
    log_odds,
    run_artefact,
)
from models.onnx_graph import ExportMismatch
from models.sentences import Sentence, sentence

METRIC = "log-loss, nats a row; the base as it is or recalibrated, whichever does better"
# z-score of the ROC AUC that random labels reach once in a hundred.
MIN_Z_SCORE = 2.33
# Below this ROC AUC of the base the labels are taken for swapped. Nearer to one half the base may
# just not fit this machine, which becomes significant as well with many rows.
MAX_SWAPPED_AUC = 0.45


@dataclass(frozen=True, slots=True)
class HeldOutPredictions:
    """Held-out predictions, [N] each.

    Log-odds of the recalibrated base and of the variant, and the variant's decision.
    """

    recalibrated: FloatArray
    variant: FloatArray
    decision: Flags


def adapt(training_file: bytes, progress: ProgressCallback) -> Adaptation:
    """Fine-tune the committed base on a training file and return the variant.

    A line is `{"type": "L", "air_temperature": 300.1, …, "failure": 0}`, one for each operating
    point. Raises TrainingFileInvalid.
    """
    base = BaseClassifier.from_artefact(ARTEFACT.read_bytes())
    return fit_variant(base, read_training_file(training_file, base.signature), progress)


def fit_variant(
    base: BaseClassifier, labelled: LabelledPoints, progress: ProgressCallback
) -> Adaptation:
    """Fit, score and export a variant of `base`. Raises TrainingFileInvalid for useless labels."""
    failed, count = labelled.failed, len(labelled.failed)
    duplicates = (
        sentence(" {count} lines are duplicates.", count=labelled.duplicates)
        if labelled.duplicates
        else ""
    )
    progress(
        sentence(
            "{count} different operating points, {failed} of them failures.{duplicates}",
            count=count,
            failed=failed.sum(),
            duplicates=duplicates,
        )
    )
    rows = TrainingRows(compute_features(labelled.points), base.log_odds(labelled.points), failed)
    _require_not_swapped(rows)
    progress(sentence("Evaluating with {folds}-fold cross-validation.", folds=FOLDS))
    out_of_fold = predict_out_of_fold(rows)
    held_out = predict_held_out(rows, out_of_fold)
    _require_signal(held_out.variant, failed)
    score = compare_with_base(rows, held_out)
    base_decision = base.predict_failure(rows.base_log_odds)
    progress(_describe_detections(sentence("the base model"), base_decision, failed))
    progress(_describe_detections(sentence("the fine-tuned model"), held_out.decision, failed))
    artefact = build_artefact(base, labelled, rows, out_of_fold)
    return Adaptation(artefact, score, count, count)


def predict_held_out(rows: TrainingRows, out_of_fold: OutOfFoldLogOdds) -> HeldOutPredictions:
    """Return held-out predictions; weights and threshold, too, are fitted without the test fold."""
    count = len(rows.failed)
    recalibrated_log_odds, variant_log_odds, decision = (
        np.empty(count),
        np.empty(count),
        np.empty(count, dtype=np.bool_),
    )
    for fold in range(FOLDS):
        test = out_of_fold.fold == fold
        base, trees, failed = (
            column[~test] for column in (rows.base_log_odds, out_of_fold.log_odds, rows.failed)
        )
        weights = fit_weights(base, trees, failed)
        threshold = best_f1_threshold(failed, expit(weights.log_odds(base, trees)))
        variant_log_odds[test] = weights.log_odds(
            rows.base_log_odds[test], out_of_fold.log_odds[test]
        )
        decision[test] = expit(variant_log_odds[test]) >= threshold
        recalibrated_log_odds[test] = fit_recalibration(base, failed).log_odds(
            rows.base_log_odds[test], np.zeros(1)
        )
    return HeldOutPredictions(recalibrated_log_odds, variant_log_odds, decision)


def compare_with_base(rows: TrainingRows, held_out: HeldOutPredictions) -> Score:
    """Return the held-out log-loss of the variant and of the base (recalibrated if better)."""
    before = min(
        log_loss(log_odds, rows.failed) for log_odds in (rows.base_log_odds, held_out.recalibrated)
    )
    return Score(METRIC, before, log_loss(held_out.variant, rows.failed), higher_is_better=False)


def build_artefact(
    base: BaseClassifier,
    labelled: LabelledPoints,
    rows: TrainingRows,
    out_of_fold: OutOfFoldLogOdds,
) -> bytes:
    """Build the variant's ONNX graph: the base's trees and trees of all rows, weighted.

    The weights are fitted on the out-of-fold log-odds. Raises ExportDisagrees.
    """
    booster, weights = (
        fit_trees(rows),
        fit_weights(rows.base_log_odds, out_of_fold.log_odds, rows.failed),
    )
    threshold = best_f1_threshold(
        rows.failed, expit(weights.log_odds(rows.base_log_odds, out_of_fold.log_odds))
    )
    trees = combine_ensembles([(weights.base, base.trees), (weights.trees, booster_trees(booster))])
    rule = DecisionRule(Calibration(1.0, np.array([0.0, weights.shift])), threshold)
    signature = variant_signature(base.signature, labelled.points, float(threshold))
    artefact: bytes = build_graph(trees, rule, signature).SerializeToString(deterministic=True)
    _require_same_output(
        artefact, labelled, weights.log_odds(rows.base_log_odds, log_odds(booster, rows.features))
    )
    return artefact


def _require_same_output(artefact: bytes, labelled: LabelledPoints, log_odds: FloatArray) -> None:
    """Raise ExportDisagrees unless the graph reproduces the variant's log-odds."""
    probability = run_artefact(artefact, labelled.points).probability
    if not np.allclose(probability, expit(log_odds), rtol=0, atol=EXPORT_TOLERANCE):
        raise ExportMismatch("The variant's graph does not reproduce its trees.")


def _require_not_swapped(rows: TrainingRows) -> None:
    """Raise TrainingFileInvalid if the base ranks the labels significantly the wrong way."""
    auc, z_score = _auc_and_z_score(rows.base_log_odds, rows.failed)
    if auc < MAX_SWAPPED_AUC and z_score < -MIN_Z_SCORE:
        raise TrainingFileInvalid(
            sentence(
                "The labels look swapped: the base model rates the rows labelled as "
                "failures as healthy (area under the ROC curve {auc:.2f}). Set "
                "`failure` to 1 for rows that failed.",
                auc=auc,
            )
        )


def _require_signal(log_odds: FloatArray, failed: Flags) -> None:
    """Raise TrainingFileInvalid if held-out log-odds rank failures no better than chance."""
    auc, z_score = _auc_and_z_score(log_odds, failed)
    if z_score < MIN_Z_SCORE:
        raise TrainingFileInvalid(
            sentence(
                "The labels cannot be predicted from these inputs: held-out failures "
                "are detected hardly better than by chance (area under the ROC curve "
                "{auc:.2f}). Add more rows, or check the labels.",
                auc=auc,
            )
        )


def _auc_and_z_score(log_odds: FloatArray, failed: Flags) -> tuple[float, float]:
    """Return ROC AUC and its Mann-Whitney z-score against chance (0.5)."""
    auc = float(roc_auc_score(failed, log_odds))
    positives, negatives = int(failed.sum()), int((~failed).sum())
    error = np.sqrt((positives + negatives + 1) / (12 * positives * negatives))
    return auc, float((auc - 0.5) / error)


def _describe_detections(model: Sentence, decision: Flags, failed: Flags) -> Sentence:
    """Describe how many failures were found and how many alarms were false."""
    return sentence(
        "On held-out rows, {model} finds {found} of {count} failures, with {false} false alarms.",
        model=model,
        found=np.sum(decision & failed),
        count=failed.sum(),
        false=np.sum(decision & ~failed),
    )
