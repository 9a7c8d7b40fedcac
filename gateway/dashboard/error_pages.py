"""Exception handlers of the dashboard: an error page, or a short notice for htmx requests."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from gateway.dashboard.errors import FormSessionOutdated, LoginRequired, PageNotFound
from gateway.dashboard.page_request import PublicPageRequest, sign_in_url
from gateway.dashboard.preserved_input import saved_input_cookie
from gateway.dashboard.rendering import PageRenderer
from gateway.dashboard.security import SECURITY_HEADERS
from infra.errors import AppError
from infra.translations import gettext_noop


@dataclass(frozen=True, slots=True)
class ErrorText:
    """The title of an error page and the advice below it."""

    title: str
    advice: str


_TEXT_BY_STATUS: Mapping[int, ErrorText] = MappingProxyType(
    {
        403: ErrorText(
            gettext_noop("You do not have permission"),
            gettext_noop(
                "Your role does not allow this action. An owner of the account can "
                "change your role."
            ),
        ),
        404: ErrorText(
            gettext_noop("Page not found"),
            gettext_noop("Check the address. The page may have been moved or deleted."),
        ),
        429: ErrorText(
            gettext_noop("Too many requests"),
            gettext_noop("Wait a moment and try again."),
        ),
        503: ErrorText(
            gettext_noop("Data temporarily unavailable"),
            gettext_noop("No data is lost. Try again in a minute."),
        ),
    }
)
_TEXT_BY_CODE: Mapping[str, ErrorText] = MappingProxyType(
    {
        "form_not_ours": ErrorText(
            gettext_noop("Form not submitted"),
            gettext_noop("The page was open for too long. Reload it and submit the form again."),
        ),
    }
)
_REQUEST_REFUSED = ErrorText(
    gettext_noop("The action could not be completed"),
    gettext_noop("Go back and check your input."),
)
_SERVER_ERROR = ErrorText(
    gettext_noop("Something went wrong on our side"),
    gettext_noop(
        "The error has been logged. Try again. If it happens again, contact the operator."
    ),
)


class HttpsAware(Protocol):
    """A provider of whether the dashboard is served over HTTPS."""

    @property
    def secure(self) -> bool:
        """Whether browsers use HTTPS, so that cookies get the `Secure` attribute."""
        ...


def exception_handlers_for(
    renderer: PageRenderer, components: HttpsAware
) -> dict[int | type[Exception], Any]:
    """Return the exception handlers of the dashboard's router.

    They are closures, not methods: Litestar deep-copies a router, and a bound method would copy
    the whole application with it.
    """

    def handle_app_error(request: Request[Any, Any, Any], error: AppError) -> Response[Any]:
        """Return the error response with security headers and the error's own headers."""
        response = _with_security_headers(
            _error_response(PublicPageRequest(request, renderer, components.secure), error)
        )
        for name, value in error.headers.items():
            response.headers.setdefault(name, value)
        return response

    def handle_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
        """Return the response for an error that the framework raised."""
        if error.status_code >= 500:
            return handle_unexpected(request, error)
        return handle_app_error(request, _framework_error(error.status_code))

    def handle_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        """Log an exception that is no AppError and return a general error page."""
        structlog.get_logger().error("a page failed", path=request.url.path, exc_info=error)
        return handle_app_error(request, AppError("Something went wrong on our side."))

    return {
        AppError: handle_app_error,
        HTTPException: handle_http_error,
        Exception: handle_unexpected,
    }


def _error_response(page: PublicPageRequest, error: AppError) -> Response[Any]:
    """Return the redirect, error page or notice for an error."""
    if isinstance(error, LoginRequired):
        return _redirect_with_saved_input(
            page,
            sign_in_url(error.return_to, input_kept=bool(error.saved_secret)),
            error.saved_secret,
        )
    if isinstance(error, FormSessionOutdated):
        return _redirect_with_saved_input(page, error.return_to, error.saved_secret)
    text = _TEXT_BY_CODE.get(error.code or "") or _TEXT_BY_STATUS.get(error.status)
    if text is None:
        text = _SERVER_ERROR if error.status >= 500 else _REQUEST_REFUSED
    # The message helps with a refused request; the details of a server error do not.
    detail = error.message if text is _REQUEST_REFUSED else None
    template = "parts/notice.html" if page.is_htmx else "fault.html"
    return page.render(template, status=error.status, shown=text, said=detail, fault=error)


def _redirect_with_saved_input(
    page: PublicPageRequest, url: str, saved_secret: str | None
) -> Response[Any]:
    """Redirect, with the cookie of the saved form input if there is any."""
    response = page.redirect(url)
    if saved_secret:
        response.set_cookie(saved_input_cookie(saved_secret, secure=page.secure))
    return response


def _framework_error(status: int) -> AppError:
    """Return the error for an HTTP status that the framework raised, e.g. an unknown route."""
    if status == 404:
        return PageNotFound("Page not found.")
    error = AppError("The request could not be processed.")
    error.status = status
    return error


def _with_security_headers(response: Response[Any]) -> Response[Any]:
    """Add the security headers: the `after_request` hook does not run if no handler did."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
