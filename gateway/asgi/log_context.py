"""Bind the HTTP request and its principal to the log lines of a request (`caused_by`).

A handler and its dependencies may run in tasks of their own, with their own context variables. So
they share one mutable mapping, which each log line shows in its current state.
"""

from typing import Any

from litestar import Request
from structlog.contextvars import bind_contextvars

_STATE_KEY = "maas_cause"


async def bind_request(request: Request[Any, Any, Any]) -> None:
    """Bind the request's method and path template to the log context.

    The template, because a path's values may be secrets, as in an invitation link.
    """
    address = f"{request.method} {request.scope.get('path_template', '')}"
    bind_contextvars(caused_by=_update_log_context(request, address=address))


def bind_principal(request: Request[Any, Any, Any], **principal: str) -> None:
    """Add the authenticated principal (account, key or person) to the request's log context."""
    _update_log_context(request, **principal)


def _update_log_context(request: Request[Any, Any, Any], **values: str) -> dict[str, str]:
    """Add values to the request's log context and return the whole context."""
    context: dict[str, str] = request.scope["state"].setdefault(_STATE_KEY, {})
    context.update(values)
    return context
