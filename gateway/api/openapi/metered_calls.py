"""The metered calls in the OpenAPI document, which Litestar cannot describe (plain ASGI handlers).

Texts, examples and schemas come from the endpoint table (gateway/inference/endpoints/). Each
example request can be sent as it is: its model comes from the served catalog.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.api.openapi.responses import ERROR_DESCRIPTIONS, REF_TEMPLATE, error_body
from gateway.api.openapi.tags import INFERENCE
from gateway.call import errors
from gateway.call.error_format import ErrorFormat
from gateway.call.tags import MAX_TAGS
from gateway.inference.endpoints.endpoint import Endpoint
from gateway.inference.endpoints.table import ENDPOINTS
from gateway.wire.documentation import Documentation, Examples
from infra.errors import AppError
from models.catalog import Catalog, Task


def metered_paths(catalog: Catalog) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the paths of the metered calls, in document order, and their schemas."""
    documented = [
        (endpoint, endpoint.documentation)
        for endpoint in ENDPOINTS.values()
        if endpoint.documentation is not None
    ]
    structs = [
        struct
        for _, documentation in documented
        for struct in (documentation.request, documentation.answer)
    ]
    schema_refs, components = msgspec.json.schema_components(structs, ref_template=REF_TEMPLATE)
    schemas = dict(zip(structs, schema_refs, strict=True))
    paths = {
        endpoint.path.replace(":str", ""): {
            "post": _operation_json(endpoint, documentation, schemas, catalog)
        }
        for endpoint, documentation in documented
    }
    return paths, components


def first_model(catalog: Catalog, task: Task) -> str:
    """Return the id of the catalog's first model for a task, which examples name."""
    models = catalog.with_task(task)
    return models[0].id if models else "model-id"


def _operation_json(
    endpoint: Endpoint,
    documentation: Documentation,
    schemas: Mapping[type[msgspec.Struct], dict[str, Any]],
    catalog: Catalog,
) -> dict[str, Any]:
    """Return the OpenAPI operation of a metered call."""
    model = first_model(catalog, documentation.example_task)
    examples = documentation.examples(model)
    path_parameters = [_model_parameter(model)] if "{name" in endpoint.path else []
    return {
        "operationId": endpoint.operation.value,
        "summary": documentation.summary,
        "description": documentation.description,
        "tags": [INFERENCE],
        "parameters": [*path_parameters, *_HEADER_PARAMETERS],
        "requestBody": {
            "required": True,
            "content": _json_content(schemas[documentation.request], examples.requests),
        },
        "responses": {
            "200": {
                "description": "The answer",
                "headers": _response_headers(),
                "content": _success_content(schemas[documentation.answer], examples),
            },
            **_error_responses(endpoint.error_format),
        },
    }


