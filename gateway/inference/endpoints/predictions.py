"""`POST /v1/predictions`: specialist models, rows of named columns."""

from functools import partial

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.call.values import Call, Operation, Principal
from gateway.inference.endpoints.endpoint import (
    DecodedRequest,
    Endpoint,
)
from gateway.inference.model_selection import ModelSelector, SelectionCriteria
from gateway.wire import answers, inference
from gateway.wire.asset_bodies import priced_prediction_body
from gateway.wire.documentation import Documentation, Examples
from infra import ids
from models.catalog import SPECIALIST_TASKS, Task

EXAMPLE_ROW = {
    "type": "L",
    "air_temperature": 298.1,
    "process_temperature": 308.6,
    "rotational_speed": 1300,
    "torque": 65.0,
    "tool_wear": 220,
}
_PREDICTED = {
    "failure_probability": 0.98,
    "failure": 1,
    "reasons": ["rotational_speed", "torque", "tool_wear"],
    "contributions": [2.9, 1.7, 0.8],
}


def _decode(call: Call, body: bytes, principal: Principal) -> DecodedRequest:
    """Validate rows of columns; columns and task are the criteria to choose a model for `auto`."""
    request = inference.parse_prediction_request(body)
    public_id = ids.format_id(REQUEST_ID_PREFIX, call.request_id)
    for_model = partial(inference.build_prediction_request, request, public_id=public_id)
    rows = request.instances
    columns = frozenset(rows[0])
    criteria = SelectionCriteria(principal.model_prices, request.task or "", columns, len(rows))
    return DecodedRequest(request.model, for_model, criteria=criteria)


def _examples(model: str) -> Examples:
    """Return OpenAPI examples of a prediction, also with a column in another unit."""
    request = {"model": model, "instances": [EXAMPLE_ROW]}
    celsius = {**EXAMPLE_ROW, "air_temperature": 24.9}
    in_units = {"model": model, "instances": [celsius], "units": {"air_temperature": "degC"}}
    answer = {
        "id": "req_019acb00c47d7c11b3f0a5d2e8c96f41",
        "object": "prediction",
        "model": model,
        "predictions": [_PREDICTED],
        "usage": {"rows": 1},
    }
    return Examples({"One row": request, "A column in another unit": in_units}, answer)


PREDICTIONS = Endpoint(
    operation=Operation.PREDICTIONS,
    path="/v1/predictions",
    label="Predictions",
    tasks=SPECIALIST_TASKS,
    decode=_decode,
    select_model=ModelSelector.select_for_rows,
    quote_field="instances",
    in_batches=True,
    priced_body=priced_prediction_body,
    documentation=Documentation(
        request=inference.PredictionRequest,
        answer=answers.PredictionList,
        summary="Create predictions for rows of data",
        description=(
            "Each row is an object with one value per column. `GET /v2/models/{name}` "
            "lists a model's columns with their units and limits. If a column is sent in "
            "another unit, name it in `units`. An `asset` of the plant model may replace "
            "`instances`: its points then give the inputs."
        ),
        examples=_examples,
        example_task=Task.CLASSIFICATION,
    ),
)
