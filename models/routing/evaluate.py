"""Evaluate the routing classifier and record the figures: `python -m models.routing.evaluate`.

Writes `metrics.json`: the accuracy of the committed classifier on 200 held-out requests, on the
development set, and in cross-validation. Individual errors on the 200 requests are not shown, so
that nobody tunes the classifier on them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.routing.classifier import ARTEFACT, LANGUAGE, RouteClassifier, TaskPrediction
from models.routing.data import (
    DEVELOPMENT,
    EXAMPLES,
    LabelledText,
    list_tasks,
    read_examples,
    read_requests,
)
from models.routing.train import feature_matrix, out_of_fold_margins
from models.training_data import record_metrics

METRICS = Path(__file__).with_name("metrics.json")
REQUESTS = Path(__file__).parents[2] / "tests" / "models" / "routing_requests.jsonl"
# Other seeds than those of the folds that were used to choose settings.
SEEDS = (101, 102, 103)
DIGITS = 4
_FIRST_CHINESE, _LAST_CHINESE = "一", "鿿"

Figures = dict[str, Any]


def evaluate_classifier(requests: Path = REQUESTS) -> Figures:
    """Compute all figures of `metrics.json`. Raises FileNotFoundError without test requests."""
    test_requests, examples = read_requests(requests), read_examples(EXAMPLES)
    classifier = RouteClassifier.load()
    return {
        "requests": {
            **score_requests(classifier, test_requests),
            "nearest_example": nearest_example_figures(classifier, test_requests, examples),
        },
        "development": score_requests(classifier, read_examples(DEVELOPMENT)),
        "examples_left_out": {
            "count": len(examples),
            "right": _round(_cross_validated_accuracy(examples)),
        },
        "artefact": {"bytes": ARTEFACT.stat().st_size, "learned_from": classifier.examples_sha256},
    }


def score_requests(classifier: RouteClassifier, requests: Sequence[LabelledText]) -> Figures:
    """Return the accuracy on requests, in total, by script and by task, and the mean confidence."""
    predictions = [classifier.predict(request.text) for request in requests]
    is_correct = np.array(
        [
            prediction.task == request.task
            for prediction, request in zip(predictions, requests, strict=True)
        ]
    )
    is_chinese = np.array([_is_chinese(request.text) for request in requests])
    return {
        "count": len(requests),
        "right": _round(is_correct.mean()),
        "right_chinese": _round(is_correct[is_chinese].mean()),
        "right_other": _round(is_correct[~is_chinese].mean()),
        "mean_confidence": _round(np.mean([prediction.confidence for prediction in predictions])),
        "suggestions": suggestion_figures(predictions, requests),
        "by_task": {
            task: f"{int(is_correct[has_task].sum())} of {int(has_task.sum())}"
            for task in list_tasks(requests)
            if (has_task := np.array([request.task == task for request in requests])).any()
        },
    }


def suggestion_figures(
    predictions: Sequence[TaskPrediction], requests: Sequence[LabelledText]
) -> Figures:
    """Return precision and recall of suggested specialists."""
    suggested = [prediction.specialist_task for prediction in predictions]
    hits = sum(task == request.task for task, request in zip(suggested, requests, strict=True))
    specialist_requests = sum(request.task != LANGUAGE for request in requests)
    return {
        "precision": _round(hits / sum(map(bool, suggested))),
        "recall": _round(hits / specialist_requests),
    }


def nearest_example_figures(
    classifier: RouteClassifier, requests: Sequence[LabelledText], examples: Sequence[LabelledText]
) -> Figures:
    """Return the cosine similarity of requests to their nearest training example.

    Includes the accuracy on the half of the requests that is least similar to any example.
    """
    similarities = (
        feature_matrix([item.text for item in requests])
        @ feature_matrix([item.text for item in examples]).T
    )
    max_similarities: NDArray[np.float32] = similarities.max(axis=1).toarray()[:, 0]
    is_less_similar = max_similarities <= np.median(max_similarities)
    is_correct = [classifier.predict(item.text).task == item.task for item in requests]
    return {
        "same_text": len({item.text for item in requests} & {item.text for item in examples}),
        "median_cosine": _round(np.median(max_similarities)),
        "largest_cosine": _round(max_similarities.max()),
        "right_of_the_less_alike_half": _round(np.array(is_correct)[is_less_similar].mean()),
    }


def _cross_validated_accuracy(examples: Sequence[LabelledText]) -> float:
    """Return the out-of-fold accuracy, averaged over SEEDS."""
    tasks = list_tasks(examples)
    truth = np.array([tasks.index(example.task) for example in examples])
    return float(
        np.mean([(out_of_fold_margins(examples, seed).argmax(1) == truth).mean() for seed in SEEDS])
    )


def _is_chinese(text: str) -> bool:
    """Return whether a text has a Chinese character."""
    return any(_FIRST_CHINESE <= character <= _LAST_CHINESE for character in text)


def _round(value: Any) -> float:
    """Round to DIGITS decimals."""
    return round(float(value), DIGITS)


def _evaluate(_folder: Path) -> Mapping[str, Any]:
    """Compute all figures; the data folder is not used."""
    return evaluate_classifier()


def main(arguments: Sequence[str] | None = None) -> None:
    """Evaluate the classifier, write metrics.json and print it."""
    record_metrics(
        arguments, "Evaluate the routing classifier.", METRICS, _evaluate, (FileNotFoundError,)
    )


if __name__ == "__main__":
    main()
