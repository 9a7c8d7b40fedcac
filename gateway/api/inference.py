"""Routes of the metered calls, as plain ASGI applications in front of the inference pipeline.

Litestar neither parses nor validates these requests.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, cast

import structlog
from litestar import Request, asgi, route
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.access.credentials import find_api_key
from gateway.asgi.exchange import ClientExchange, direct_writer
from gateway.asgi.timeouts import TimeoutWheel
from gateway.call.error_format import ErrorFormat
from gateway.call.errors import InternalError, MethodNotAllowed
from gateway.call.failure import failed_result
from gateway.call.values import Call, Operation
from gateway.inference.endpoints.endpoint import Endpoint
from gateway.inference.endpoints.table import ENDPOINTS, errors_under
from gateway.inference.pipeline import Pipeline
from infra import ids
from infra.clock import Clock

# Any other path under /v1: recorded as a usage row with the operation `unsupported`.
UNSUPPORTED_PATHS = "/v1/{rest:path}"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_Application = Callable[[HTTPScope, Receive, Send], Awaitable[None]]


class InferenceComponents(Protocol):
    """The components that serve calls, looked up for each call (gateway/components.py)."""

    @property
    def pipeline(self) -> Pipeline:
        """Return the pipeline that serves the metered calls."""
        ...

    @property
    def clock(self) -> Clock:
        """Return the clock that times the calls."""
        ...


def inference_routes(adapter: "CallAdapter") -> Sequence[BaseRouteHandler]:
    """Return one handler for each path of the metered endpoints, and one for unsupported paths."""
    return [
        *(route for endpoint in ENDPOINTS.values() for route in _routes(endpoint, adapter)),
        _path_parameter_handler(
            UNSUPPORTED_PATHS, Operation.UNSUPPORTED.value, _METHODS, adapter.reject
        ),
    ]


def direct_applications(adapter: "CallAdapter") -> Mapping[str, ASGIApp]:
    """Return the applications of the metered endpoints whose paths have no parameters, by path."""
    return {
        endpoint.path: cast(ASGIApp, partial(adapter.serve, endpoint))
        for endpoint in ENDPOINTS.values()
        if not endpoint.is_job and "{" not in endpoint.path
    }


class CallAdapter:
    """Adapter from ASGI requests to calls of the inference pipeline."""

    def __init__(self, components: InferenceComponents) -> None:
        self._components = components
        self._deadlines = TimeoutWheel()

    async def serve(
        self, endpoint: Endpoint, scope: HTTPScope, receive: Receive, send: Send
    ) -> None:
        """Serve one request; other methods than POST are answered with 405."""
        headers = dict(scope["headers"])
        call = self._call(scope, headers, endpoint.operation, endpoint.error_format)
        client = ClientExchange(headers, receive, send, self._deadlines, direct_writer(scope))
        if endpoint.wire_format is not None and endpoint.wire_format.request_id_header is not None:
            request_id = ids.format_id(REQUEST_ID_PREFIX, call.request_id)
            client.extra_headers[endpoint.wire_format.request_id_header] = request_id
        if scope["method"] != "POST":
            error = MethodNotAllowed("Use POST here.", headers={"allow": "POST"})
            completion = failed_result(call, error)
            await client.finish(completion, completion.tail)
        else:
            await self._serve_call(call, client)

    async def reject(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Answer a request to an unsupported path with an error and a usage row."""
        headers = dict(scope["headers"])
        error_format = errors_under(scope["path"])
        call = self._call(scope, headers, Operation.UNSUPPORTED, error_format)
        client = ClientExchange(headers, receive, send, self._deadlines)
        await self._serve_call(call, client)

    async def _serve_call(self, call: Call, client: ClientExchange) -> None:
        """Serve a call; an unexpected error is logged and answered without its details."""
        try:
            await self._components.pipeline.serve(call, client)
        except Exception as error:
            if client.has_started:
                raise
            structlog.get_logger().error("a request failed", path=call.path, exc_info=error)
            result = failed_result(call, InternalError("Something went wrong on our side."))
            client.before_first_byte = None
            await client.finish(result, result.tail)

    def _call(
        self,
        scope: HTTPScope,
        headers: dict[bytes, bytes],
        operation: Operation,
        error_format: ErrorFormat,
    ) -> Call:
        """Return the call that a request makes: its operation, headers, start time and client."""
        credentials, clock = headers.get(b"authorization"), self._components.clock
        return Call(
            request_id=ids.new_id(),
            operation=operation,
            path=scope["path"],
            credentials=(
                find_api_key(headers) if credentials is None else credentials.decode("latin-1")
            ),
            headers=headers,
            model_in_path=scope["path_params"].get("name"),
            started_at=clock.now(),
            started_monotonic=clock.monotonic(),
            version_in_path=scope["path_params"].get("version"),
            client_address=_client_address(scope),
            error_format=error_format,
        )


def _client_address(scope: HTTPScope) -> str:
    """Return the client's IP address, empty if the server does not report it."""
    client = scope["client"]
    return "" if client is None else client[0]


def _routes(endpoint: Endpoint, adapter: CallAdapter) -> Iterator[BaseRouteHandler]:
    """Yield the handlers of an endpoint's paths; none for jobs, which have routes of their own."""
    if endpoint.is_job:
        return
    serve, name = partial(adapter.serve, endpoint), endpoint.operation.value
    if "{" in endpoint.path:
        yield _path_parameter_handler(endpoint.path, name, ["POST"], serve)
    else:
        yield _asgi_handler(endpoint.path, name, serve)
    if endpoint.version_path is not None:
        yield _path_parameter_handler(endpoint.version_path, f"{name}_version", ["POST"], serve)


def _asgi_handler(path: str, name: str, serve: _Application) -> BaseRouteHandler:
    """Return a plain ASGI handler for a path without parameters."""

    @asgi(path, name=name, copy_scope=False)
    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        await serve(cast(HTTPScope, scope), receive, send)

    return handle


def _path_parameter_handler(
    path: str, name: str, methods: list[Any], serve: _Application
) -> BaseRouteHandler:
    """Return a handler for a path with parameters.

    Litestar 2.25 does not route to a plain ASGI handler behind a path parameter, so this handler
    returns the ASGI application as its response.
    """

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await serve(cast(HTTPScope, scope), receive, send)

    @route(path, http_method=methods, name=name, include_in_schema=False)
    async def handle(request: Request[Any, Any, Any]) -> ASGIApp:
        return application

    return handle
