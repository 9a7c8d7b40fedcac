"""The costs that a job states, checked against its table before and during training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.adaptation import TrainingFileInvalid
from models.decisions.costs import CostsInvalid, Side, limit_costs, parse_costs
from models.decisions.decider import ClassDecider, LimitDecider
from models.decisions.error_distribution import ErrorDistribution
from models.decisions.rule import Indices
from models.problems import single_problem
from models.sentences import sentence

PATH = "schema.costs"
_FIX = sentence("Correct the costs, or leave them out.")


def plan_class_decider(
    stated: Mapping[str, Any] | None, classes: Sequence[str], truth: Indices
) -> ClassDecider:
    """Return how a classifier decides, with the stated costs. Raises TrainingFileInvalid.

    truth: the class of each training row, [rows].
    """
    rarest = int(np.bincount(truth, minlength=len(classes)).argmin())
    decider = ClassDecider(tuple(classes), rarest)
    if stated is None:
        return decider
    try:
        return decider.with_costs(stated, PATH)
    except CostsInvalid as error:
        raise _invalid(error) from error


def plan_limit_decider(
    stated: Mapping[str, Any] | None,
    errors: ErrorDistribution,
    side: Side,
    unit: str | None = None,
    highest: float | None = None,
) -> LimitDecider:
    """Return how a model of numbers decides, with the stated costs. Raises TrainingFileInvalid."""
    decider = LimitDecider(errors, side, unit, highest)
    if stated is None:
        return decider
    try:
        return decider.with_costs(stated, PATH)
    except CostsInvalid as error:
        raise _invalid(error) from error


def require_limit_costs(
    stated: Mapping[str, Any] | None, side: Side, highest: float | None = None
) -> None:
    """Raise TrainingFileInvalid if stated costs are none of a limit below `highest`."""
    if stated is None:
        return
    try:
        limit_costs(parse_costs(stated, PATH), None, side, highest, PATH)
    except CostsInvalid as error:
        raise _invalid(error) from error


def _invalid(error: CostsInvalid) -> TrainingFileInvalid:
    """Return the error of a training file whose job has invalid costs."""
    problems = single_problem("invalid_costs", error.message, _FIX, field=error.path)
    return TrainingFileInvalid(error.message, problems=problems)
