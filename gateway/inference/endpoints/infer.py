"""`POST /v2/models/{name}/infer`: specialist models under the Open Inference Protocol v2."""

from functools import partial

from gateway.call.error_format import OPEN_INFERENCE_ERRORS
from gateway.call.values import Call, Operation, Principal
from gateway.inference.endpoints.endpoint import (
    DecodedRequest,
    Endpoint,
)
from gateway.inference.endpoints.predictions import EXAMPLE_ROW
from gateway.wire import answers, inference
from gateway.wire.documentation import Documentation, Examples
from models.catalog import SPECIALIST_TASKS, Task


def _decode(call: Call, body: bytes, principal: Principal) -> DecodedRequest:
    """Return the request for the model and version in the path; `for_model` validates the body."""
    for_model = partial(inference.build_infer_request, body=body, headers=call.headers)
    return DecodedRequest(call.model_in_path or "", for_model, call.version_in_path)


def _examples(model: str) -> Examples:
    """Return OpenAPI examples of an Open Inference call for one row with this model id."""
    inputs = [
        {
            "name": name,
            "shape": [1],
            "datatype": "BYTES" if isinstance(value, str) else "FP32",
            "data": [value],
        }
        for name, value in EXAMPLE_ROW.items()
    ]
    outputs = [
        {"name": "failure_probability", "shape": [1], "datatype": "FP32", "data": [0.98]},
        {"name": "failure", "shape": [1], "datatype": "INT64", "data": [1]},
    ]
    return Examples({"One row": {"inputs": inputs}}, {"model_name": model, "outputs": outputs})


INFER = Endpoint(
    operation=Operation.INFER,
    path="/v2/models/{name:str}/infer",
    version_path="/v2/models/{name:str}/versions/{version:str}/infer",
    label="OIP v2 inference",
    tasks=SPECIALIST_TASKS,
    decode=_decode,
    error_format=OPEN_INFERENCE_ERRORS,
    documentation=Documentation(
        request=answers.InferenceRequest,
        answer=answers.InferenceResponse,
        summary="Run inference (Open Inference Protocol v2)",
        description=(
            "The same models as `/v1/predictions`, with one tensor per column. Tensors "
            "can also be sent in binary form (`Inference-Header-Content-Length`), as "
            "`tritonclient` does."
        ),
        examples=_examples,
        example_task=Task.CLASSIFICATION,
    ),
)
