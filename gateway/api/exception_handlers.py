"""What a handler's failure becomes: an answer in OpenAI's shape, with nothing internal in it.

Owns that, for what our own code raises and for what the framework does.
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
    envelope,
)
from infra.errors import AppError


def show_fact(request: Request[Any, Any, Any], error: AppError) -> Response[bytes]:
    return Response(
        envelope(error, request.url.path.startswith("/v2")),
        status_code=error.status,
        media_type="application/json",
        headers=dict(error.headers),
    )


def show_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    return show_fact(request, _fact(error))


def show_fault(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    structlog.get_logger().error("a request failed", path=request.url.path, exc_info=error)
    return show_fact(request, InternalError("Something went wrong on our side."))


def _fact(error: HTTPException) -> AppError:
    match error:
        case NotFoundException():
            return EndpointUnsupported("This service has no such address. /docs lists what it has.")
        case MethodNotAllowedException():
            allowed = {"allow": (error.headers or {}).get("allow", "")}
            return MethodNotAllowed("This address does not take that method.", headers=allowed)
        case ValidationException():
            extra = error.extra if isinstance(error.extra, list) and error.extra else [{}]
            name = extra[0].get("key") if isinstance(extra[0], dict) else None
            return ParameterInvalid(f"`{name or 'request'}` has a wrong value.", param=name)
        case _ if error.status_code == 413:
            return BodyTooLarge("The body is larger than this address takes.")
        case _ if error.status_code < 500:
            return BadRequest("The request cannot be served as it is.")
        case _:
            return InternalError("Something went wrong on our side.")
