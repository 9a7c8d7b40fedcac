"""Learn and write the classifier: `python -m models.routing.train`.

A support vector machine for each task against all others; then one temperature, by which margins of
examples that were left out become probabilities that hold. Owns the method and its settings, which
were chosen by the examples left out in turn and by the development set, never by the requests that
the published figure is measured on.
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
from models.routing.data import EXAMPLES, Labelled, digest, read_examples, tasks_of
from models.routing.features import BUCKETS, features

FOLDS = 10
SEED = 1

Margins = NDArray[np.float64]


def learn(examples: Sequence[Labelled]) -> RouteClassifier:
    """The classifier of these examples: three tasks or more, at least FOLDS examples for each."""
    tasks = tasks_of(examples)
    truth = np.array([tasks.index(one.task) for one in examples])
    counted = matrix([one.text for one in examples])
    machine = LinearSVC(random_state=SEED).fit(counted, truth)
    return RouteClassifier(
        tasks=tasks,
        weights=machine.coef_.T.astype(np.float32),
        offsets=machine.intercept_.astype(np.float32),
        temperature=temperature(left_out(examples), truth),
        learned_from=digest(examples),
    )


def left_out(examples: Sequence[Labelled], seed: int = SEED) -> Margins:
    """[examples, tasks]: what each gets from the examples of the other folds."""
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    margins: Margins = cross_val_predict(
        LinearSVC(random_state=SEED),
        matrix([one.text for one in examples]),
        [one.task for one in examples],
        cv=folds,
        method="decision_function",
    )
    return margins


def temperature(margins: Margins, truth: NDArray[np.int64]) -> float:
    """By which these margins give the truth the highest likelihood."""
    rows = np.arange(len(truth))

    def loss(logarithm: float) -> float:
        return -float(log_softmax(margins / np.exp(logarithm), axis=1)[rows, truth].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-5, 3), method="bounded").x))


def matrix(texts: Sequence[str]) -> csr_matrix:
    """[texts, BUCKETS], sparse."""
    counted = [features(text) for text in texts]
    return csr_matrix(
        (
            np.concatenate([weights for _, weights in counted]),
            np.concatenate([buckets for buckets, _ in counted]),
            np.cumsum([0, *(len(buckets) for buckets, _ in counted)]),
        ),
        shape=(len(texts), BUCKETS),
    )


def main(_arguments: Sequence[str] | None = None) -> None:
    """Learn from the examples and write the artefact; they lie here, whatever folder is given."""
    classifier = learn(read_examples(EXAMPLES))
    classifier.save(ARTEFACT)
    sys.stdout.write(
        f"{len(classifier.tasks)} tasks, {ARTEFACT.stat().st_size} bytes, "
        f"temperature {classifier.temperature:.3f}\n"
    )


if __name__ == "__main__":
    main()
