"""Costs of false alarms and misses in requests: their form is checked before anything is sent."""

from collections.abc import Mapping
from typing import Any

from gateway.call.errors import ParameterInvalid
from models.decisions.costs import CostsInvalid, parse_costs

COSTS = "costs"


def require_costs(stated: object, path: str) -> None:
    """Raise ParameterInvalid with the path of the first field that is no valid cost.

    Whether classes are those of the model is checked where the model is known.
    """
    try:
        parse_costs(stated, path)
    except CostsInvalid as error:
        raise ParameterInvalid(error.message, param=error.path) from error


def require_parameters(parameters: Mapping[str, Any], decides: bool) -> None:
    """Raise ParameterInvalid for parameters of predictions that a model does not have.

    `decides` is whether the model can decide by costs.
    """
    for name in parameters:
        if name != COSTS:
            raise ParameterInvalid(
                f"Unknown parameter: `parameters.{name[:64]}`.", param=f"parameters.{name[:64]}"
            )
    if COSTS not in parameters:
        return
    if not decides:
        message = "`parameters.costs` applies to models trained on a table of your own only."
        raise ParameterInvalid(message, param="parameters.costs")
    require_costs(parameters[COSTS], "parameters.costs")
