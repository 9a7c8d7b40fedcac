"""Train and save the routing classifier: `python -m models.routing.train`.

A one-vs-rest linear SVM; a temperature fitted to out-of-fold margins calibrates its probabilities.
Settings were chosen by cross-validation and the development set, never by the test requests.
"""

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix
from scipy.special import log_softmax
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.svm import LinearSVC

from models.routing.classifier import ARTEFACT, RouteClassifier
from models.routing.data import EXAMPLES, LabelledText, examples_digest, list_tasks, read_examples
from models.routing.features import BUCKETS, features

FOLDS = 10
SEED = 1

Margins = NDArray[np.float64]


def train_classifier(examples: Sequence[LabelledText]) -> RouteClassifier:
    """Train the classifier: at least three tasks, at least FOLDS examples each."""
    tasks = list_tasks(examples)
    truth = np.array([tasks.index(example.task) for example in examples])
    matrix = feature_matrix([example.text for example in examples])
    svm = LinearSVC(random_state=SEED).fit(matrix, truth)
    return RouteClassifier(
        tasks=tasks,
        weights=svm.coef_.T.astype(np.float32),
        offsets=svm.intercept_.astype(np.float32),
        temperature=fit_temperature(out_of_fold_margins(examples), truth),
        examples_sha256=examples_digest(examples),
    )


def out_of_fold_margins(examples: Sequence[LabelledText], seed: int = SEED) -> Margins:
    """Return cross-validated margins [examples, tasks], each from a model of the other folds."""
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    margins: Margins = cross_val_predict(
        LinearSVC(random_state=SEED),
        feature_matrix([example.text for example in examples]),
        [example.task for example in examples],
        cv=folds,
        method="decision_function",
    )
    return margins


def fit_temperature(margins: Margins, truth: NDArray[np.int64]) -> float:
    """Return the temperature that maximizes the likelihood of the true tasks."""
    rows = np.arange(len(truth))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(margins / np.exp(log_temperature), axis=1)[rows, truth].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-5, 3), method="bounded").x))


def feature_matrix(texts: Sequence[str]) -> csr_matrix:
    """Return the sparse feature matrix [texts, BUCKETS]."""
    extracted = [features(text) for text in texts]
    return csr_matrix(
        (
            np.concatenate([weights for _, weights in extracted]),
            np.concatenate([buckets for buckets, _ in extracted]),
            np.cumsum([0, *(len(buckets) for buckets, _ in extracted)]),
        ),
        shape=(len(texts), BUCKETS),
    )


def main(_arguments: Sequence[str] | None = None) -> None:
    """Train the classifier on the committed examples and save it."""
    classifier = train_classifier(read_examples(EXAMPLES))
    classifier.save(ARTEFACT)
    sys.stdout.write(
        f"{len(classifier.tasks)} tasks, {ARTEFACT.stat().st_size} bytes, "
        f"temperature {classifier.temperature:.3f}\n"
    )


if __name__ == "__main__":
    main()
