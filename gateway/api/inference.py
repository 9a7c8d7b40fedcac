"""The calls that are metered: plain ASGI, so that nothing stands between bytes and pipeline.

The pipeline does the rest.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

from litestar import Request, asgi, route
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from gateway.asgi.exchange import Client
from gateway.asgi.timeouts import Deadlines
from gateway.call.errors import MethodNotAllowed
from gateway.call.failure import refused
from gateway.call.values import Call, Operation
from gateway.inference.pipeline import Pipeline
from infra import ids
from infra.clock import Clock

PLAIN: Mapping[str, Operation] = {
    "/v1/chat/completions": Operation.CHAT,
    "/v1/completions": Operation.TEXT_COMPLETION,
    "/v1/embeddings": Operation.EMBEDDINGS,
    "/v1/predictions": Operation.PREDICTIONS,
}
INFER = "/v2/models/{name:str}/infer"
INFER_VERSION = "/v2/models/{name:str}/versions/{version:str}/infer"
# The rest of OpenAI's addresses, so that using one leaves a usage row that says so.
REST = "/v1/{rest:path}"


class Served(Protocol):
    """What answers calls. Looked up for each call, as parts are (gateway/components.py)."""

    @property
    def pipeline(self) -> Pipeline: ...

    @property
    def clock(self) -> Clock: ...


def inference_routes(parts: Served) -> Sequence[BaseRouteHandler]:
    """One handler for each address."""
    entrance = _Entrance(parts)
    return [
        *(_plain(path, operation, entrance) for path, operation in PLAIN.items()),
        _with_parameters(INFER, Operation.INFER, ["POST"], entrance),
        _with_parameters(INFER_VERSION, Operation.INFER, ["POST"], entrance, "infer_version"),
        _with_parameters(
            REST, Operation.UNSUPPORTED, ["GET", "POST", "PUT", "PATCH", "DELETE"], entrance
        ),
    ]


class _Entrance:
    """From a scope to a call in the pipeline."""

    def __init__(self, parts: Served) -> None:
        self._parts = parts
        self._deadlines = Deadlines()

    async def enter(
        self, scope: HTTPScope, receive: Receive, send: Send, operation: Operation
    ) -> None:
        headers = dict(scope["headers"])
        call = self._call(scope, headers, operation)
        client = Client(headers, receive, send, self._deadlines)
        if scope["method"] != "POST" and operation is not Operation.UNSUPPORTED:
            wrong = MethodNotAllowed("Use POST here.", headers={"allow": "POST"})
            completion = refused(call, wrong)
            await client.finish(completion, completion.tail)
        else:
            await self._parts.pipeline.serve(call, client)

    def _call(self, scope: HTTPScope, headers: dict[bytes, bytes], operation: Operation) -> Call:
        credentials, clock = headers.get(b"authorization"), self._parts.clock
        return Call(
            request_id=ids.new_id(),
            operation=operation,
            path=scope["path"],
            credentials=None if credentials is None else credentials.decode("latin-1"),
            headers=headers,
            model_in_path=scope["path_params"].get("name"),
            started_at=clock.now(),
            started=clock.monotonic(),
            version_in_path=scope["path_params"].get("version"),
            address=_address(scope),
        )


def _address(scope: HTTPScope) -> str:
    client = scope["client"]
    return "" if client is None else client[0]


def _plain(path: str, operation: Operation, entrance: _Entrance) -> BaseRouteHandler:
    @asgi(path, name=operation.value, copy_scope=False)
    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        await entrance.enter(cast(HTTPScope, scope), receive, send, operation)

    return handle


def _with_parameters(
    path: str,
    operation: Operation,
    methods: list[Any],
    entrance: _Entrance,
    name: str | None = None,
) -> BaseRouteHandler:
    """Litestar 2.25 finds no plain ASGI handler behind a path parameter; this goes around it."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await entrance.enter(cast(HTTPScope, scope), receive, send, operation)

    @route(path, http_method=methods, name=name or operation.value, include_in_schema=False)
    async def handle(request: Request[Any, Any, Any]) -> ASGIApp:
        return application

    return handle
