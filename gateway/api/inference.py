"""Routes of the metered calls, as plain ASGI applications in front of the inference pipeline.

Litestar neither parses nor validates these requests.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

from litestar import Request, asgi, route
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from gateway.asgi.exchange import ClientExchange
from gateway.asgi.timeouts import TimeoutWheel
from gateway.call.errors import MethodNotAllowed
from gateway.call.failure import failed_result
from gateway.call.values import Call, Operation
from gateway.inference.pipeline import Pipeline
from infra import ids
from infra.clock import Clock

METERED_PATHS: Mapping[str, Operation] = {
    "/v1/chat/completions": Operation.CHAT,
    "/v1/completions": Operation.TEXT_COMPLETION,
    "/v1/embeddings": Operation.EMBEDDINGS,
    "/v1/predictions": Operation.PREDICTIONS,
}
INFER_PATH = "/v2/models/{name:str}/infer"
INFER_VERSION_PATH = "/v2/models/{name:str}/versions/{version:str}/infer"
# Any other path under /v1: recorded as a usage row with the operation `unsupported`.
UNSUPPORTED_PATHS = "/v1/{rest:path}"


class InferenceComponents(Protocol):
    """The components that serve calls, looked up for each call (gateway/components.py)."""

    @property
    def pipeline(self) -> Pipeline: ...

    @property
    def clock(self) -> Clock: ...


def inference_routes(components: InferenceComponents) -> Sequence[BaseRouteHandler]:
    """Return one handler for each metered path."""
    endpoint = _InferenceEndpoint(components)
    return [
        *(_asgi_handler(path, operation, endpoint) for path, operation in METERED_PATHS.items()),
        _path_parameter_handler(INFER_PATH, Operation.INFER, ["POST"], endpoint),
        _path_parameter_handler(
            INFER_VERSION_PATH, Operation.INFER, ["POST"], endpoint, "infer_version"
        ),
        _path_parameter_handler(
            UNSUPPORTED_PATHS,
            Operation.UNSUPPORTED,
            ["GET", "POST", "PUT", "PATCH", "DELETE"],
            endpoint,
        ),
    ]


class _InferenceEndpoint:
    """Adapter from ASGI requests to calls of the inference pipeline."""

    def __init__(self, components: InferenceComponents) -> None:
        self._components = components
        self._deadlines = TimeoutWheel()

    async def handle(
        self, scope: HTTPScope, receive: Receive, send: Send, operation: Operation
    ) -> None:
        """Serve one request; other methods than POST are answered with 405."""
        headers = dict(scope["headers"])
        call = self._call(scope, headers, operation)
        client = ClientExchange(headers, receive, send, self._deadlines)
        if scope["method"] != "POST" and operation is not Operation.UNSUPPORTED:
            error = MethodNotAllowed("Use POST here.", headers={"allow": "POST"})
            completion = failed_result(call, error)
            await client.finish(completion, completion.tail)
        else:
            await self._components.pipeline.serve(call, client)

    def _call(self, scope: HTTPScope, headers: dict[bytes, bytes], operation: Operation) -> Call:
        """Return the call that the request makes."""
        credentials, clock = headers.get(b"authorization"), self._components.clock
        return Call(
            request_id=ids.new_id(),
            operation=operation,
            path=scope["path"],
            credentials=None if credentials is None else credentials.decode("latin-1"),
            headers=headers,
            model_in_path=scope["path_params"].get("name"),
            started_at=clock.now(),
            started_monotonic=clock.monotonic(),
            version_in_path=scope["path_params"].get("version"),
            client_address=_client_address(scope),
        )


def _client_address(scope: HTTPScope) -> str:
    client = scope["client"]
    return "" if client is None else client[0]


def _asgi_handler(
    path: str, operation: Operation, endpoint: _InferenceEndpoint
) -> BaseRouteHandler:
    """Return a plain ASGI handler for a path without parameters."""

    @asgi(path, name=operation.value, copy_scope=False)
    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        await endpoint.handle(cast(HTTPScope, scope), receive, send, operation)

    return handle


def _path_parameter_handler(
    path: str,
    operation: Operation,
    methods: list[Any],
    endpoint: _InferenceEndpoint,
    name: str | None = None,
) -> BaseRouteHandler:
    """Return a handler for a path with parameters.

    Litestar 2.25 does not route to a plain ASGI handler behind a path parameter, so this handler
    returns the ASGI application as its response.
    """

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await endpoint.handle(cast(HTTPScope, scope), receive, send, operation)

    @route(path, http_method=methods, name=name or operation.value, include_in_schema=False)
    async def handle(request: Request[Any, Any, Any]) -> ASGIApp:
        return application

    return handle
