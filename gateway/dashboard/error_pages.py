"""Showing faults: whatever goes wrong on a page, in plain words and with what to do.

A page gets a page; a script that replaces a part of one gets a short notice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from gateway.dashboard.errors import FormOutdated, PageNotFound, SignInNeeded
from gateway.dashboard.keeping import kept_cookie
from gateway.dashboard.labels import marked
from gateway.dashboard.page_request import Looking, sign_in_address
from gateway.dashboard.rendering import Pages
from gateway.dashboard.security import HEADERS
from infra.errors import AppError


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person reads: what is the matter, and what to do."""

    title: str
    advice: str


_BY_STATUS: Mapping[int, Shown] = MappingProxyType(
    {
        403: Shown(
            marked("You may not do this"),
            marked("Your role does not include it. An owner of the account can change your role."),
        ),
        404: Shown(
            marked("There is no such page"),
            marked("The address may be mistyped, or what was here is gone."),
        ),
        429: Shown(
            marked("Too many requests"),
            marked("Please wait a moment and try again."),
        ),
        503: Shown(
            marked("The records cannot be reached just now"),
            marked("Nothing is lost. Please try again in a minute."),
        ),
    }
)
_BY_CODE: Mapping[str, Shown] = MappingProxyType(
    {
        "form_not_ours": Shown(
            marked("This form could not be taken"),
            marked("The page was open for too long. Load it again and send the form once more."),
        ),
    }
)
_REFUSED = Shown(
    marked("This cannot be done as it is"), marked("Go back, and check what you entered.")
)
_OURS = Shown(
    marked("Something went wrong on our side"),
    marked("It has been recorded. Please try again; if it stays so, tell the operator."),
)


class Secured(Protocol):
    """What knows whether people reach the dashboard by HTTPS."""

    @property
    def secure(self) -> bool: ...


def fault_handlers(pages: Pages, parts: Secured) -> dict[int | type[Exception], Any]:
    """The exception handlers of the dashboard's router. Functions and no methods: the framework
    copies a router whole, and with a method all that it hangs on."""

    def fact(request: Request[Any, Any, Any], error: AppError) -> Response[Any]:
        answer = _protected(_answer(Looking(request, pages, parts.secure), error))
        for name, value in error.headers.items():
            answer.headers.setdefault(name, value)
        return answer

    def http(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
        if error.status_code >= 500:
            return fault(request, error)
        return fact(request, _refused(error.status_code))

    def fault(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        structlog.get_logger().error("a page failed", path=request.url.path, exc_info=error)
        return fact(request, AppError("Something went wrong on our side."))

    return {AppError: fact, HTTPException: http, Exception: fault}


def _answer(looking: Looking, error: AppError) -> Response[Any]:
    if isinstance(error, SignInNeeded):
        return _keeping(looking, sign_in_address(error.back, kept=bool(error.kept)), error.kept)
    if isinstance(error, FormOutdated):
        return _keeping(looking, error.back, error.kept)
    shown = _BY_CODE.get(error.code or "") or _BY_STATUS.get(error.status)
    if shown is None:
        shown = _OURS if error.status >= 500 else _REFUSED
    # What a fact says beyond that helps whoever sent something; of our own faults it does not.
    said = error.message if shown is _REFUSED else None
    template = "parts/notice.html" if looking.partly else "fault.html"
    return looking.page(template, status=error.status, shown=shown, said=said, fault=error)


def _keeping(looking: Looking, address: str, kept: str | None) -> Response[Any]:
    """Go on, with the cookie of the input that was kept."""
    answer = looking.go(address)
    if kept:
        answer.set_cookie(kept_cookie(kept, secure=looking.secure))
    return answer


def _refused(status: int) -> AppError:
    """What the framework refused: an unknown address, a value of the wrong type."""
    if status == 404:
        return PageNotFound("There is no such page.")
    refused = AppError("The request cannot be served as it is.")
    refused.status = status
    return refused


def _protected(response: Response[Any]) -> Response[Any]:
    """What fails before a handler runs does not pass the router's own hook."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
