"""HTTP for our own applications: bodies read with a limit, errors in OpenAI's shape."""

import logging
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from infra.errors import AppError
from serving.errors import BodyTooLarge, InputInvalid, MethodWrong, ModelFailed, envelope

# Says to the gateway that an error's text is ours, so that it may be passed on to a customer.
OUR_ERROR = {"x-maas-error": "1"}
JSON = "application/json"

log = logging.getLogger("ray.serve")


async def guarded(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    """Answer with `handle`; every failure becomes an error object with nothing internal in it."""
    try:
        return await handle(request)
    except AppError as error:
        return _error_response(error)
    except Exception:
        # The traceback names code, never the values that a customer sent.
        log.exception("A request to %s failed", request.scope.get("path"))
        return _error_response(ModelFailed("The model could not answer."))


def json_response(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, media_type=JSON)


def parts_of(request: Request) -> list[str]:
    """The address below the application's prefix, in pieces."""
    path: str = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    return [part for part in path.split("/") if part]


def require_method(request: Request, method: str) -> None:
    if request.method != method:
        raise MethodWrong(f"This address takes {method}.")


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises BodyTooLarge before more than `limit` is held."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise InputInvalid("A compressed body is not supported.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise BodyTooLarge(f"The body is larger than {limit} bytes.")
    return bytes(body)


def _error_response(error: AppError) -> Response:
    body = msgspec.json.encode(envelope(error))
    return Response(body, status_code=error.status, headers=OUR_ERROR, media_type=JSON)
