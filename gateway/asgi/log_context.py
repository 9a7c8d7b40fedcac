"""Causes: what a request's lines in the log say of who had it done.

A request's handler and what it is given may run in tasks of their own, so they share one mapping,
which the log shows as it then is.
"""

from typing import Any

from litestar import Request
from structlog.contextvars import bind_contextvars

_STATE = "maas_cause"


async def begin_cause(request: Request[Any, Any, Any]) -> None:
    """By the address as it is declared: what stands in it may be a link's secret."""
    address = f"{request.method} {request.scope.get('path_template', '')}"
    bind_contextvars(caused_by=_of(request, address=address))


def name_cause(request: Request[Any, Any, Any], **who: str) -> None:
    """Say who it is, once that is known."""
    _of(request, **who)


def _of(request: Request[Any, Any, Any], **facts: str) -> dict[str, str]:
    cause: dict[str, str] = request.scope["state"].setdefault(_STATE, {})
    cause.update(facts)
    return cause
