"""Convert exceptions of handlers and of Litestar into error responses in OpenAI's shape.

Responses never contain internal details.
"""

from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)

from gateway.call.errors import (
    BadRequest,
    BodyTooLarge,
    EndpointUnsupported,
    InternalError,
    MethodNotAllowed,
    ParameterInvalid,
    render_error,
)
from gateway.plant.aas_api.errors import aas_error
from gateway.plant.aas_api.parameters import API_PATH
from gateway.wire.messages.errors import message_error
from gateway.wire.messages.models import VERSION_HEADER
from infra.errors import AppError

_MESSAGES_PREFIX = "/v1/messages/"


def handle_app_error(request: Request[Any, Any, Any], error: AppError) -> Response[bytes]:
    """Return the error response of an AppError, in the shape that the client expects.

    That is the Open Inference Protocol's under /v2, the AAS API's under its path, and Anthropic's
    for its clients.
    """
    path = request.url.path
    if path.startswith(API_PATH):
        status, body = aas_error(error)
    elif path.startswith(_MESSAGES_PREFIX) or VERSION_HEADER in request.headers:
        status, body = message_error(error)
    else:
        status, body = error.status, render_error(error, path.startswith("/v2"))
    return Response(
        body,
        status_code=status,
        media_type="application/json",
        headers=dict(error.headers),
    )


def handle_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Return the error response of an exception raised by Litestar."""
    return handle_app_error(request, _to_app_error(error))


def handle_unexpected_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Log an unexpected exception and return a 500 response without its details."""
    structlog.get_logger().error("a request failed", path=request.url.path, exc_info=error)
    return handle_app_error(request, InternalError("Something went wrong on our side."))


def _to_app_error(error: HTTPException) -> AppError:
    """Return the AppError that corresponds to an exception of Litestar."""
    match error:
        case NotFoundException():
            return EndpointUnsupported("Unknown URL. See /docs for the list of endpoints.")
        case MethodNotAllowedException():
            allowed = {"allow": (error.headers or {}).get("allow", "")}
            return MethodNotAllowed(
                "This endpoint does not support the request method. See /docs for the methods.",
                headers=allowed,
            )
        case ValidationException():
            extra = error.extra if isinstance(error.extra, list) and error.extra else [{}]
            name = extra[0].get("key") if isinstance(extra[0], dict) else None
            return ParameterInvalid(f"`{name or 'request'}` has an invalid value.", param=name)
        case _ if error.status_code == 413:
            return BodyTooLarge("The request body is too large for this endpoint.")
        case _ if error.status_code < 500:
            return BadRequest("The request is invalid.")
        case _:
            return InternalError("Something went wrong on our side.")
