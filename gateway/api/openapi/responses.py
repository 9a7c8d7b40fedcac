"""Error responses and security of operations in the OpenAPI document."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from gateway.api.billing.collector_webhooks import webhook_paths
from gateway.api.billing.payment_notifications import notification_paths
from gateway.plant.imports.exporting import MEDIA_TYPES

REF_TEMPLATE = "#/components/schemas/{name}"
# Paths without an API key: monitoring, the public card and keys, sign-up, and webhooks of
# collectors, which are signed.
_PUBLIC_PREFIXES = (
    *("/health/", "/v2/health/", "/metrics", "/v1/status"),
    *("/.well-known/", "/v1/predictions/keys", "/v1/signups"),
    *webhook_paths(),
    *notification_paths(),
)
# Paths whose responses are files of several types.
_FILE_TYPES: Mapping[str, Collection[str]] = MappingProxyType(
    {"/v1/plant/export": frozenset(MEDIA_TYPES.values())}
)
_METHODS = frozenset({"get", "post", "put", "patch", "delete"})
ERROR_DESCRIPTIONS = {
    "4XX": "The request was rejected; see the error code in docs/errors.md",
    "5XX": "An error on our side; not billed",
}
_NOT_READY_RESPONSE = {"503": {"description": "Not ready: calls cannot be served"}}
_NULLABLE_STRING = {"type": ["string", "null"]}
_ERROR_FIELDS: dict[str, Any] = {
    "type": "object",
    "required": ["message", "type", "param", "code"],
    "properties": {
        "message": {"type": "string"},
        "type": {"type": "string"},
        "param": _NULLABLE_STRING,
        "code": _NULLABLE_STRING,
    },
}
_MESSAGES_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["type", "error", "request_id"],
    "properties": {
        "type": {"const": "error"},
        "error": _ERROR_FIELDS,
        "request_id": _NULLABLE_STRING,
    },
}
ERROR_SCHEMAS: Mapping[str, Any] = {
    "Error": {"type": "object", "required": ["error"], "properties": {"error": _ERROR_FIELDS}},
    "MessagesError": _MESSAGES_ERROR,
    "InferError": {
        **_ERROR_FIELDS,
        "required": ["error", *_ERROR_FIELDS["required"]],
        "properties": {"error": {"type": "string"}, **_ERROR_FIELDS["properties"]},
    },
}


def with_error_responses(paths: Mapping[str, Any]) -> dict[str, Any]:
    """Return the paths with the error responses of each operation added."""
    return {
        path: {
            method: _operation_with_errors(path, operation) if method in _METHODS else operation
            for method, operation in operations.items()
        }
        for path, operations in paths.items()
    }


def error_body(schema: str, examples: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the response content of an error schema, with examples by error code."""
    content = {"schema": {"$ref": REF_TEMPLATE.format(name=schema)}}
    return {"application/json": {**content, "examples": examples} if examples else content}


def _operation_with_errors(path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the operation with error responses; public paths get no security requirement."""
    content = error_body(_error_schema(path))
    all_responses = {
        status: {**response, "content": content} if status[0] in "45" else _as_json_object(response)
        for status, response in operation["responses"].items()
        if not _is_litestar_error(response)
    }
    error_responses = {
        status: {"description": description, "content": content}
        for status, description in ERROR_DESCRIPTIONS.items()
    }
    not_ready = _NOT_READY_RESPONSE if path.endswith("/ready") else {}
    all_responses = {**all_responses, **not_ready, **error_responses}
    if path in _FILE_TYPES:
        content_types = {one: {"schema": _file_schema(one)} for one in sorted(_FILE_TYPES[path])}
        all_responses["200"] = {**all_responses["200"], "content": content_types}
    result = {**operation, "responses": all_responses}
    return {**result, "security": []} if path.startswith(_PUBLIC_PREFIXES) else result


def _file_schema(media_type: str) -> dict[str, str]:
    """Return the schema of a file's content."""
    if media_type == "application/json":
        return {"type": "object"}
    return {"type": "string", "format": "binary"}


def _error_schema(path: str) -> str:
    """Return the name of the error schema of a path."""
    if path.startswith("/v1/messages"):
        return "MessagesError"
    return "InferError" if path.startswith("/v2/") else "Error"


def _as_json_object(response: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the response with an object schema if its JSON was encoded by the handler.

    The handler's return type would document it as a string.
    """
    content = response.get("content", {})
    if content.get("application/json", {}).get("schema") != {"type": "string"}:
        return response
    return {**response, "content": {"application/json": {"schema": {"type": "object"}}}}


def _is_litestar_error(response: Mapping[str, Any]) -> bool:
    """Return whether the response has Litestar's own error shape.

    The service never sends it: gateway/api/exception_handlers.py replaces it.
    """
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    return "status_code" in schema.get("required", ())
