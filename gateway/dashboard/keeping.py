"""Keeping a form's input while a person signs in again, for forms that declare what may be kept.

    POST with an expired session or token -> sealed row and cookie -> sign-in -> the form's page

A handler declares it by `keeps=Keeps(page, fields)`; forms with passwords, codes or keys never do.
Nothing is submitted again by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from litestar import Request
from litestar.datastructures import Cookie

from gateway.dashboard.security import token_of
from gateway.identity.current_user import Viewer
from gateway.identity.kept_input import (
    LASTS,
    Kept,
    KeptFor,
    earlier_owner,
    expired_owner,
    keep_input,
    take_input,
)
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.sealer import Sealer

NOTHING = Kept({})


@dataclass(frozen=True, slots=True)
class Keeps:
    """What a form's handler lets be kept: the page that shows the form, with the handler's path
    parameters in it, and the form's fields; one that ends with `:` stands for all that begin so."""

    page: str
    fields: tuple[str, ...]

    def named(self, field: str) -> bool:
        return any(
            field.startswith(one) if one.endswith(":") else field == one for one in self.fields
        )


@dataclass(frozen=True, slots=True)
class Keeper:
    """Keeps and finds input, for one request."""

    request: Request[Any, Any, Any]
    database: Database
    clock: Clock
    sealer: Sealer
    secure: bool

    @property
    def page(self) -> str | None:
        """Where the form stands; None where it is not one that may be kept."""
        keeps = _declared(self.request)
        if keeps is None or self.request.method != "POST":
            return None
        params = {
            name: quote(str(value), safe="") for name, value in self.request.path_params.items()
        }
        return keeps.page.format(**params)

    async def keep_expired(self, cookie: str | None) -> str | None:
        """Keep the form of an expired session; gives the cookie's value, None for nothing kept."""
        page = self.page
        if page is None or not cookie:
            return None
        async with self.database.transaction() as session:
            token = await token_of(self.request)
            return await self._keep(
                session, await expired_owner(session, self.clock, cookie, token, page)
            )

    async def keep_earlier(self, viewer: Viewer) -> str | None:
        """The same of a form that an earlier session of the same person shows."""
        page = self.page
        if page is None:
            return None
        async with self.database.transaction() as session:
            token = await token_of(self.request)
            return await self._keep(session, await earlier_owner(session, viewer, token, page))

    async def _keep(self, session: Any, owner: KeptFor | None) -> str | None:
        if owner is None:
            return None
        values = await _values(self.request)
        return await keep_input(session, self.clock, self.sealer, owner, values)

    async def take(self, viewer: Viewer) -> Kept:
        """What was kept for this person on this page, when it is opened; then it is deleted."""
        secret = self.request.cookies.get(cookie_name(self.secure))
        if not secret or self.request.method != "GET" or "hx-request" in self.request.headers:
            return NOTHING
        owner = KeptFor(viewer.person_id, viewer.account_id, self.request.url.path.rstrip("/"))
        async with self.database.transaction() as session:
            found = await take_input(session, self.clock, self.sealer, owner, secret)
        return found or NOTHING


def cookie_name(secure: bool) -> str:
    return "__Host-maas-kept" if secure else "maas_kept"


def kept_cookie(secret: str, *, secure: bool) -> Cookie:
    """Which kept input this browser may see; an empty one takes it away."""
    return Cookie(
        key=cookie_name(secure),
        value=secret,
        max_age=int(LASTS.total_seconds()) if secret else 0,
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )


def _declared(request: Request[Any, Any, Any]) -> Keeps | None:
    found = request.route_handler.opt.get("keeps")
    return found if isinstance(found, Keeps) else None


async def _values(request: Request[Any, Any, Any]) -> Mapping[str, str]:
    """The declared fields alone, whole; of one that is there several times, a line each."""
    keeps = _declared(request)
    found: dict[str, str] = {}
    for name, value in (await request.form()).multi_items():
        if keeps is not None and isinstance(value, str) and keeps.named(name):
            found[name] = f"{found[name]}\n{value}" if name in found else value
    return found
