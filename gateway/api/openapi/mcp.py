"""`/mcp` in the OpenAPI document: one address, whose messages the protocol's specification has."""

from typing import Any

from gateway.api.mcp import MAX_BODY_BYTES, PATH
from gateway.api.openapi.responses import ERROR_DESCRIPTIONS
from gateway.api.openapi.tags import INFERENCE

_MESSAGE = {
    "type": "object",
    "required": ["jsonrpc", "method"],
    "properties": {
        "jsonrpc": {"const": "2.0"},
        "id": {"type": ["string", "integer"]},
        "method": {"type": "string"},
        "params": {"type": "object"},
    },
}
_EXAMPLE = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


def mcp_paths() -> dict[str, Any]:
    """Return the path of the MCP server."""
    answer = {"application/json": {"schema": {"type": "object"}}}
    refusal = {**answer, "text/plain": {"schema": {"type": "string"}}}
    operation = {
        "operationId": "mcp",
        "summary": "Model Context Protocol (streamable HTTP, stateless)",
        "description": (
            "Specialist models, search, agents, quotes and usage as tools; see docs/clients.md. "
            "Clients of the protocol use this address. A request has at most "
            f"{MAX_BODY_BYTES >> 20} MiB."
        ),
        "tags": [INFERENCE],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _MESSAGE, "example": _EXAMPLE}},
        },
        "responses": {
            "200": {"description": "The response of the method", "content": answer},
            "202": {"description": "A notification was accepted"},
            "4XX": {
                "description": "An error of the gateway or of the protocol",
                "content": refusal,
            },
            "5XX": {"description": ERROR_DESCRIPTIONS["5XX"], "content": answer},
        },
    }
    return {PATH: {"post": operation}}
