"""Decisions of a request: by the costs of the training, or by those that the request states.

Costs may differ between requests that run in one batch, so decisions follow from the results of
each request.
"""

from typing import Any

import msgspec

from models.decisions.costs import CostsInvalid
from models.decisions.decider import Decider
from models.signature import Columns, Signature
from serving.errors import InputInvalid
from serving.specialists.fitted import TableSpecialist
from serving.specialists.open_inference import InferRequest
from serving.specialists.specialist import Specialist

COSTS = "costs"
_PATH = f"parameters.{COSTS}"


def find_decider(model: Specialist, request: InferRequest) -> Decider | None:
    """Return what decides on a request's results, None if no costs are known.

    Costs are an object, or its JSON as a text, as clients of the protocol send it. Raises
    InputInvalid with the path of the field.
    """
    stated = request.parameters.get(COSTS)
    decider = model.variant.decider if isinstance(model, TableSpecialist) else None
    if stated is None:
        return decider if decider is not None and decider.has_costs else None
    if decider is None:
        message = f"`{_PATH}`: {model.name!r} does not decide by costs."
        raise InputInvalid(message, param=_PATH)
    try:
        return decider.with_costs(_from_text(stated), _PATH)
    except CostsInvalid as error:
        raise InputInvalid(error.message, param=error.path) from error


def decided_signature(signature: Signature, decider: Decider | None) -> Signature:
    """Return a signature with the outputs of decisions."""
    names = {field.name for field in signature.outputs}
    if decider is None:
        return signature
    added = tuple(field for field in decider.outputs if field.name not in names)
    return msgspec.structs.replace(signature, outputs=(*signature.outputs, *added))


def add_decisions(results: Columns, decider: Decider | None) -> Columns:
    """Return results with the outputs of decisions."""
    return results if decider is None else {**results, **decider.decide(results)}


def _from_text(stated: Any) -> Any:
    """Return costs that were sent as JSON in a text; others unchanged. Raises InputInvalid."""
    if not isinstance(stated, str):
        return stated
    try:
        return msgspec.json.decode(stated)
    except msgspec.DecodeError as error:
        raise InputInvalid(f"`{_PATH}` is not valid JSON: {error}.", param=_PATH) from error
