"""The page of the platform's admin keys: list, creation and revocation.

A secret is shown once, on the response to its creation.
"""

from datetime import timedelta
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.access.admin_errors import AdminKeyInvalid, AdminKeyNotFound, AdminScopeInvalid
from gateway.access.admin_keys import (
    ADMIN_KEY_ID_PREFIX,
    NewAdminKey,
    create_admin_key,
    is_active,
    list_admin_keys,
    revoke_admin_key,
)
from gateway.access.admin_scopes import AdminScope
from gateway.access.api_keys import KeyAlreadyCreated, KeyNameInvalid
from gateway.access.key_scopes import NetworksUnreadable
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import FormState, read_form_fields, restored_form, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.platform.common import parse_id_or_404, platform_zone
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.roles import Permission
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_URL = "/dashboard/platform/admin-keys"
_EXAMPLE = "/v1/admin/accounts"
_LIFETIMES = ("30", "90", "365")
_SCOPE_FIELDS = tuple(f"scope:{scope}" for scope in AdminScope)
_PRESERVED = PreservedFields(_URL, ("id", "name", "days", "networks", *_SCOPE_FIELDS))
_FORM_ERRORS = (KeyNameInvalid, AdminScopeInvalid, NetworksUnreadable, AdminKeyInvalid)


class AdminKeyPages(Controller):
    """Handlers of `/dashboard/platform/admin-keys`."""

    path = "/platform/admin-keys"

    @get("/", name="platform:admin-keys", permission=Permission.WATCH)
    async def show(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        """Show the platform's admin keys, and to operators the form for a new one."""
        return await _render(page, database, clock, restored_form(page))

    @post("/", permission=Permission.OPERATE, keeps=_PRESERVED)
    async def create(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        pepper: NamedDependency[bytes],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Create a key and show its secret once."""
        fields = {"name": "", "networks": "", **await read_form_fields(request)}
        days = fields.get("days", "")
        if days not in _LIFETIMES:
            raise PageNotFound("Unknown lifetime.")
        new = NewAdminKey(
            fields["name"],
            tuple(scope for scope in AdminScope if f"scope:{scope}" in fields),
            fields["networks"],
            timedelta(days=int(days)),
            parse_id_or_404(ADMIN_KEY_ID_PREFIX, fields.get("id", "")),
        )
        try:
            async with database.transaction() as session:
                place = (session, clock, pepper, page.actor, None)
                issued = await create_admin_key(*place, new)
        except KeyAlreadyCreated:
            return page.redirect(_URL)
        except _FORM_ERRORS as error:
            form = with_errors(page, fields, error)
            return await _render(page, database, clock, form, UNPROCESSABLE)
        return page.render(
            "platform/admin_key_made.html", issued=issued, address=_URL, example=_EXAMPLE
        )

    @post("/{key:str}/revoke", permission=Permission.OPERATE)
    async def revoke(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        key: FromPath[str],
    ) -> Response[Any]:
        """Revoke a key; it is rejected at once."""
        try:
            async with database.transaction() as session:
                await revoke_admin_key(session, clock, page.actor, None, key)
        except AdminKeyNotFound as error:
            raise PageNotFound("No admin key has this ID.") from error
        return page.redirect(_URL)


async def _render(
    page: PageRequest, database: Database, clock: Clock, form: FormState, status: int = 200
) -> Response[str]:
    """Render the page with the keys and the form."""
    async with database.transaction() as session:
        rows = await list_admin_keys(session, None)
    return page.render(
        "platform/admin_keys.html",
        status=status,
        rows=[
            (ids.format_id(ADMIN_KEY_ID_PREFIX, row.id), row, is_active(row, clock))
            for row in reversed(rows)
        ],
        form=form,
        new_id=ids.format_id(ADMIN_KEY_ID_PREFIX, ids.new_id()),
        scopes=list(AdminScope),
        lifetimes=_LIFETIMES,
        operates=page.viewer.has_permission(Permission.OPERATE),
        zone=platform_zone(),
        now=clock.now(),
    )
