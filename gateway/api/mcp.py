"""`/mcp`: the Model Context Protocol, as a plain ASGI application behind the same API keys.

A request is authenticated before its body is read, and its body is bounded before it is parsed.
There are no sessions and no streams of server events: `GET` and `DELETE` are refused.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import urlsplit
from uuid import UUID

from litestar import asgi
from litestar.handlers import BaseRouteHandler
from litestar.types import HTTPScope, Receive, Scope, Send

from gateway.access.authenticator import Authenticator
from gateway.access.credentials import AUTHORIZATION, find_api_key
from gateway.access.key_permissions import KeyPermission, require_permission
from gateway.agents.requests.chains import CHAIN_HEADER
from gateway.asgi.exchange import ClientDisconnected, ClientExchange
from gateway.asgi.timeouts import TimeoutWheel
from gateway.call.errors import (
    MethodNotAllowed,
    OriginNotAllowed,
    RateLimited,
    Unavailable,
    render_error,
)
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
# At most so many requests are answered at a time, each with a body and some tasks: of all accounts,
# and of one.
MAX_RUNNING, MAX_RUNNING_OF_ACCOUNT = 256, 32
_TOO_MANY = "Too many requests to /mcp are running. Try again shortly."
# Headers of the HTTP request that apply to the call of a model.
_CALL_HEADERS = (TAGS_HEADER, b"x-max-cost", b"idempotency-key", CHAIN_HEADER.encode())


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
        self._running: Counter[UUID] = Counter()
        self._protocol: Callable[..., Awaitable[None]] | None = None

    async def serve(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Answer one request; errors before the protocol have OpenAI's shape."""
        headers = dict(scope["headers"])
        client = ClientExchange(headers, receive, send, self._deadlines)
        try:
            credentials = self._find_credentials(scope, headers)
            principal = await self._authorize(scope, credentials)
            timeout_s = self._components.settings.body_timeout_s
            with self._counted(principal.account_id):
                body = await client.read_body(MAX_BODY_BYTES, timeout_s)
                kept = {name: headers[name] for name in _CALL_HEADERS if name in headers}
                address = "" if scope["client"] is None else scope["client"][0]
                caller = ToolCaller(principal, credentials, kept, address)
                await self._answer(caller, scope, body, receive, send)
        except ClientDisconnected:
            return
        except AppError as error:
            await _send_error(error, send)

    def _find_credentials(self, scope: HTTPScope, headers: Mapping[bytes, bytes]) -> str | None:
        """Return the credentials of a request that may be made. Raises AppError."""
        if scope["method"] != "POST":
            raise MethodNotAllowed("Use POST here.", headers={"allow": "POST"})
        _require_own_origin(headers)
        authorization = headers.get(AUTHORIZATION.encode())
        if authorization is None:
            return find_api_key(headers)
        return authorization.decode("latin-1")

    @contextmanager
    def _counted(self, account_id: UUID) -> Iterator[None]:
        """Count a running request. Raises RateLimited, Unavailable if too many run."""
        running, retry = self._running, {"retry-after": "1"}
        if running[account_id] >= MAX_RUNNING_OF_ACCOUNT:
            raise RateLimited(_TOO_MANY, headers=retry)
        if running.total() >= MAX_RUNNING:
            raise Unavailable(_TOO_MANY, headers=retry)
        running[account_id] += 1
        try:
            yield
        finally:
            running[account_id] -= 1
            if not running[account_id]:
                del running[account_id]  # or the counter would grow with every account

    async def _authorize(self, scope: HTTPScope, credentials: str | None) -> Principal:
        """Return the principal of a request. Raises the error of a rejected key."""
        authenticator, client = self._components.authenticator, scope["client"]
        key_record = await authenticator.identify(credentials)
        principal = authenticator.require_active(key_record, "" if client is None else client[0])
        require_permission(principal, KeyPermission.CALLS)
        return principal

    async def _answer(
        self, caller: ToolCaller, scope: HTTPScope, body: bytes, receive: Receive, send: Send
    ) -> None:
        """Answer a request with the caller's tools."""
        serve = self._protocol or await self._import_protocol()
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
