"""The metered calls in the OpenAPI document. Their handlers are plain ASGI, so Litestar cannot
describe them.

Schemas come from the structs that read requests (gateway/wire/).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.api.inference import INFER, PLAIN
from gateway.api.openapi.examples import Example, examples_of, model_in_path
from gateway.api.openapi.responses import REFERENCE, REFUSED, error_content
from gateway.api.openapi.tags import INFERENCE
from gateway.call import errors
from gateway.call.tags import MOST_TAGS
from gateway.call.values import Operation
from gateway.wire import answers
from gateway.wire.inference import PredictionRequest
from gateway.wire.requests import ChatRequest, CompletionRequest, EmbeddingRequest
from infra.errors import AppError
from models.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Metered:
    """What is described of one operation beside its examples."""

    address: str
    request: type[msgspec.Struct]
    answer: type[msgspec.Struct]
    summary: str
    description: str = ""


_STREAM = (
    "With `stream: true` the answer is a stream of server-sent events that ends with "
    "`data: [DONE]`. With `stream_options.include_usage` its last chunk has the usage and "
    "`x_maas_cost`, `x_maas_currency` and `x_maas_balance`."
)
_ADDRESSES = {operation: address for address, operation in PLAIN.items()}
OPERATIONS: Mapping[Operation, Metered] = {
    Operation.CHAT: Metered(
        _ADDRESSES[Operation.CHAT],
        ChatRequest,
        answers.ChatCompletion,
        "Create a chat completion",
        _STREAM,
    ),
    Operation.TEXT_COMPLETION: Metered(
        _ADDRESSES[Operation.TEXT_COMPLETION],
        CompletionRequest,
        answers.TextCompletion,
        "Create a text completion",
        _STREAM,
    ),
    Operation.EMBEDDINGS: Metered(
        _ADDRESSES[Operation.EMBEDDINGS],
        EmbeddingRequest,
        answers.EmbeddingList,
        "Create embeddings",
    ),
    Operation.PREDICTIONS: Metered(
        _ADDRESSES[Operation.PREDICTIONS],
        PredictionRequest,
        answers.PredictionList,
        "Create predictions for rows of data",
        "Each row names its columns. `GET /v2/models/{name}` lists the columns of a model with "
        "their units and limits; `units` names the unit of a column that comes in another one.",
    ),
    Operation.INFER: Metered(
        INFER.replace(":str", ""),
        answers.InferenceRequest,
        answers.InferenceAnswer,
        "Run inference (Open Inference Protocol v2)",
        "The same models as `/v1/predictions`, with one tensor for each column. Tensors may also "
        "be sent in binary form (`Inference-Header-Content-Length`), as `tritonclient` does.",
    ),
}


def metered_paths(catalog: Catalog) -> tuple[dict[str, Any], dict[str, Any]]:
    """The metered calls' paths in the order shown, and the schemas that they refer to."""
    wanted = [kind for one in OPERATIONS.values() for kind in (one.request, one.answer)]
    shapes, components = msgspec.json.schema_components(wanted, ref_template=REFERENCE)
    schemas = dict(zip(wanted, shapes, strict=True))
    paths = {
        one.address: {"post": _described(operation, one, schemas, catalog)}
        for operation, one in OPERATIONS.items()
    }
    return paths, components


def _described(
    operation: Operation,
    one: Metered,
    schemas: Mapping[type[msgspec.Struct], dict[str, Any]],
    catalog: Catalog,
) -> dict[str, Any]:
    example = examples_of(operation, catalog)
    in_path = operation is Operation.INFER
    named = [_model_parameter(catalog)] if in_path else []
    return {
        "operationId": operation.value,
        "summary": one.summary,
        "description": one.description,
        "tags": [INFERENCE],
        "parameters": [*named, *_PARAMETERS],
        "requestBody": {"required": True, "content": _json(schemas[one.request], example.requests)},
        "responses": {
            "200": {
                "description": "The answer",
                "headers": _headers(),
                "content": _answered(schemas[one.answer], example),
            },
            **_refusals("InferError" if in_path else "Error", open_inference=in_path),
        },
    }


def _json(schema: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema, "examples": _titled(values)}}


