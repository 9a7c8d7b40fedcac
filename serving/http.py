"""HTTP helpers of the Starlette applications: size-limited bodies and OpenAI error responses."""

import logging
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from infra.errors import AppError
from serving.errors import BodyTooLarge, InputInvalid, MethodNotAllowed, ModelFailed, error_body

# Marks a response whose error text was written by this service: the gateway may show that text to
# customers, unlike texts of Ray or vLLM.
MAAS_ERROR_HEADER = {"x-maas-error": "1"}
JSON = "application/json"

log = logging.getLogger("ray.serve")


async def run_handler(
    request: Request, handle: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Call `handle` and convert its exceptions into OpenAI error responses without internals."""
    try:
        return await handle(request)
    except AppError as error:
        return _error_response(error)
    except Exception:
        # The log gets code locations only, never the values that a customer sent.
        log.exception("A request to %s failed", request.scope.get("path"))
        return _error_response(ModelFailed("The model failed to respond."))


def json_response(content: object, status: int = 200) -> Response:
    """Return `content` as an application/json response."""
    return Response(msgspec.json.encode(content), status_code=status, media_type=JSON)


def path_segments(request: Request) -> list[str]:
    """Return the path segments after the application's route prefix."""
    path: str = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    return [part for part in path.split("/") if part]


def require_method(request: Request, method: str) -> None:
    """Raise MethodNotAllowed (405) unless the request uses `method`."""
    if request.method != method:
        raise MethodNotAllowed(f"This endpoint only supports {method}.")


async def read_body(request: Request, limit: int) -> bytes:
    """Return the whole body. Raises BodyTooLarge as soon as more than `limit` bytes were read."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise InputInvalid("A compressed body is not supported.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise BodyTooLarge(f"The request body is larger than {limit} bytes.")
    return bytes(body)


def _error_response(error: AppError) -> Response:
    """Return an error's HTTP response; its header allows showing the text to customers."""
    body = msgspec.json.encode(error_body(error))
    return Response(body, status_code=error.status, headers=MAAS_ERROR_HEADER, media_type=JSON)
