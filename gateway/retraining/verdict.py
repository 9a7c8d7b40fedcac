"""Whether a retrained version is better, by the acceptance tests of both trainings."""

from collections.abc import Mapping
from typing import Any


def is_better(new: Mapping[str, Any] | None, current: Mapping[str, Any] | None) -> bool:
    """Whether the new score is better than no model and than the current version's score.

    The first by more than chance explains, if the score has an interval. The second compares two
    trainings' held-out rows, which are not the same: a comparison on a table with known results, or
    a shadow deployment, says more. Scores of different metrics cannot be compared.
    """
    if not new or not current or new.get("higher_is_better") != current.get("higher_is_better"):
        return False
    if _metric_of(new) != _metric_of(current):
        return False
    sign = 1.0 if new.get("higher_is_better") else -1.0
    improvement, base = new.get("improvement"), new.get("base")
    if improvement is not None and improvement[0] <= 0:
        return False
    if improvement is None and base is not None and sign * (new["adapted"] - base) <= 0:
        return False
    return bool(sign * (new["adapted"] - current["adapted"]) > 0)


def is_not_worse(new: Mapping[str, Any] | None) -> bool:
    """Whether a version trained on confirmations is not worse than the version in use.

    As in the acceptance of a training, worse is a difference that chance does not explain: the
    interval of the improvement, on held-out patterns that are new to both, lies below 0. Without
    such patterns nothing speaks against the version.
    """
    current = (new or {}).get("current")
    return current is None or current["improvement"][1] >= 0


def _metric_of(score: Mapping[str, Any]) -> str:
    """Return the metric's name, without what was held out."""
    return str(score.get("metric", "")).partition(",")[0]
