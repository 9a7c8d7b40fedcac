"""Viewing: a request for a page by somebody who is signed in, and the answer to it.

    cookie -> Viewer -> permission -> token of the form -> Viewing

A handler that asks for `viewing` is for signed-in people alone; `permission=` on the handler says
which may see it, READ unless said, and None lets all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import UUID

from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.response import Redirect

from gateway.asgi.log_context import name_cause
from gateway.dashboard.errors import (
    FormNotOurs,
    FormOutdated,
    NotAllowed,
    PageNotFound,
    SignInNeeded,
)
from gateway.dashboard.formatting import Writing
from gateway.dashboard.i18n import language_of
from gateway.dashboard.keeping import NOTHING, Keeper, kept_cookie
from gateway.dashboard.navigation import entries_for
from gateway.dashboard.rendering import Pages
from gateway.dashboard.security import cookie_name, require_token
from gateway.identity.audit_log import Actor
from gateway.identity.client_origin import Place
from gateway.identity.current_user import Viewer
from gateway.identity.kept_input import Kept
from gateway.identity.roles import Permission
from gateway.identity.services import Identity
from gateway.identity.session_lookup import find_viewer
from infra.clock import Clock
from infra.database.database import Database

HTML = "text/html"
INVALID = 422  # a form with mistakes: shown again with them
_THEMES = ("light", "dark")


@dataclass(frozen=True, slots=True)
class Looking:
    """A request for a page, by whomever: what every page needs beside its own values."""

    request: Request[Any, Any, Any]
    pages: Pages
    secure: bool
    viewer: Viewer | None = None

    @property
    def language(self) -> str:
        return language_of(self.request, self.viewer)

    @property
    def writing(self) -> Writing:
        """How the page's language writes amounts and times, where a template does not."""
        return self.pages.writing(self.language)

    def say(self, text: str) -> str:
        """A text in the page's language, where a template does not say it. Mark it for the
        catalogues: `say(marked("…"))`."""
        return self.pages.say(self.language, text)

    @property
    def partly(self) -> bool:
        """Whether a script asks, to replace a part of the page that it shows."""
        return "hx-request" in self.request.headers

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response[str]:
        """A whole page, or the part of it that a template is."""
        text = self.pages.render(self.language, template, {**self._common(), **values})
        return Response(text, status_code=status, media_type=HTML)

    def go(self, address: str) -> Response[Any]:
        """On to another page, also where a script asked."""
        if self.partly:
            return Response("", headers={"hx-redirect": address}, media_type=HTML)
        return Redirect(address, status_code=303)

    def _common(self) -> Mapping[str, Any]:
        theme = self.request.cookies.get("maas_theme")
        return {
            "viewer": self.viewer,
            "entries": entries_for(self.viewer) if self.viewer else [],
            "path": self.request.url.path,
            "theme": theme if theme in _THEMES else None,
            "base": str(self.request.base_url).rstrip("/"),
            "partly": self.partly,
            "kept": None,
        }


@dataclass(frozen=True, slots=True)
class Viewing(Looking):
    """The same by somebody who is signed in and may see it."""

    viewer: Viewer
    kept: Kept = NOTHING

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response[str]:
        """The same, with a note where the page shows input that was kept."""
        note = self.kept.lost or bool(self.kept.values)
        answer = Looking.page(
            self, template, status=status, kept=self.kept if note else None, **values
        )
        if note:
            answer.set_cookie(kept_cookie("", secure=self.secure))
        return answer

    @property
    def page_names(self) -> set[str]:
        """The pages that the person may open."""
        return {entry.name for entry in entries_for(self.viewer)}

    @property
    def actor(self) -> Actor:
        """Who does it, for the audit log."""
        return Actor.of(self.viewer, place_of(self.request).address)

    def require(self, *permissions: Permission) -> None:
        """For what each of several permissions allows. Raises NotAllowed."""
        if not any(self.viewer.may(one) for one in permissions):
            raise NotAllowed("Your role does not allow this.")

    @property
    def account_id(self) -> UUID:
        """Whose rows are shown. Raises PageNotFound for who looks at no account."""
        if self.viewer.account_id is None:
            raise PageNotFound("This page is of an account. Choose one first.")
        return self.viewer.account_id


async def provide_looking(
    request: Request[Any, Any, Any],
    pages: NamedDependency[Pages],
    secure: NamedDependency[bool],
) -> Looking:
    """For pages of those who are not signed in yet."""
    return Looking(request, pages, secure)


async def provide_viewing(
    request: Request[Any, Any, Any],
    pages: NamedDependency[Pages],
    secure: NamedDependency[bool],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    identity: NamedDependency[Identity],
) -> Viewing:
    """Raises SignInNeeded, NotAllowed, FormNotOurs, FormOutdated."""
    cookie = request.cookies.get(cookie_name(secure))
    viewer = None
    if cookie:
        async with database.transaction() as session:
            viewer = await find_viewer(session, clock, cookie)
    keeper = Keeper(request, database, clock, identity.sealer, secure)
    if viewer is None:
        kept = await keeper.keep_expired(cookie)
        raise SignInNeeded((keeper.page if kept else None) or _back(request), kept)
    wanted: Permission | None = request.route_handler.opt.get("permission", Permission.READ)
    if wanted is not None and not viewer.may(wanted):
        raise NotAllowed("Your role does not allow this.")
    await _require_form(request, keeper, viewer)
    name_cause(request, person=viewer.person_id.hex)
    return Viewing(request, pages, secure, viewer, await keeper.take(viewer))


async def _require_form(request: Request[Any, Any, Any], keeper: Keeper, viewer: Viewer) -> None:
    """The session's token. Raises FormOutdated for a form whose input was kept, FormNotOurs."""
    try:
        await require_token(request, viewer.csrf)
    except FormNotOurs:
        kept = await keeper.keep_earlier(viewer)
        if kept is None or keeper.page is None:
            raise
        raise FormOutdated(keeper.page, kept) from None


def place_of(request: Request[Any, Any, Any]) -> Place:
    """Where the request comes from. Behind a proxy it is what uvicorn took from its headers."""
    client = request.client
    return Place.of(client.host if client else None, request.headers.get("user-agent"))


def sign_in_address(back: str, *, kept: bool = False) -> str:
    """Where to sign in, to come back to an address of ours; `kept` says that a form's input is
    shown there."""
    said = "&following=kept" if kept else ""
    return f"/dashboard/sign-in?next={quote(back, safe='')}{said}"


def safe_address(text: str | None) -> str:
    """Where to go on: a page of ours alone, whatever a link said."""
    if text is None or not text.startswith("/dashboard") or not text.isprintable():
        return "/dashboard"
    # What a browser would take for another host, or read otherwise than it looks.
    return "/dashboard" if "\\" in text or "//" in text else text


def _back(request: Request[Any, Any, Any]) -> str:
    if request.method != "GET":
        return "/dashboard"
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path
