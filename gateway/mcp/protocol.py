"""The Model Context Protocol over streamable HTTP, by the official SDK.

The only module that imports the SDK, which takes 0.7 s of processor time and 21 MiB; the route
imports this module at the first request (gateway/api/mcp.py). Each request has a server of its own,
without a session, so that any process can answer it and nothing is kept when it ends.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from gateway.mcp.toolbox import Toolbox
from gateway.mcp.tools import Tool, ToolAnswer, ToolCaller

_INSTRUCTIONS = (
    "Specialist models and formulas for industrial equipment. Give inputs in the units of each "
    "tool, or name other units in `units`. Results have units, the id of the call and its cost; "
    "report the figures unchanged. If an input is missing, ask for it; do not invent it."
)
_Send = Callable[[Any], Awaitable[None]]
_Receive = Callable[[], Awaitable[Any]]


async def serve(
    toolbox: Toolbox, caller: ToolCaller, scope: Any, body: bytes, receive: _Receive, send: _Send
) -> None:
    """Answer one request whose body was read; `receive` then reports the client's disconnect."""
    manager = StreamableHTTPSessionManager(
        _server(toolbox, caller),
        json_response=True,
        stateless=True,
        max_request_body_size=max(1, len(body)),
    )
    async with manager.run():
        await manager.handle_request(scope, _Replayed(body, receive), send)


class _Replayed:
    """ASGI `receive` of a request whose body was read already."""

    def __init__(self, body: bytes, receive: _Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Any:
        """Return the body, then what the server receives."""
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def _server(toolbox: Toolbox, caller: ToolCaller) -> Server[Any]:
    """Return a server with the caller's tools."""

    async def list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
        """Return all tools; there are no pages."""
        tools = await toolbox.list_tools(caller)
        return types.ListToolsResult(tools=[_tool(tool) for tool in tools])

    async def call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        """Return the result of a tool, an error included."""
        return _result(await toolbox.call(caller, params.name, params.arguments or {}))

    return Server(
        "maas",
        title="Model as a Service",
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        # No tool has arguments in headers; without this the SDK lists all tools before each call.
        get_tool_input_schema=lambda _name: None,
    )


def _tool(tool: Tool) -> types.Tool:
    """Return a tool in the SDK's type. Only tools on agents change anything."""
    is_idempotent = not tool.is_billed if tool.is_idempotent is None else tool.is_idempotent
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=dict(tool.input_schema),
        output_schema=dict(tool.output_schema),
        annotations=types.ToolAnnotations(
            read_only_hint=tool.is_read_only,
            destructive_hint=tool.is_destructive,
            idempotent_hint=is_idempotent,
        ),
    )


def _result(answer: ToolAnswer) -> types.CallToolResult:
    """Return an answer in the SDK's type: structured, and as text for clients that read text."""
    text = types.TextContent(text=msgspec.json.encode(answer.content).decode())
    return types.CallToolResult(
        content=[text],
        structured_content=None if answer.is_error else dict(answer.content),
        is_error=answer.is_error,
    )
