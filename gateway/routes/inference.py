"""The calls that are metered: plain ASGI, so that nothing stands between bytes and pipeline.

Owns the addresses and reading a request's line and headers. The pipeline does the rest.
"""

from collections.abc import Sequence
from typing import cast

from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import HTTPScope, Receive, Scope, Send

from gateway.client import Client
from gateway.errors import MethodNotAllowed
from gateway.flow import Call, Operation
from gateway.pipeline import Pipeline, refused
from infra import ids
from infra.clock import Clock

ADDRESSES = {
    "/v1/chat/completions": Operation.CHAT,
    "/v1/completions": Operation.TEXT_COMPLETION,
    "/v1/embeddings": Operation.EMBEDDINGS,
    "/v1/predictions": Operation.PREDICTIONS,
    "/v2/models/{name:str}/infer": Operation.INFER,
    # The rest of OpenAI's addresses, so that using one leaves a row that says so.
    "/v1/{rest:path}": Operation.UNSUPPORTED,
}


def inference_routes(pipeline: Pipeline, clock: Clock) -> Sequence[ASGIRouteHandler]:
    """One handler for each address."""
    return [_route(path, operation, pipeline, clock) for path, operation in ADDRESSES.items()]


def _route(path: str, operation: Operation, pipeline: Pipeline, clock: Clock) -> ASGIRouteHandler:
    @asgi(path, name=operation.value, copy_scope=False)
    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        http = cast(HTTPScope, scope)  # Litestar hands these handlers nothing else
        client_headers = dict(http["headers"])
        call = _call(http, client_headers, operation, clock)
        client = Client(client_headers, receive, send)
        if http["method"] != "POST" and operation is not Operation.UNSUPPORTED:
            await client.finish(refused(call, MethodNotAllowed("Use POST here.")))
            return
        await pipeline.serve(call, client)

    return handle


def _call(
    scope: HTTPScope, headers: dict[bytes, bytes], operation: Operation, clock: Clock
) -> Call:
    credentials = headers.get(b"authorization")
    return Call(
        request_id=ids.new_id(),
        operation=operation,
        path=scope["path"],
        credentials=None if credentials is None else credentials.decode("latin-1"),
        headers=headers,
        model_in_path=scope["path_params"].get("name"),
        started_at=clock.now(),
        started=clock.monotonic(),
    )
