"""The request for a dashboard page, with its viewer, its language and rendering of the response.

    session cookie -> Viewer -> permission -> CSRF token of a POST -> PageRequest

A handler with a `page` dependency requires a signed-in viewer. `permission=` on the handler names
the permission it needs: READ by default, None for every signed-in viewer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import quote
from uuid import UUID

from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.response import Redirect

from gateway.asgi.log_context import bind_principal
from gateway.dashboard.errors import (
    CsrfCheckFailed,
    FormSessionOutdated,
    LoginRequired,
    PageNotFound,
    PermissionDenied,
)
from gateway.dashboard.formatting import LocaleFormatter
from gateway.dashboard.i18n import negotiate_language
from gateway.dashboard.navigation import current_entry, navigation_for
from gateway.dashboard.preserved_input import NO_INPUT, FormInputStore, saved_input_cookie
from gateway.dashboard.rendering import PageRenderer
from gateway.dashboard.security import require_csrf_token, session_cookie_name
from gateway.identity.audit_log import Actor
from gateway.identity.client_origin import ClientOrigin
from gateway.identity.current_user import Viewer
from gateway.identity.roles import Permission
from gateway.identity.saved_input import RestoredInput
from gateway.identity.services import IdentityServices
from gateway.identity.session_lookup import find_viewer
from infra.clock import Clock
from infra.database.database import Database

HTML = "text/html"
UNPROCESSABLE = 422  # the status of a form that is shown again with its errors
_THEMES = ("light", "dark")


@dataclass(frozen=True, slots=True)
class PublicPageRequest:
    """A request for a page that needs no session; `viewer` is None.

    `chosen_language` takes precedence over what the browser prefers.
    """

    request: Request[Any, Any, Any]
    renderer: PageRenderer
    secure: bool
    viewer: Viewer | None = None
    chosen_language: str | None = None

    @property
    def language(self) -> str:
        """The code of the response's language."""
        return self.chosen_language or negotiate_language(self.request, self.viewer)

    def in_language(self, language: str | None) -> Self:
        """Return the request with a response in another language, one of LANGUAGES."""
        return replace(self, chosen_language=language)

    @property
    def formatter(self) -> LocaleFormatter:
        """The formatter of amounts and times for the page's language, for use outside templates."""
        return self.renderer.formatter_for(self.language)

    def translate(self, text: str) -> str:
        """Translate a text to the page's language, outside templates.

        Mark the text for extraction: `translate(gettext_noop("…"))`.
        """
        return self.renderer.translate(self.language, text)

    @property
    def is_htmx(self) -> bool:
        """Whether htmx sent the request, to replace a part of the page it shows."""
        return "hx-request" in self.request.headers

    def render(self, template: str, *, status: int = 200, **values: Any) -> Response[str]:
        """Render a template, a whole page or a part of one, to an HTML response."""
        text = self.renderer.render(self.language, template, {**self._common_context(), **values})
        return Response(text, status_code=status, media_type=HTML)

    def redirect(self, url: str) -> Response[Any]:
        """Redirect with status 303, or with the `hx-redirect` header if htmx sent the request."""
        if self.is_htmx:
            return Response("", headers={"hx-redirect": url}, media_type=HTML)
        return Redirect(url, status_code=303)

    def _common_context(self) -> Mapping[str, Any]:
        """Return the context variables of every template."""
        theme = self.request.cookies.get("maas_theme")
        path = self.request.url.path
        entries = navigation_for(self.viewer) if self.viewer else []
        return {
            "viewer": self.viewer,
            "entries": entries,
            "current_page": current_entry(entries, path),
            "path": path,
            "theme": theme if theme in _THEMES else None,
            "base": str(self.request.base_url).rstrip("/"),
            "partly": self.is_htmx,
            "kept": None,
        }


