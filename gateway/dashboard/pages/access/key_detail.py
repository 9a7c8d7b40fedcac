"""The page of one API key: status, name, limits and scope."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency, get_profile
from billing.dates import parse_time_zone
from billing.invoice_documents.price_format import format_short_amount
from billing.metering.quotas import LimitInvalid
from gateway.access.api_keys import PREFIX, KeyNameInvalid, KeyNotFound, rename_key, require_key
from gateway.access.key_limits import (
    BUDGET_FIELDS,
    RATE_LIMIT_KINDS,
    LimitUnreadable,
    change_limits,
    parse_limits,
)
from gateway.access.key_permissions import KeyPermission
from gateway.access.key_scopes import (
    SERVICE_TIERS,
    UNRESTRICTED,
    NetworksUnreadable,
    Scope,
    change_scope,
    parse_scope,
    scope_of,
)
from gateway.access.key_views import KeyView, get_key_view, list_key_views
from gateway.dashboard.forms import FormState, read_form_fields, restored_form, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.projects.common import is_visible_key, visible_project_ids
from gateway.dashboard.preserved_input import PreservedFields
from gateway.identity.roles import Permission
from gateway.projects.projects import get_project
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import SeveralErrors
from models.catalog import Catalog

# Name prefixes of the checkboxes for models and service tiers.
_MODEL_PREFIX = "model:"
_TIER_PREFIX = "tier:"
_PERMISSION_PREFIX = "permission:"
LIMIT_FIELDS = (*BUDGET_FIELDS, *RATE_LIMIT_KINDS)
SCOPE_FIELDS = ("networks", _MODEL_PREFIX, _TIER_PREFIX, _PERMISSION_PREFIX)
_PAGE = "/dashboard/keys/{key}"


class KeyPage(Controller):
    """Handlers of `/dashboard/keys/{key}`."""

    path = "/keys/{key:str}"

    @get("/", name="dashboard:key")
    async def show_key(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        key: FromPath[str],
    ) -> Response[str]:
        """Show an API key with its usage, limits and scope."""
        return await render_key_page(page, database, clock, catalog, parse_key_id(key))

    @post("/name", permission=Permission.KEYS, keeps=PreservedFields(_PAGE, ("name",)))
    async def rename_key(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        key: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Rename the key."""
        fields, key_id = await read_form_fields(request), parse_key_id(key)
        try:
            async with database.transaction() as session:
                await require_visible_key(session, page, clock, key_id)
                await rename_key(
                    session, clock, page.actor, page.account_id, key_id, fields.get("name", "")
                )
        except KeyNameInvalid as error:
            return await render_key_page(
                page, database, clock, catalog, key_id, with_errors(page, fields, error)
            )
        return page.redirect(key_url(key_id))

    @post("/limits", keeps=PreservedFields(_PAGE, LIMIT_FIELDS))
    async def set_key_limits(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        key: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Set the limits of the key."""
        page.require_any_permission(Permission.KEYS, Permission.LIMITS)
        fields, account_id = await read_form_fields(request), page.account_id
        try:
            limits = parse_limits(fields)
            async with database.transaction() as session:
                key_id = await require_key(session, account_id, key)
                await require_visible_key(session, page, clock, key_id)
                await change_limits(session, clock, page.actor, account_id, key_id, limits)
        except (LimitUnreadable, LimitInvalid, SeveralErrors) as error:
            return await render_key_page(
                page, database, clock, catalog, parse_key_id(key), with_errors(page, fields, error)
            )
        return page.redirect(key_url(key_id))

    @post("/scope", permission=Permission.KEYS, keeps=PreservedFields(_PAGE, SCOPE_FIELDS))
    async def set_key_scope(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        key: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Set the models, networks and service tiers of the key."""
        fields, account_id = await read_form_fields(request), page.account_id
        try:
            async with database.transaction() as session:
                key_id = await require_key(session, account_id, key)
                view = await require_visible_key(session, page, clock, key_id)
                scope = parse_scope_form(fields, catalog, scope_of(view.row))
                await change_scope(session, clock, page.actor, account_id, key_id, scope)
        except NetworksUnreadable as error:
            form = with_errors(page, fields, error)
            return await render_key_page(page, database, clock, catalog, parse_key_id(key), form)
        return page.redirect(key_url(key_id))


async def list_visible_keys(
    session: AsyncSession, page: PageRequest, clock: Clock
) -> list[KeyView]:
    """Return the keys of the projects that the viewer may see."""
    visible = await visible_project_ids(session, page)
    views = await list_key_views(session, page.account_id, clock.now())
    return [
        view
        for view in views
        if visible is None or (view.row.project_id or page.account_id) in visible
    ]


async def require_visible_key(
    session: AsyncSession, page: PageRequest, clock: Clock, key_id: UUID
) -> KeyView:
    """Return a key of a project that the viewer may see. Raises KeyNotFound."""
    view = await get_key_view(session, page.account_id, key_id, clock.now())
    if not await is_visible_key(session, page, view.row):
        raise KeyNotFound("The account has no such API key.")
    return view


async def common_context(
    session: AsyncSession, page: PageRequest, clock: Clock
) -> Mapping[str, Any]:
    """Return the template context shared by the key pages: currency, time zone and permission."""
    profile = await get_profile(session, page.account_id)
    return {
        "currency": await get_account_currency(session, page.account_id),
        "zone": parse_time_zone(profile.time_zone),
        "now": clock.now(),
        "may": page.viewer.has_permission(Permission.KEYS),
    }


async def render_key_page(
    page: PageRequest,
    database: Database,
    clock: Clock,
    catalog: Catalog,
    key_id: UUID,
    form: FormState | None = None,
) -> Response[str]:
    """Render a key's page, or the submitted form with its errors."""
    async with database.transaction() as session:
        common = await common_context(session, page, clock)
        view = await require_visible_key(session, page, clock, key_id)
        project_id = view.row.project_id or page.account_id
        project = await get_project(session, page.account_id, project_id)
    may = page.viewer.has_permission
    return page.render(
        "key.html",
        status=UNPROCESSABLE if form else 200,
        view=view,
        key=ids.format_id(PREFIX, key_id),
        project=project,
        form=form or restored_form(page),
        said=_form_values(view, form or restored_form(page)),
        scope=scope_of(view.row),
        models=selectable_models(catalog, scope_of(view.row)),
        tiers=SERVICE_TIERS,
        permissions=tuple(KeyPermission),
        may_limit=may(Permission.KEYS) or may(Permission.LIMITS),
        **common,
    )


def _form_values(view: KeyView, form: FormState) -> dict[str, str]:
    """Return the values of a key's forms: the current ones, overridden by a submitted form."""
    scope = scope_of(view.row)
    values = _current_values(view) | {"networks": ", ".join(scope.networks or [])}
    if "networks" not in form.values:  # unchecked boxes are not sent
        values |= {f"{_MODEL_PREFIX}{model}": "on" for model in scope.models or []}
        values |= {f"{_TIER_PREFIX}{tier}": "on" for tier in scope.service_tiers or []}
        values |= {f"{_PERMISSION_PREFIX}{one}": "on" for one in scope.permissions or []}
    return values | dict(form.values)


def selectable_models(catalog: Catalog, scope: Scope) -> list[str]:
    """Return the model ids of the scope form: those of the catalog, then others of the key.

    A key that is restricted to a removed model keeps the restriction when its form is saved;
    without it, the key could call all models.
    """
    known = [*catalog.models, *catalog.services]
    return [*known, *(id for id in scope.models or [] if id not in known)]


def parse_scope_form(
    fields: Mapping[str, str], catalog: Catalog, current: Scope = UNRESTRICTED
) -> Scope:
    """Parse the scope of a key from its form: models, networks, service tiers and permissions.

    Accepts the models of the catalog and of the key's current scope.
    """
    selectable = selectable_models(catalog, current)
    models = [model for model in selectable if f"{_MODEL_PREFIX}{model}" in fields]
    tiers = [tier for tier in SERVICE_TIERS if f"{_TIER_PREFIX}{tier}" in fields]
    permissions = [one for one in KeyPermission if f"{_PERMISSION_PREFIX}{one}" in fields]
    return parse_scope(models, fields.get("networks", ""), tiers, permissions)


def _current_values(view: KeyView) -> dict[str, str]:
    """Return a key's name and limits as form values."""
    limits = view.limits
    counts = {name: getattr(limits, name) for name in RATE_LIMIT_KINDS}
    texts = {name: "" if count is None else str(count) for name, count in counts.items()}
    budgets = {name: getattr(limits, name) for name in BUDGET_FIELDS}
    amounts = {
        name: "" if amount is None else format_short_amount(amount)
        for name, amount in budgets.items()
    }
    return {"name": view.row.name, **amounts, **texts}


def key_url(key_id: UUID) -> str:
    """Return the URL of a key's page."""
    return f"/dashboard/keys/{ids.format_id(PREFIX, key_id)}"


def parse_key_id(text: str) -> UUID:
    """Parse a key id. Raises KeyNotFound if it is invalid."""
    key_id = ids.parse_id(PREFIX, text)
    if key_id is None:
        raise KeyNotFound("The account has no such API key.")
    return key_id
