"""What the OpenAPI document says of answers: how refusals look, and what takes no key."""

from collections.abc import Mapping
from typing import Any

REFERENCE = "#/components/schemas/{name}"
# Whoever watches the service, and Stripe, which signs what it posts.
_OPEN = ("/health/", "/v2/health/", "/metrics", "/stripe/")
_METHODS = frozenset({"get", "post", "put", "patch", "delete"})
REFUSED = {
    "4XX": "Refused: the code says why, see docs/errors.md",
    "5XX": "Our side is at fault, and nothing is billed",
}
_NOT_READY = {"503": {"description": "Not ready: a call would not be answered"}}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_FOUR: dict[str, Any] = {
    "type": "object",
    "required": ["message", "type", "param", "code"],
    "properties": {
        "message": {"type": "string"},
        "type": {"type": "string"},
        "param": _TEXT_OR_NULL,
        "code": _TEXT_OR_NULL,
    },
}
ERRORS: Mapping[str, Any] = {
    "Error": {"type": "object", "required": ["error"], "properties": {"error": _FOUR}},
    "InferError": {
        **_FOUR,
        "required": ["error", *_FOUR["required"]],
        "properties": {"error": {"type": "string"}, **_FOUR["properties"]},
    },
}


def with_refusals(paths: Mapping[str, Any]) -> dict[str, Any]:
    """The document's paths, each operation with what it may be refused with."""
    return {
        address: {
            method: _refusing(address, operation) if method in _METHODS else operation
            for method, operation in operations.items()
        }
        for address, operations in paths.items()
    }


def error_content(schema: str, examples: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """An error's body in the shape of this name, with examples by code."""
    told = {"schema": {"$ref": REFERENCE.format(name=schema)}}
    return {"application/json": {**told, "examples": examples} if examples else told}


def _refusing(address: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    name = "InferError" if address.startswith("/v2/") else "Error"
    content = error_content(name)
    well = {
        status: {**told, "content": content} if status[0] in "45" else _whole(told)
        for status, told in operation["responses"].items()
        if not _is_the_frameworks(told)
    }
    refused = {
        status: {"description": text, "content": content} for status, text in REFUSED.items()
    }
    not_ready = _NOT_READY if address.endswith("/ready") else {}
    responses = {**well, **not_ready, **refused}
    described = {**operation, "responses": responses}
    return {**described, "security": []} if address.startswith(_OPEN) else described


def _whole(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """JSON that a handler wrote by itself is an object, and no text, as its type would say."""
    content = told.get("content", {})
    if content.get("application/json", {}).get("schema") != {"type": "string"}:
        return told
    return {**told, "content": {"application/json": {"schema": {"type": "object"}}}}


def _is_the_frameworks(told: Mapping[str, Any]) -> bool:
    """Litestar describes errors of its own, which gateway/api/exception_handlers.py replaces."""
    schema = told.get("content", {}).get("application/json", {}).get("schema", {})
    return "status_code" in schema.get("required", ())
