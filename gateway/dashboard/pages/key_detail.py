"""One key: how it stands, its name, limits and scope."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import currency_of, read_profile
from billing.dates import zone_of
from billing.invoice_documents.price_format import short
from billing.metering.quotas import LimitInvalid
from gateway.access.api_keys import PREFIX, KeyNameInvalid, KeyNotFound, rename_key, require_key
from gateway.access.key_limits import LimitUnreadable, change_limits, limits_from
from gateway.access.key_scopes import (
    SERVICE_TIERS,
    NetworksUnreadable,
    Scope,
    change_scope,
    scope_from,
    scope_of,
)
from gateway.access.key_views import KeyView, view_key
from gateway.dashboard.forms import Filled, fields_of, kept_form, mistaken
from gateway.dashboard.keeping import Keeps
from gateway.dashboard.page_request import INVALID, Viewing
from gateway.identity.roles import Permission
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import SeveralErrors
from models.catalog import Catalog

# Prefixes of a form's checkboxes: before the model's id, and before the service tier.
_MODEL = "model:"
_TIER = "tier:"
LIMIT_FIELDS = ("budget", "requests", "tokens", "streams")
SCOPE_FIELDS = ("networks", _MODEL, _TIER)
_PAGE = "/dashboard/keys/{key}"


class KeyPage(Controller):
    """`/dashboard/keys/{key}…`."""

    path = "/keys/{key:str}"

    @get("/", name="dashboard:key")
    async def key(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        key: FromPath[str],
    ) -> Response[str]:
        return await show_key(viewing, database, clock, catalog, key_id_of(key))

    @post("/name", permission=Permission.KEYS, keeps=Keeps(_PAGE, ("name",)))
    async def rename(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        key: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        said, key_id = await fields_of(request), key_id_of(key)
        place = viewing.account_id, key_id, said.get("name", "")
        try:
            async with database.transaction() as session:
                await rename_key(session, clock, viewing.actor, *place)
        except KeyNameInvalid as error:
            return await show_key(
                viewing, database, clock, catalog, key_id, mistaken(viewing, said, error)
            )
        return viewing.go(key_address(key_id))

    @post("/limits", keeps=Keeps(_PAGE, LIMIT_FIELDS))
    async def limit(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        key: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        viewing.require(Permission.KEYS, Permission.LIMITS)
        said, account_id = await fields_of(request), viewing.account_id
        try:
            limits = limits_from(said)
            async with database.transaction() as session:
                key_id = await require_key(session, account_id, key)
                place = viewing.actor, account_id, key_id
                await change_limits(session, clock, *place, limits)
        except (LimitUnreadable, LimitInvalid, SeveralErrors) as error:
            return await show_key(
                viewing, database, clock, catalog, key_id_of(key), mistaken(viewing, said, error)
            )
        return viewing.go(key_address(key_id))

    @post("/scope", permission=Permission.KEYS, keeps=Keeps(_PAGE, SCOPE_FIELDS))
    async def narrow(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        key: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        said, account_id = await fields_of(request), viewing.account_id
        try:
            scope = scope_in(said, catalog)
            async with database.transaction() as session:
                key_id = await require_key(session, account_id, key)
                place = viewing.actor, account_id, key_id
                await change_scope(session, clock, *place, scope)
        except NetworksUnreadable as error:
            form = mistaken(viewing, said, error)
            return await show_key(viewing, database, clock, catalog, key_id_of(key), form)
        return viewing.go(key_address(key_id))


async def common_values(session: AsyncSession, viewing: Viewing, clock: Clock) -> Mapping[str, Any]:
    """What both the list and a key's page write amounts and times with."""
    profile = await read_profile(session, viewing.account_id)
    return {
        "currency": await currency_of(session, viewing.account_id),
        "zone": zone_of(profile.time_zone),
        "now": clock.now(),
        "may": viewing.viewer.may(Permission.KEYS),
    }


async def show_key(
    viewing: Viewing,
    database: Database,
    clock: Clock,
    catalog: Catalog,
    key_id: UUID,
    form: Filled | None = None,
) -> Response[str]:
    """A key's page; with a form that had a mistake, that again."""
    async with database.transaction() as session:
        common = await common_values(session, viewing, clock)
        view = await view_key(session, viewing.account_id, key_id, clock.now())
    may = viewing.viewer.may
    return viewing.page(
        "key.html",
        status=INVALID if form else 200,
        view=view,
        key=ids.show(PREFIX, key_id),
        form=form or kept_form(viewing),
        said=_said(view, form or kept_form(viewing)),
        scope=scope_of(view.row),
        models=list(catalog.models),
        tiers=SERVICE_TIERS,
        may_limit=may(Permission.KEYS) or may(Permission.LIMITS),
        **common,
    )


def _said(view: KeyView, form: Filled) -> dict[str, str]:
    """What a key's forms say: as it is, and as the one with a mistake was sent."""
    scope = scope_of(view.row)
    known = _written(view) | {"networks": ", ".join(scope.networks or [])}
    if "networks" not in form.values:  # a box that is not checked is not sent
        known |= {f"{_MODEL}{model}": "on" for model in scope.models or []}
        known |= {f"{_TIER}{tier}": "on" for tier in scope.service_tiers or []}
    return known | dict(form.values)


def scope_in(said: Mapping[str, str], catalog: Catalog) -> Scope:
    models = [model for model in catalog.models if f"{_MODEL}{model}" in said]
    tiers = [tier for tier in SERVICE_TIERS if f"{_TIER}{tier}" in said]
    return scope_from(models, said.get("networks", ""), tiers)


def _written(view: KeyView) -> dict[str, str]:
    """A key's name and limits as its forms have them."""
    limits = view.limits
    counts = {name: getattr(limits, name) for name in ("requests", "tokens", "streams")}
    texts = {name: "" if count is None else str(count) for name, count in counts.items()}
    budget = "" if limits.budget is None else short(limits.budget)
    return {"name": view.row.name, "budget": budget, **texts}


def key_address(key_id: UUID) -> str:
    return f"/dashboard/keys/{ids.show(PREFIX, key_id)}"


def key_id_of(text: str) -> UUID:
    found = ids.parse(PREFIX, text)
    if found is None:
        raise KeyNotFound("This account has no such key.")
    return found
