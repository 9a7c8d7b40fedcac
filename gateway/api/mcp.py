"""`/mcp`: the Model Context Protocol, as a plain ASGI application behind the same API keys.

A request is authenticated before its body is read, and its body is bounded before it is parsed.
There are no sessions and no streams of server events: `GET` and `DELETE` are refused.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import urlsplit

from litestar import asgi
from litestar.handlers import BaseRouteHandler
from litestar.types import HTTPScope, Receive, Scope, Send

from gateway.access.authenticator import Authenticator
from gateway.access.credentials import AUTHORIZATION, find_api_key
from gateway.asgi.exchange import ClientDisconnected, ClientExchange
from gateway.asgi.timeouts import TimeoutWheel
from gateway.call.errors import MethodNotAllowed, OriginNotAllowed, Unavailable, render_error
from gateway.call.tags import TAGS_HEADER
from gateway.call.values import Principal
from gateway.mcp.toolbox import Toolbox
from gateway.mcp.tools import ToolCaller
from infra.errors import AppError
from infra.lazy_import import LazyModule
from infra.settings import Settings

if TYPE_CHECKING:
    from gateway.mcp import protocol
else:
    protocol = LazyModule("gateway.mcp.protocol")

PATH = "/mcp"
MAX_BODY_BYTES = 1 << 20
# At most so many requests are answered at a time, each with a body and some tasks.
MAX_RUNNING = 256
# Headers of the HTTP request that apply to the call of a model.
_CALL_HEADERS = (TAGS_HEADER, b"x-max-cost", b"idempotency-key")


class McpComponents(Protocol):
    """The components that answer requests, looked up for each (gateway/components.py)."""

    @property
    def authenticator(self) -> Authenticator:
        """Return what authenticates API keys."""
        ...

    @property
    def settings(self) -> Settings:
        """Return the settings of the process."""
        ...

    @property
    def toolbox(self) -> Toolbox:
        """Return the tools."""
        ...


def mcp_route(components: McpComponents) -> BaseRouteHandler:
    """Return the handler of `/mcp`."""
    adapter = _McpAdapter(components)

    @asgi(PATH, name="mcp", copy_scope=False)
    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        await adapter.serve(cast(HTTPScope, scope), receive, send)

    return handle


class _McpAdapter:
    """Adapter from ASGI requests to the protocol."""

    def __init__(self, components: McpComponents) -> None:
        self._components = components
        self._deadlines = TimeoutWheel()
        self._running = 0
        self._protocol: Callable[..., Awaitable[None]] | None = None

    async def serve(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Answer one request; errors before the protocol have OpenAI's shape."""
        headers = dict(scope["headers"])
        client = ClientExchange(headers, receive, send, self._deadlines)
        try:
            principal = await self._authorize(scope, headers)
            timeout_s = self._components.settings.body_timeout_s
            self._running += 1
            try:
                body = await client.read_body(MAX_BODY_BYTES, timeout_s)
                await self._answer(principal, scope, body, receive, send)
            finally:
                self._running -= 1
        except ClientDisconnected:
            return
        except AppError as error:
            await _send_error(error, send)

    async def _authorize(self, scope: HTTPScope, headers: Mapping[bytes, bytes]) -> Principal:
        """Return the principal of a request that may be read. Raises AppError."""
        if scope["method"] != "POST":
            raise MethodNotAllowed("Use POST here.", headers={"allow": "POST"})
        _require_own_origin(headers)
        if self._running >= MAX_RUNNING:
            busy = "Too many requests to /mcp are running. Try again shortly."
            raise Unavailable(busy, headers={"retry-after": "1"})
        authorization = headers.get(AUTHORIZATION.encode())
        credentials = (
            find_api_key(headers) if authorization is None else authorization.decode("latin-1")
        )
        authenticator, client = self._components.authenticator, scope["client"]
        key_record = await authenticator.identify(credentials)
        return authenticator.require_active(key_record, "" if client is None else client[0])

    async def _answer(
        self, principal: Principal, scope: HTTPScope, body: bytes, receive: Receive, send: Send
    ) -> None:
        """Answer a request with the caller's tools."""
        serve = self._protocol or await self._import_protocol()
        headers = dict(scope["headers"])
        kept = {name: headers[name] for name in _CALL_HEADERS if name in headers}
        caller = ToolCaller(principal, kept)
        await serve(self._components.toolbox, caller, scope, body, receive, send)

    async def _import_protocol(self) -> Callable[..., Awaitable[None]]:
        """Import the SDK at the first request: in a thread, so that other calls go on."""
        serve: Callable[..., Awaitable[None]] = await asyncio.to_thread(getattr, protocol, "serve")
        self._protocol = serve
        return serve


def _require_own_origin(headers: Mapping[bytes, bytes]) -> None:
    """Raise OriginNotAllowed for a request from a web page of another host (DNS rebinding)."""
    origin = headers.get(b"origin")
    if origin is None:
        return
    if urlsplit(origin.decode("latin-1")).netloc != headers.get(b"host", b"").decode("latin-1"):
        raise OriginNotAllowed("Web pages of other hosts may not call this address.")


async def _send_error(error: AppError, send: Send) -> None:
    """Send an error with its status."""
    body = render_error(error)
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    headers |= error.headers
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    start: Any = {"type": "http.response.start", "status": error.status, "headers": pairs}
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})
