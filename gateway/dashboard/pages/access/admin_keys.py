"""The page of an account's admin keys, for owners: list, creation and revocation.

Programs administer the account with them (`/v1/organization/…`). A secret is shown once, on the
response to its creation.
"""

from datetime import timedelta
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.accounts.profiles import get_profile, profile_time_zone
from gateway.access.admin_errors import AdminKeyInvalid, AdminKeyNotFound
from gateway.access.admin_keys import (
    ADMIN_KEY_ID_PREFIX,
    NewAdminKey,
    create_admin_key,
    is_active,
    list_admin_keys,
    revoke_admin_key,
)
from gateway.access.api_keys import KeyAlreadyCreated, KeyNameInvalid
from gateway.access.key_scopes import NetworksUnreadable
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import FormState, read_form_fields, restored_form, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.roles import Permission
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_URL = "/dashboard/admin-keys"
_EXAMPLE = "/v1/organization/users"
_LIFETIMES = ("30", "90", "365")
_PRESERVED = PreservedFields(_URL, ("id", "name", "days", "networks"))
_FORM_ERRORS = (KeyNameInvalid, NetworksUnreadable, AdminKeyInvalid)


class AccountAdminKeyPages(Controller):
    """Handlers of `/dashboard/admin-keys`."""

    path = "/admin-keys"
    opt = {"permission": Permission.TEAM}  # noqa: RUF012  # declared by Litestar

    @get("/", name="dashboard:admin-keys")
    async def show_admin_keys(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        """Show the account's admin keys and the form for a new one."""
        return await _render(page, database, clock, restored_form(page))

    @post("/", keeps=_PRESERVED)
    async def create_admin_key(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        pepper: NamedDependency[bytes],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Create a key and show its secret once."""
        fields = {"name": "", "networks": "", **await read_form_fields(request)}
        days, key_id = (
            fields.get("days", ""),
            ids.parse_id(ADMIN_KEY_ID_PREFIX, fields.get("id", "")),
        )
        if days not in _LIFETIMES or key_id is None:
            raise PageNotFound("Unknown lifetime or ID.")
        lifetime = timedelta(days=int(days))
        new = NewAdminKey(fields["name"], (), fields["networks"], lifetime, key_id)
        try:
            async with database.transaction() as session:
                place = (session, clock, pepper, page.actor, page.account_id)
                issued = await create_admin_key(*place, new)
        except KeyAlreadyCreated:
            return page.redirect(_URL)
        except _FORM_ERRORS as error:
            form = with_errors(page, fields, error)
            return await _render(page, database, clock, form, UNPROCESSABLE)
        return page.render(
            "platform/admin_key_made.html", issued=issued, address=_URL, example=_EXAMPLE
        )

    @post("/{admin_key:str}/revoke")
    async def revoke_admin_key(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        admin_key: FromPath[str],
    ) -> Response[Any]:
        """Revoke a key; it is rejected at once."""
        try:
            async with database.transaction() as session:
                await revoke_admin_key(session, clock, page.actor, page.account_id, admin_key)
        except AdminKeyNotFound as error:
            raise PageNotFound("No admin key has this ID.") from error
        return page.redirect(_URL)


async def _render(
    page: PageRequest, database: Database, clock: Clock, form: FormState, status: int = 200
) -> Response[str]:
    """Render the page with the keys and the form."""
    async with database.transaction() as session:
        rows = await list_admin_keys(session, page.account_id)
        zone = profile_time_zone(await get_profile(session, page.account_id))
    return page.render(
        "admin_keys.html",
        status=status,
        rows=[
            (ids.format_id(ADMIN_KEY_ID_PREFIX, row.id), row, is_active(row, clock))
            for row in reversed(rows)
        ],
        form=form,
        new_id=ids.format_id(ADMIN_KEY_ID_PREFIX, ids.new_id()),
        zone=zone,
        now=clock.now(),
    )
