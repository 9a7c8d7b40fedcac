"""Saving a form's input across a sign-in, so that an expired session loses no typing.

    POST with an expired session or token -> encrypted row and cookie -> sign-in -> the form's page

A handler opts in with `keeps=PreservedFields(form_page, fields)`. Never declare passwords, codes or
API keys. Restored input is shown again; the form is never submitted automatically.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from litestar import Request
from litestar.datastructures import Cookie

from gateway.dashboard.security import read_csrf_token
from gateway.identity.current_user import Viewer
from gateway.identity.saved_input import (
    LIFETIME,
    InputOwner,
    RestoredInput,
    find_earlier_session_owner,
    find_expired_session_owner,
    restore_input,
    store_input,
)
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.sealer import Sealer

NO_INPUT = RestoredInput({})


@dataclass(frozen=True, slots=True)
class PreservedFields:
    """The form fields that a POST handler allows to be saved across a sign-in.

    `form_page` is the path of the page with the form, a template with the handler's path
    parameters. A name in `fields` that ends with `:` is a prefix.
    """

    form_page: str
    fields: tuple[str, ...]

    def includes(self, field: str) -> bool:
        """Return whether a form field may be saved."""
        return any(
            field.startswith(name) if name.endswith(":") else field == name for name in self.fields
        )


@dataclass(frozen=True, slots=True)
class FormInputStore:
    """Saves and restores the form input of one request."""

    request: Request[Any, Any, Any]
    database: Database
    clock: Clock
    sealer: Sealer
    secure: bool

    @property
    def form_page(self) -> str | None:
        """The path of the page with the form; None if the input must not be saved."""
        preserved = _preserved_fields(self.request)
        if preserved is None or self.request.method != "POST":
            return None
        params = {
            name: quote(str(value), safe="") for name, value in self.request.path_params.items()
        }
        return preserved.form_page.format(**params)

    async def save_for_expired_session(self, cookie: str | None) -> str | None:
        """Save a form's input sent with an expired session. Returns the cookie's value or None."""
        form_page = self.form_page
        if form_page is None or not cookie:
            return None
        async with self.database.transaction() as session:
            token = await read_csrf_token(self.request)
            return await self._save(
                session,
                await find_expired_session_owner(session, self.clock, cookie, token, form_page),
            )

    async def save_for_earlier_session(self, viewer: Viewer) -> str | None:
        """Save a form's input from an earlier session. Returns the cookie's value or None."""
        form_page = self.form_page
        if form_page is None:
            return None
        async with self.database.transaction() as session:
            token = await read_csrf_token(self.request)
            return await self._save(
                session, await find_earlier_session_owner(session, viewer, token, form_page)
            )

    async def _save(self, session: Any, owner: InputOwner | None) -> str | None:
        """Encrypt and store the declared fields for an owner; returns the cookie's secret."""
        if owner is None:
            return None
        values = await _preserved_values(self.request)
        return await store_input(session, self.clock, self.sealer, owner, values)

    async def pop_saved_input(self, viewer: Viewer) -> RestoredInput:
        """Return and delete the input saved for the viewer and the requested page."""
        secret = self.request.cookies.get(saved_input_cookie_name(self.secure))
        if not secret or self.request.method != "GET" or "hx-request" in self.request.headers:
            return NO_INPUT
        owner = InputOwner(viewer.person_id, viewer.account_id, self.request.url.path.rstrip("/"))
        async with self.database.transaction() as session:
            saved = await restore_input(session, self.clock, self.sealer, owner, secret)
        return saved or NO_INPUT


def saved_input_cookie_name(secure: bool) -> str:
    """Return the name, by HTTPS or HTTP, of the cookie with the secret of the saved input."""
    return "__Host-maas-kept" if secure else "maas_kept"


def saved_input_cookie(secret: str, *, secure: bool) -> Cookie:
    """Return the cookie with the secret of the saved input; an empty secret deletes the cookie."""
    return Cookie(
        key=saved_input_cookie_name(secure),
        value=secret,
        max_age=int(LIFETIME.total_seconds()) if secret else 0,
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )


def _preserved_fields(request: Request[Any, Any, Any]) -> PreservedFields | None:
    """Return the form fields that the route handler preserves (`keeps=`), or None."""
    preserved = request.route_handler.opt.get("keeps")
    return preserved if isinstance(preserved, PreservedFields) else None


async def _preserved_values(request: Request[Any, Any, Any]) -> Mapping[str, str]:
    """Read the declared fields from the form, untruncated; repeated fields are joined by lines."""
    preserved = _preserved_fields(request)
    values: dict[str, str] = {}
    for name, value in (await request.form()).multi_items():
        if preserved is not None and isinstance(value, str) and preserved.includes(name):
            values[name] = f"{values[name]}\n{value}" if name in values else value
    return values