def _json_content(schema: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI content of a JSON body; `values` are its examples by title."""
    return {"application/json": {"schema": schema, "examples": _named_examples(values)}}


def _named_examples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return examples for Swagger UI; `values` are their values by title."""
    return {
        title.lower().replace(" ", "-"): {"summary": title, "value": value}
        for title, value in values.items()
    }


def _success_content(schema: Mapping[str, Any], examples: Examples) -> dict[str, Any]:
    """Return the content of a 200 response: JSON, and an event stream if there is an example."""
    content = _json_content(schema, {"Whole answer": examples.answer})
    if examples.stream is None:
        return content
    stream = _named_examples({"Stream": examples.stream})
    events = {"schema": {"type": "string"}, "examples": stream}
    return {**content, "text/event-stream": events}


def _model_parameter(model: str) -> dict[str, Any]:
    """Return the path parameter `name` of a model, with `model` as its example."""
    return {
        "name": "name",
        "in": "path",
        "required": True,
        "description": "The model",
        "schema": {"type": "string"},
        "example": model,
    }


def _header_parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return an optional string header as OpenAPI parameter; `schema` extends its schema."""
    parameter = {"name": name, "in": "header", "required": False, "description": description}
    return {**parameter, "schema": {"type": "string", **schema}}


# No `example` values: "Try it out" would send them, and a second try with the same Idempotency-Key
# would be a replay.
_HEADER_PARAMETERS = (
    _header_parameter(
        "Idempotency-Key",
        "Repeating a request with the same key and body within 24 hours returns the "
        "stored response; the call is billed once",
        {"minLength": 1, "maxLength": 255},
    ),
    _header_parameter(
        "X-Max-Cost",
        "Maximum cost of the call in the account's currency, for example `0.05`",
        {},
    ),
    _header_parameter(
        "X-Maas-Tags",
        f"Up to {MAX_TAGS} tags for usage reports and invoices, for example "
        "`order=A-17,machine=M3`. Percent-encode characters that are not ASCII",
        {},
    ),
)
_RATE_LIMIT_HEADERS = {
    f"x-ratelimit-{limit}-{unit}": text.format(of=unit)
    for unit in ("requests", "tokens")
    for limit, text in {
        "limit": "Limit of {of} per minute",
        "remaining": "Remaining {of} before the limit is reached",
        "reset": "Time until the limit of {of} is fully available again, for example `12s`",
    }.items()
}
_RESPONSE_HEADERS = {
    "x-request-id": "Id of the call, as in its usage record",
    "x-maas-cost": "Cost of the call in `x-maas-currency` (not for streams)",
    "x-maas-currency": "ISO 4217 currency code",
    "x-maas-balance": "Available balance of the account (not for streams)",
    **_RATE_LIMIT_HEADERS,
    "x-maas-max-tokens": "The `max_tokens` that was applied, if a limit shortened the response",
    "x-maas-guard": "`input-masked` if the account's guard replaced parts of the request",
    "x-maas-model": "The selected model, for calls of `auto`",
    "x-maas-route-reason": "Reason for the selection",
    "x-maas-suggested-model": "A specialist model that fits the request better",
    "idempotent-replayed": "`true` if the response was replayed from an earlier call",
}


def _response_headers() -> dict[str, Any]:
    """Return the OpenAPI description of the headers that each metered response has."""
    return {
        name: {"schema": {"type": "string"}, "description": text}
        for name, text in _RESPONSE_HEADERS.items()
    }


def _error_responses(error_format: ErrorFormat) -> dict[str, Any]:
    """Return the error responses by status, with an example per code (docs/errors.md has all)."""
    by_status: dict[str, dict[str, bytes]] = {}
    for error in _example_errors():
        status, body = error_format.render(error, None)
        by_status.setdefault(str(status), {})[str(error.code)] = body
    documented = {
        status: {
            "description": _STATUS_DESCRIPTIONS[status],
            "headers": {"x-request-id": _response_headers()["x-request-id"]},
            "content": error_body(error_format.schema, _error_examples(bodies)),
        }
        for status, bodies in sorted(by_status.items())
    }
    others = {
        status: {"description": text, "content": error_body(error_format.schema)}
        for status, text in ERROR_DESCRIPTIONS.items()
    }
    return {**documented, **others}


def _error_examples(bodies: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the examples of error bodies by code."""
    return {
        code: {"summary": code, "value": msgspec.json.decode(body)} for code, body in bodies.items()
    }


_STATUS_DESCRIPTIONS = {
    "400": "The request is invalid; do not retry it unchanged",
    "401": "No valid API key",
    "402": "Credit or budget is used up; see `code`",
    "403": "The API key is not allowed to do this",
    "404": "No such model",
    "408": "The request body did not arrive completely or in time",
    "409": "The Idempotency-Key is in use",
    "413": "The request body is too large",
    "415": "The request body is compressed",
    "422": "The Idempotency-Key was used for another request",
    "429": "A rate, budget or credit limit was reached; see `code`",
    "500": "An error on our side; not billed",
    "502": "The model failed; not billed",
    "503": "Temporarily unavailable; not billed",
    "504": "The model did not respond in time; not billed",
    "529": "The model is at full capacity; not billed",
}


def _example_errors() -> tuple[AppError, ...]:
    """Return one example of each error of a metered call."""
    return (
        errors.ParameterInvalid("`temperature` is above 2.", param="temperature"),
        errors.BodyNotJson("The request body is not valid JSON."),
        errors.ContextLengthExceeded("The prompt is longer than the model's context."),
        errors.WrongEndpoint(
            "The model is an embedding model and not available at this endpoint.", param="model"
        ),
        errors.MaxCostExceeded("The call can cost more than X-Max-Cost.", param="X-Max-Cost"),
        errors.KeyMissing("Send your API key as `Authorization: Bearer maas_…`."),
        errors.KeyInvalid("The API key is not valid."),
        errors.ModelNotAllowed("This API key may not call the model.", param="model"),
        errors.ModelNotFound("The model does not exist.", param="model"),
        errors.BodyIncomplete("The request body did not arrive completely."),
        errors.IdempotencyKeyBusy("The first call is still running.", param="Idempotency-Key"),
        errors.BodyTooLarge("The request body is too large."),
        errors.EncodingUnsupported("Compressed bodies are not accepted."),
        errors.IdempotencyKeyReused(
            "The Idempotency-Key was used for another request.", param="Idempotency-Key"
        ),
        errors.RateLimited("The limit of requests per minute was reached."),
        errors.CreditExhausted("The account's available balance does not cover this call."),
        errors.BudgetExhausted(
            "The daily budget of the key 'line-3' is used up.", param="budget.daily"
        ),
        errors.InternalError("Something went wrong on our side."),
        errors.UpstreamFailed("The model failed."),
        errors.UpstreamUnreachable("The model is not available."),
        errors.UpstreamTimeout("The model did not respond in time."),
    )
