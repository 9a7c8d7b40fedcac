"""HTTP ingress of the text models: passes requests to the engine of their model, unread.

Bodies are validated by the engine's own server (serving/text/responses.py). This process imports
no vLLM.
"""

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from serving.errors import InputInvalid, ModelNotFound, RouteNotFound, error_body
from serving.http import json_response, read_body, require_method, run_handler
from serving.text.engine import engine_model_id
from serving.text.messages import Operation, ResponseStart, TextRequest

MAX_BODY_BYTES = 64 << 20
_MODELS_PATH = "/v1/models"
_OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {"/v1/chat/completions": Operation.CHAT, "/v1/completions": Operation.COMPLETIONS}
)


class _Addressed(msgspec.Struct):
    """The part of a request's body that selects the engine."""

    model: str | None = None


class TextIngress:
    """Routes `/v1/chat/completions`, `/v1/completions` and `/v1/models`.

    `servers` are the engines' deployments by model, `engines` maps each model that has no engine
    of its own to the model of its engine.
    """

    def __init__(
        self, servers: Mapping[str, DeploymentHandle[Any]], engines: Mapping[str, str]
    ) -> None:
        self._servers = {model: handle.options(stream=True) for model, handle in servers.items()}
        self._engines = engines

    async def __call__(self, request: Request) -> Response:
        return await run_handler(request, self._handle)

    async def _handle(self, request: Request) -> Response:
        """Return the response to a request. Raises RouteNotFound and InputInvalid."""
        path = request.scope["path"]
        if path == _MODELS_PATH:
            require_method(request, "GET")
            return json_response(self._models())
        operation = _OPERATIONS.get(path)
        if operation is None:
            raise RouteNotFound("This deployment does not have this route.")
        require_method(request, "POST")
        body = await read_body(request, MAX_BODY_BYTES)
        server = self._find_server(body)
        if server is None:
            # Without the mark of texts for customers: the gateway has a better one.
            error = ModelNotFound("This deployment does not serve this model.", param="model")
            return json_response(error_body(error), error.status)
        parts = server.respond.remote(TextRequest(operation, body, dict(request.headers)))
        return await _respond(parts)

    def _find_server(self, body: bytes) -> DeploymentHandle[Any] | None:
        """Return the engine's deployment for the body's model, or None if there is none.

        Raises InputInvalid for a body that is no JSON object.
        """
        try:
            name = msgspec.json.decode(body, type=_Addressed).model
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise InputInvalid("The body is not a JSON object with a text `model`.") from None
        model = engine_model_id(name or "")
        return self._servers.get(self._engines.get(model, model))

    def _models(self) -> dict[str, Any]:
        """Return the list of all models in OpenAI's form."""
        names = [*self._servers, *self._engines]
        models = [
            {"id": name, "object": "model", "created": 0, "owned_by": "maas"} for name in names
        ]
        return {"object": "list", "data": models}


async def _respond(parts: Any) -> Response:
    """Return the HTTP response made of a replica's parts."""
    start: ResponseStart = await anext(parts)
    if not start.is_stream:
        return Response(start.content, status_code=start.status, media_type=start.media_type)
    return StreamingResponse(
        _events(start.content, parts), status_code=start.status, media_type=start.media_type
    )


async def _events(first: str, parts: Any) -> AsyncIterator[str]:
    """Yield the events of a stream; when the client leaves, the generation ends."""
    yield first
    async for event in parts:
        yield event
