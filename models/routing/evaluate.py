"""Measure and record: `python -m models.routing.evaluate`.

Owns `metrics.json`: how often the committed classifier is right on the 200 requests that it was
kept apart from, on the development set, and on examples left out of learning. Changes nothing, and
shows no single error on the 200: whoever saw one would teach it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.routing.classifier import ARTEFACT, LANGUAGE, Judgement, RouteClassifier
from models.routing.data import (
    DEVELOPMENT,
    EXAMPLES,
    Labelled,
    read_examples,
    read_requests,
    tasks_of,
)
from models.routing.train import left_out, matrix
from models.training_data import record_metrics

METRICS = Path(__file__).with_name("metrics.json")
REQUESTS = Path(__file__).parents[2] / "tests" / "models" / "routing_requests.jsonl"
# Not the folds on which settings were compared.
SEEDS = (101, 102, 103)
DIGITS = 4
_FIRST_CHINESE, _LAST_CHINESE = "一", "鿿"

Figures = dict[str, Any]


def measured(requests: Path = REQUESTS) -> Figures:
    """Every figure. Raises FileNotFoundError where the requests are not there."""
    asked, examples = read_requests(requests), read_examples(EXAMPLES)
    classifier = RouteClassifier.load()
    return {
        "requests": {
            **judged(classifier, asked),
            "nearest_example": apart(classifier, asked, examples),
        },
        "development": judged(classifier, read_examples(DEVELOPMENT)),
        "examples_left_out": {"count": len(examples), "right": _rounded(_left_out(examples))},
        "artefact": {"bytes": ARTEFACT.stat().st_size, "learned_from": classifier.learned_from},
    }


def judged(classifier: RouteClassifier, asked: Sequence[Labelled]) -> Figures:
    """How often it is right, in all, by script and by task; and what its confidence is worth."""
    judgements = [classifier.judge(one.text) for one in asked]
    right = np.array([it.task == one.task for it, one in zip(judgements, asked, strict=True)])
    chinese = np.array([_is_chinese(one.text) for one in asked])
    return {
        "count": len(asked),
        "right": _rounded(right.mean()),
        "right_chinese": _rounded(right[chinese].mean()),
        "right_other": _rounded(right[~chinese].mean()),
        "mean_confidence": _rounded(np.mean([it.confidence for it in judgements])),
        "suggestions": suggestions(judgements, asked),
        "by_task": {
            task: f"{int(right[rows].sum())} of {int(rows.sum())}"
            for task in tasks_of(asked)
            if (rows := np.array([one.task == task for one in asked])).any()
        },
    }


def suggestions(judgements: Sequence[Judgement], asked: Sequence[Labelled]) -> Figures:
    """Of the requests for a specialist, how many get it named; and how many names are right."""
    named = [it.specialist_task for it in judgements]
    hits = sum(task == one.task for task, one in zip(named, asked, strict=True))
    wanted = sum(one.task != LANGUAGE for one in asked)
    return {"precision": _rounded(hits / sum(map(bool, named))), "recall": _rounded(hits / wanted)}


def apart(
    classifier: RouteClassifier, asked: Sequence[Labelled], examples: Sequence[Labelled]
) -> Figures:
    """The cosine of each request's features to those of the example that is most like it, and how
    often it is right for the half that is less like any."""
    similarities = matrix([one.text for one in asked]) @ matrix([one.text for one in examples]).T
    nearest: NDArray[np.float32] = similarities.max(axis=1).toarray()[:, 0]
    half = nearest <= np.median(nearest)
    right = [classifier.judge(one.text).task == one.task for one in asked]
    return {
        "same_text": len({one.text for one in asked} & {one.text for one in examples}),
        "median_cosine": _rounded(np.median(nearest)),
        "largest_cosine": _rounded(nearest.max()),
        "right_of_the_less_alike_half": _rounded(np.array(right)[half].mean()),
    }


def _left_out(examples: Sequence[Labelled]) -> float:
    """Mean over SEEDS of the share that is right in the folds left out."""
    tasks = tasks_of(examples)
    truth = np.array([tasks.index(one.task) for one in examples])
    return float(np.mean([(left_out(examples, s).argmax(1) == truth).mean() for s in SEEDS]))


def _is_chinese(text: str) -> bool:
    return any(_FIRST_CHINESE <= letter <= _LAST_CHINESE for letter in text)


def _rounded(value: Any) -> float:
    return round(float(value), DIGITS)


def _measure(_folder: Path) -> Mapping[str, Any]:
    return measured()


def main(arguments: Sequence[str] | None = None) -> None:
    """Write metrics.json and show it."""
    record_metrics(
        arguments, "Measure the routing classifier.", METRICS, _measure, (FileNotFoundError,)
    )


if __name__ == "__main__":
    main()
