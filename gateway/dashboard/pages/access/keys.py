"""The API key pages: list, creation, rotation and revocation.

A secret is shown once, on the response to its creation or rotation.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from billing.accounts.profiles import get_account_currency
from billing.metering.quotas import LimitInvalid
from gateway.access.api_keys import (
    PREFIX,
    IssuedKey,
    KeyAlreadyCreated,
    KeyNameInvalid,
    KeyNotActive,
    revoke_key,
    rotate_key,
    validate_name,
)
from gateway.access.key_limits import LimitUnreadable, change_limits, parse_limits
from gateway.access.key_permissions import KeyPermission
from gateway.access.key_scopes import SERVICE_TIERS, NetworksUnreadable, change_scope
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import FormState, read_form_fields, restored_form, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.access.key_detail import (
    LIMIT_FIELDS,
    SCOPE_FIELDS,
    common_context,
    key_url,
    list_visible_keys,
    parse_key_id,
    parse_scope_form,
    render_key_page,
    require_visible_key,
)
from gateway.dashboard.pages.projects.common import (
    get_visible_project,
    list_visible_projects,
    require_right,
)
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.roles import Permission
from gateway.projects.errors import ProjectNotActive
from gateway.projects.keys import create_project_key
from gateway.projects.projects import format_project_id
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import SeveralErrors, collect
from models.catalog import Catalog

_FORM_ERRORS = (
    ProjectNotActive,
    KeyNameInvalid,
    LimitUnreadable,
    LimitInvalid,
    NetworksUnreadable,
    SeveralErrors,
)
_PRESERVED_FIELDS = PreservedFields(
    "/dashboard/keys/new", ("id", "name", "project", *LIMIT_FIELDS, *SCOPE_FIELDS)
)
# The choices for how many hours a rotated key stays valid.
_OVERLAP_HOURS = ("0", "1", "24", "168")


class KeyPages(Controller):
    """Handlers of `/dashboard/keys`."""

    path = "/keys"

    @get("/", name="dashboard:keys")
    async def list_keys(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        """Show the account's API keys."""
        async with database.transaction() as session:
            common = await common_context(session, page, clock)
            views = await list_visible_keys(session, page, clock)
        administers = page.viewer.has_permission(Permission.TEAM)
        return page.render("keys.html", views=views, administers=administers, **common)

    @get("/new", name="dashboard:new-key", permission=Permission.KEYS)
    async def show_new_key_form(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        catalog: NamedDependency[Catalog],
        project: FromQuery[str] = "",
    ) -> Response[str]:
        # The form carries the new key's id, so that sending it twice creates one key.
        """Show the form to create a key."""
        defaults = {"id": ids.format_id(PREFIX, ids.new_id()), "project": project}
        return await _render_new_key(page, database, catalog, restored_form(page, defaults))

    @post("/", permission=Permission.KEYS, keeps=_PRESERVED_FIELDS)
    async def create_key(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        pepper: NamedDependency[bytes],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Create a key and show its secret once."""
        fields, account_id = await read_form_fields(request), page.account_id
        key_id, actor = parse_key_id(fields.get("id", "")), page.actor
        try:
            name, limits, scope = collect(
                lambda: validate_name(fields.get("name", "")),
                lambda: parse_limits(fields),
                lambda: parse_scope_form(fields, catalog),
            )
            async with database.transaction() as session:
                found = await get_visible_project(
                    session, page, fields.get("project") or format_project_id(account_id)
                )
                require_right(found.rights.keys)
                issued = await create_project_key(
                    session,
                    clock,
                    pepper,
                    account_id,
                    found.row.id,
                    name,
                    actor=actor,
                    key_id=key_id,
                )
                await change_limits(session, clock, actor, account_id, key_id, limits)
                await change_scope(session, clock, actor, account_id, key_id, scope)
        except KeyAlreadyCreated:
            return page.redirect(key_url(key_id))
        except _FORM_ERRORS as error:
            form = with_errors(page, fields, error)
            return await _render_new_key(page, database, catalog, form, UNPROCESSABLE)
        return _render_issued_key(page, issued)

    @post("/{key:str}/rotate", permission=Permission.KEYS)
    async def rotate_key(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        pepper: NamedDependency[bytes],
        key: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Replace the key and show the secret of its successor once."""
        key_id, overlap = parse_key_id(key), _parse_overlap(await read_form_fields(request))
        try:
            async with database.transaction() as session:
                await require_visible_key(session, page, clock, key_id)
                issued = await rotate_key(
                    session, clock, pepper, page.account_id, key_id, overlap, page.actor
                )
        except KeyNotActive as error:
            return await render_key_page(
                page, database, clock, catalog, key_id, with_errors(page, {}, error)
            )
        return _render_issued_key(page, issued, overlap)

    @post("/{key:str}/revoke", permission=Permission.KEYS)
    async def revoke_key(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        key: FromPath[str],
    ) -> Response[Any]:
        """Revoke the key."""
        key_id = parse_key_id(key)
        async with database.transaction() as session:
            await require_visible_key(session, page, clock, key_id)
            await revoke_key(session, clock, page.account_id, key_id, page.actor)
        return page.redirect("/dashboard/keys")


async def _render_new_key(
    page: PageRequest, database: Database, catalog: Catalog, form: FormState, status: int = 200
) -> Response[str]:
    """Render the form for a new key."""
    async with database.transaction() as session:
        currency = await get_account_currency(session, page.account_id)
        visible = await list_visible_projects(session, page)
    return page.render(
        "key_new.html",
        status=status,
        form=form,
        currency=currency,
        projects=[one.row for one in visible if one.rights.keys],
        models=[*catalog.models, *catalog.services],
        tiers=SERVICE_TIERS,
        permissions=tuple(KeyPermission),
    )


def _render_issued_key(
    page: PageRequest, issued: IssuedKey, overlap: timedelta | None = None
) -> Response[str]:
    """Render a new secret once; `overlap` is how long the rotated key stays valid."""
    address = key_url(issued.row.id)
    return page.render("key_made.html", issued=issued, overlap=overlap, address=address)


def _parse_overlap(fields: Mapping[str, str]) -> timedelta:
    """Parse how long a rotated key stays valid. Raises PageNotFound for an unlisted choice."""
    hours = fields.get("overlap", "")
    if hours not in _OVERLAP_HOURS:
        raise PageNotFound("Unknown overlap.")
    return timedelta(hours=int(hours))