@dataclass(frozen=True, slots=True)
class PageRequest(PublicPageRequest):
    """A request for a page by a signed-in viewer who has the handler's permission."""

    viewer: Viewer
    restored_input: RestoredInput = NO_INPUT

    def render(self, template: str, *, status: int = 200, **values: Any) -> Response[str]:
        """Render a template, with a notice if the page shows form input restored after sign-in."""
        note = self.restored_input.lost or bool(self.restored_input.values)
        response = PublicPageRequest.render(
            self, template, status=status, kept=self.restored_input if note else None, **values
        )
        if note:
            response.set_cookie(saved_input_cookie("", secure=self.secure))
        return response

    @property
    def allowed_page_names(self) -> set[str]:
        """The names of the pages in the viewer's navigation."""
        return {entry.name for entry in navigation_for(self.viewer)}

    @property
    def actor(self) -> Actor:
        """The viewer with the client's address, for audit log entries."""
        return Actor.from_viewer(self.viewer, client_origin(self.request).address)

    def require_any_permission(self, *permissions: Permission) -> None:
        """Raise PermissionDenied unless the viewer has at least one of the permissions."""
        if not any(self.viewer.has_permission(permission) for permission in permissions):
            raise PermissionDenied("Your role does not allow this.")

    @property
    def account_id(self) -> UUID:
        """The id of the account that is shown. Raises PageNotFound if none is selected."""
        if self.viewer.account_id is None:
            raise PageNotFound("This page belongs to an account. Select an account first.")
        return self.viewer.account_id


async def provide_public_page(
    request: Request[Any, Any, Any],
    renderer: NamedDependency[PageRenderer],
    secure: NamedDependency[bool],
) -> PublicPageRequest:
    """Provide the `public_page` dependency of handlers that need no session."""
    return PublicPageRequest(request, renderer, secure)


async def provide_page(
    request: Request[Any, Any, Any],
    renderer: NamedDependency[PageRenderer],
    secure: NamedDependency[bool],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    identity: NamedDependency[IdentityServices],
) -> PageRequest:
    """Provide the `page` dependency: authenticate, authorize and check the CSRF token.

    Raises LoginRequired, PermissionDenied, CsrfCheckFailed, FormSessionOutdated.
    """
    cookie = request.cookies.get(session_cookie_name(secure))
    viewer = None
    if cookie:
        async with database.transaction() as session:
            viewer = await find_viewer(session, clock, cookie)
    store = FormInputStore(request, database, clock, identity.sealer, secure)
    if viewer is None:
        secret = await store.save_for_expired_session(cookie)
        raise LoginRequired((store.form_page if secret else None) or _return_path(request), secret)
    permission: Permission | None = request.route_handler.opt.get("permission", Permission.READ)
    if permission is not None and not viewer.has_permission(permission):
        raise PermissionDenied("Your role does not allow this.")
    await _require_csrf_token(request, store, viewer)
    bind_principal(request, person=viewer.person_id.hex)
    restored = await store.pop_saved_input(viewer)
    return PageRequest(request, renderer, secure, viewer, restored_input=restored)


async def _require_csrf_token(
    request: Request[Any, Any, Any], store: FormInputStore, viewer: Viewer
) -> None:
    """Raise CsrfCheckFailed unless a POST carries the session's CSRF token.

    Raises FormSessionOutdated instead if an earlier session of the same person issued the token
    and the form's input was saved.
    """
    try:
        await require_csrf_token(request, viewer.csrf)
    except CsrfCheckFailed:
        secret = await store.save_for_earlier_session(viewer)
        if secret is None or store.form_page is None:
            raise
        raise FormSessionOutdated(store.form_page, secret) from None


def client_origin(request: Request[Any, Any, Any]) -> ClientOrigin:
    """Return the client's address and user agent.

    Behind a proxy, uvicorn has taken the address from the forwarding headers.
    """
    client = request.client
    return ClientOrigin.from_request(
        client.host if client else None, request.headers.get("user-agent")
    )


def sign_in_url(return_to: str, *, input_kept: bool = False) -> str:
    """Return the URL of the sign-in page that leads back to `return_to`.

    With `input_kept`, the sign-in page says that the form's input was saved.
    """
    suffix = "&following=kept" if input_kept else ""
    return f"/dashboard/sign-in?next={quote(return_to, safe='')}{suffix}"


def safe_redirect_path(text: str | None) -> str:
    """Return `text` if it is a dashboard path, else `/dashboard`: no open redirects."""
    if text is None or not text.startswith("/dashboard") or not text.isprintable():
        return "/dashboard"
    # Browsers treat `//` and backslashes as the start of another host.
    return "/dashboard" if "\\" in text or "//" in text else text


def _return_path(request: Request[Any, Any, Any]) -> str:
    """Return the path to come back to after sign-in: the request's for a GET, else the start."""
    if request.method != "GET":
        return "/dashboard"
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path
