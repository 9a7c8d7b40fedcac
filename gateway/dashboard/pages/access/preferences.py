"""The language of the pages: stored for the signed-in person, and in a cookie of the browser.

The light or dark theme is stored by the script only (static/dashboard.js).
"""

from typing import Any

from litestar import Request, Response, post
from litestar.di import NamedDependency

from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import read_form_fields
from gateway.dashboard.i18n import LANGUAGES
from gateway.dashboard.page_request import PublicPageRequest, safe_redirect_path
from gateway.dashboard.security import preference_cookie, require_csrf_token, session_cookie_name
from gateway.identity.services import IdentityServices
from gateway.identity.session_lookup import find_viewer
from infra.clock import Clock
from infra.database.database import Database


@post("/language")
async def choose_language(
    public_page: NamedDependency[PublicPageRequest],
    identity: NamedDependency[IdentityServices],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    request: Request[Any, Any, Any],
) -> Response[Any]:
    """Set the language of this browser, and of the person if signed in."""
    fields = await read_form_fields(request)
    language = fields.get("language", "")
    if language not in LANGUAGES:
        raise PageNotFound("Unsupported language.")
    if cookie := request.cookies.get(session_cookie_name(public_page.secure)):
        async with database.transaction() as session:
            viewer = await find_viewer(session, clock, cookie)
            # Support that impersonates a viewer must not change anything.
            if viewer is not None and not viewer.impersonated:
                await require_csrf_token(request, viewer.csrf)
                await identity.profile.update_profile(session, viewer, viewer.name, language)
    response = public_page.redirect(safe_redirect_path(fields.get("next")))
    response.set_cookie(preference_cookie("maas_language", language, secure=public_page.secure))
    return response
