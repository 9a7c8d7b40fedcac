"""Example requests, responses and streams of the metered calls in the OpenAPI document.

Each request can be sent as it is: its model comes from the served catalog. Tests validate the
examples against the service's request and response types.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.call.values import Operation
from models.catalog import Catalog, Task

_ROW = {
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
_ID = "req_019acb00c47d7c11b3f0a5d2e8c96f41"
_USAGE = {
    "prompt_tokens": 21,
    "completion_tokens": 9,
    "total_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 16},
}


@dataclass(frozen=True, slots=True)
class Example:
    """Example requests of an operation by title, a response, and a stream if it supports one."""

    requests: Mapping[str, Any]
    answer: Any
    stream: str | None = None


def operation_examples(operation: Operation, catalog: Catalog) -> Example:
    """Return the examples of a metered operation."""
    match operation:
        case Operation.CHAT:
            return _chat_example(_first_model(catalog, Task.TEXT_GENERATION))
        case Operation.TEXT_COMPLETION:
            return _text_completion_example(_first_model(catalog, Task.TEXT_GENERATION))
        case Operation.EMBEDDINGS:
            return _embeddings_example(_first_model(catalog, Task.EMBEDDING))
        case Operation.PREDICTIONS:
            return _predictions_example(_first_model(catalog, Task.CLASSIFICATION))
        case _:
            return _inference_example(_first_model(catalog, Task.CLASSIFICATION))


def model_in_path(catalog: Catalog) -> str:
    """Return the example model in the path of the Open Inference Protocol."""
    return _first_model(catalog, Task.CLASSIFICATION)


def _first_model(catalog: Catalog, task: Task) -> str:
    models = catalog.with_task(task)
    return models[0].id if models else "model-id"


def _chat_example(model: str) -> Example:
    plain = {
        "model": model,
        "messages": [
            {"role": "system", "content": "Write this work order in plain text."},
            {"role": "user", "content": "rplce lh eng oil fltr"},
        ],
        "max_tokens": 40,
    }
    message = {"role": "assistant", "content": "replace left hand engine oil filter"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    answer = _completion(model, "chat.completion", [choice])
    deltas = [{"role": "assistant", "content": "replace"}, {"content": " left hand engine"}]
    parts = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    return Example(
        _plain_and_streamed(plain), answer, _stream(model, "chat.completion.chunk", parts)
    )


def _text_completion_example(model: str) -> Example:
    plain = {"model": model, "prompt": "Replace the left hand engine", "max_tokens": 16}
    choice = {"index": 0, "text": " oil filter.", "finish_reason": "stop"}
    parts = [{"index": 0, "text": text, "finish_reason": None} for text in (" oil", " filter.")]
    answer = _completion(model, "text_completion", [choice])
    return Example(_plain_and_streamed(plain), answer, _stream(model, "text_completion", parts))


def _embeddings_example(model: str) -> Example:
    vectors = [[0.0123, -0.0456, 0.0789], [0.0321, 0.0654, -0.0987]]
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 9, "total_tokens": 9}
    texts = ["pump seal leaks", "bearing overheats at full load"]
    return Example(
        {"Two texts": {"model": model, "input": texts}},
        {"object": "list", "model": model, "data": data, "usage": usage},
    )


def _predictions_example(model: str) -> Example:
    request = {"model": model, "instances": [_ROW]}
    celsius = {**_ROW, "air_temperature": 24.9}
    in_units = {"model": model, "instances": [celsius], "units": {"air_temperature": "degC"}}
    answer = {
        "id": _ID,
        "object": "prediction",
        "model": model,
        "predictions": [_PREDICTED],
        "usage": {"rows": 1},
    }
    return Example({"One row": request, "A column in another unit": in_units}, answer)


def _inference_example(model: str) -> Example:
    inputs = [
        {
            "name": name,
            "shape": [1],
            "datatype": "BYTES" if isinstance(value, str) else "FP32",
            "data": [value],
        }
        for name, value in _ROW.items()
    ]
    outputs = [
        {"name": "failure_probability", "shape": [1], "datatype": "FP32", "data": [0.98]},
        {"name": "failure", "shape": [1], "datatype": "INT64", "data": [1]},
    ]
    return Example({"One row": {"inputs": inputs}}, {"model_name": model, "outputs": outputs})


def _plain_and_streamed(plain: Mapping[str, Any]) -> dict[str, Any]:
    streamed = {**plain, "stream": True, "stream_options": {"include_usage": True}}
    return {"Whole answer": plain, "Streamed answer": streamed}


def _completion(model: str, kind: str, choices: list[Any]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-7f3a",
        "object": kind,
        "created": 1795824000,
        "model": model,
        "choices": choices,
        "usage": _USAGE,
    }


def _stream(model: str, kind: str, parts: list[Any]) -> str:
    """Return the server-sent events of a stream: chunks, the usage chunk, `[DONE]`."""
    head = {"id": "chatcmpl-7f3a", "object": kind, "created": 1795824000, "model": model}
    chunks = [{**head, "choices": [part]} for part in parts]
    chunks.append({**head, "choices": [], "usage": _USAGE})
    events = [f"data: {msgspec.json.encode(chunk).decode()}\n\n" for chunk in chunks]
    return "".join([*events, "data: [DONE]\n\n"])
