"""Preferences: the language of pages, for this browser and for whoever is signed in.

Light or dark is the browser's alone, and the script's (static/dashboard.js).
"""

from typing import Any

from litestar import Request, Response, post
from litestar.di import NamedDependency

from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import fields_of
from gateway.dashboard.i18n import LANGUAGES
from gateway.dashboard.page_request import Looking, safe_address
from gateway.dashboard.security import cookie_name, require_token, wish_cookie
from gateway.identity.services import Identity
from gateway.identity.session_lookup import find_viewer
from infra.clock import Clock
from infra.database.database import Database


@post("/language")
async def choose_language(
    looking: NamedDependency[Looking],
    identity: NamedDependency[Identity],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    request: Request[Any, Any, Any],
) -> Response[Any]:
    said = await fields_of(request)
    language = said.get("language", "")
    if language not in LANGUAGES:
        raise PageNotFound("There is no such language.")
    if cookie := request.cookies.get(cookie_name(looking.secure)):
        async with database.transaction() as session:
            viewer = await find_viewer(session, clock, cookie)
            # Who looks at somebody else's pages as support changes nothing of anybody.
            if viewer is not None and not viewer.impersonated:
                await require_token(request, viewer.csrf)
                await identity.own.describe(session, viewer, viewer.name, language)
    answer = looking.go(safe_address(said.get("next")))
    answer.set_cookie(wish_cookie("maas_language", language, secure=looking.secure))
    return answer