def _titled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Named examples: the title becomes the summary that Swagger UI lists."""
    return {
        title.lower().replace(" ", "-"): {"summary": title, "value": value}
        for title, value in values.items()
    }


def _answered(schema: Mapping[str, Any], example: Example) -> dict[str, Any]:
    whole = _json(schema, {"Whole answer": example.answer})
    if example.stream is None:
        return whole
    events = {"schema": {"type": "string"}, "examples": _titled({"Stream": example.stream})}
    return {**whole, "text/event-stream": events}


def _model_parameter(catalog: Catalog) -> dict[str, Any]:
    return {
        "name": "name",
        "in": "path",
        "required": True,
        "description": "The model",
        "schema": {"type": "string"},
        "example": model_in_path(catalog),
    }


def _header_parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    told = {"name": name, "in": "header", "required": False, "description": description}
    return {**told, "schema": {"type": "string", **schema}}


# Without `example`: what is shown here is sent by "Try it out", and a second try with the same
# Idempotency-Key would be a replay.
_PARAMETERS = (
    _header_parameter(
        "Idempotency-Key",
        "The same key and body within 24 hours give the same answer, which is billed once",
        {"minLength": 1, "maxLength": 255},
    ),
    _header_parameter(
        "X-Max-Cost",
        "The most that the call may cost, in the account's currency, for example `0.05`",
        {},
    ),
    _header_parameter(
        "X-Maas-Tags",
        f"Up to {MOST_TAGS} tags for usage reports and invoices, for example "
        "`order=A-17,machine=M3`. Percent-encode other characters than ASCII",
        {},
    ),
)
_RATES = {
    f"x-ratelimit-{what}-{of}": text.format(of=of)
    for of in ("requests", "tokens")
    for what, text in {
        "limit": "The most {of} in a minute",
        "remaining": "How many {of} are left of them",
        "reset": "When all {of} will be available again, for example `12s`",
    }.items()
}
_SHOWN = {
    "x-request-id": "The call's id, the same as in its usage record",
    "x-maas-cost": "The cost of the call, in `x-maas-currency` (not with streams)",
    "x-maas-currency": "ISO 4217 currency code",
    "x-maas-balance": "What the account may still spend (not with streams)",
    **_RATES,
    "x-maas-max-tokens": "The `max_tokens` used, where a limit made the answer shorter",
    "x-maas-model": "The model chosen, where the call asked for `auto`",
    "x-maas-route-reason": "Why that model was chosen",
    "x-maas-suggested-model": "A specialist that fits the request better",
    "idempotent-replayed": "`true` where the answer was kept from an earlier call",
}


def _headers() -> dict[str, Any]:
    return {
        name: {"schema": {"type": "string"}, "description": text} for name, text in _SHOWN.items()
    }


def _refusals(schema: str, *, open_inference: bool) -> dict[str, Any]:
    """The responses by status, with an example of each code; others are in docs/errors.md."""
    by_status: dict[str, list[AppError]] = {}
    for error in _errors():
        by_status.setdefault(str(error.status), []).append(error)
    named = {
        status: {
            "description": _STATUSES[status],
            "headers": {"x-request-id": _headers()["x-request-id"]},
            "content": error_content(schema, _shown(found, open_inference)),
        }
        for status, found in sorted(by_status.items())
    }
    others = {
        status: {"description": text, "content": error_content(schema)}
        for status, text in REFUSED.items()
    }
    return {**named, **others}


def _shown(found: list[AppError], open_inference: bool) -> dict[str, Any]:
    return {
        str(error.code): {
            "summary": error.code,
            "value": msgspec.json.decode(errors.envelope(error, open_inference)),
        }
        for error in found
    }


_STATUSES = {
    "400": "The request is invalid; sending it again changes nothing",
    "401": "No valid API key",
    "403": "The API key may not do this",
    "404": "No such model",
    "408": "The body did not arrive completely or in time",
    "409": "The Idempotency-Key is in use",
    "413": "The body is too large",
    "415": "The body is compressed",
    "422": "The Idempotency-Key was used for another request",
    "429": "A rate, budget or credit limit is reached; see `code`",
    "500": "An error on our side; not billed",
    "502": "The model failed; not billed",
    "503": "Temporarily unavailable; not billed",
    "504": "The model did not answer in time; not billed",
}


def _errors() -> tuple[AppError, ...]:
    """One of each kind that a metered call is refused with."""
    return (
        errors.ParameterInvalid("`temperature` is above 2.", param="temperature"),
        errors.BodyNotJson("The body is not valid JSON."),
        errors.ContextLengthExceeded("The prompt is longer than the model's context."),
        errors.WrongEndpoint("The model is for embedding, not for this endpoint.", param="model"),
        errors.MaxCostExceeded("The call could cost more than X-Max-Cost.", param="X-Max-Cost"),
        errors.KeyMissing("Send your API key as `Authorization: Bearer maas_…`."),
        errors.KeyInvalid("The API key is not valid."),
        errors.ModelNotAllowed("This API key may not call the model.", param="model"),
        errors.ModelNotFound("The model does not exist.", param="model"),
        errors.BodyIncomplete("The body did not arrive completely."),
        errors.IdempotencyKeyBusy("The first call is still running.", param="Idempotency-Key"),
        errors.BodyTooLarge("The body is too large."),
        errors.EncodingUnsupported("Compressed bodies are not accepted."),
        errors.IdempotencyKeyReused("The key was used before.", param="Idempotency-Key"),
        errors.RateLimited("Too many requests in this minute."),
        errors.CreditExhausted("The account has no credit left for this call."),
        errors.BudgetExhausted("The key's monthly budget is used up."),
        errors.InternalError("Something went wrong on our side."),
        errors.UpstreamFailed("The model failed."),
        errors.UpstreamUnreachable("The model is not available."),
        errors.UpstreamTimeout("The model did not answer in time."),
    )
