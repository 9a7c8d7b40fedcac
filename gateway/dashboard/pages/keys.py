"""Keys: the list with spend and last use, making one, rotating and revoking.

Owns these pages; a secret is on the one that answers its making, and on no other.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from billing.accounts.profiles import currency_of
from billing.metering.quotas import LimitInvalid
from gateway.access.api_keys import (
    PREFIX,
    IssuedKey,
    KeyMade,
    KeyNameInvalid,
    KeyNotActive,
    create_key,
    require_name,
    revoke_key,
    rotate_key,
)
from gateway.access.key_limits import LimitUnreadable, change_limits, limits_from
from gateway.access.key_scopes import SERVICE_TIERS, NetworksUnreadable, change_scope
from gateway.access.key_views import view_keys
from gateway.dashboard.errors import PageNotFound
from gateway.dashboard.forms import Filled, fields_of, kept_form, mistaken
from gateway.dashboard.keeping import Keeps
from gateway.dashboard.page_request import INVALID, Viewing
from gateway.dashboard.pages.key_detail import (
    LIMIT_FIELDS,
    SCOPE_FIELDS,
    common_values,
    key_address,
    key_id_of,
    scope_in,
    show_key,
)
from gateway.identity.roles import Permission
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import SeveralErrors, collect
from models.catalog import Catalog

_MISTAKES = (KeyNameInvalid, LimitUnreadable, LimitInvalid, NetworksUnreadable, SeveralErrors)
_KEEPS = Keeps("/dashboard/keys/new", ("id", "name", *LIMIT_FIELDS, *SCOPE_FIELDS))
# Hours for which a rotated key works on, as its form says them.
_OVERLAPS = ("0", "1", "24", "168")


class KeyPages(Controller):
    """`/dashboard/keys…`."""

    path = "/keys"

    @get("/", name="dashboard:keys")
    async def keys(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[str]:
        async with database.transaction() as session:
            common = await common_values(session, viewing, clock)
            views = await view_keys(session, viewing.account_id, clock.now())
        return viewing.page("keys.html", views=views, **common)

    @get("/new", name="dashboard:new-key", permission=Permission.KEYS)
    async def new(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        catalog: NamedDependency[Catalog],
    ) -> Response[str]:
        # The form says which key it makes: sent twice, it makes one.
        said = {"id": ids.show(PREFIX, ids.new_id())}
        return await _asking(viewing, database, catalog, kept_form(viewing, said))

    @post("/", permission=Permission.KEYS, keeps=_KEEPS)
    async def create(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        pepper: NamedDependency[bytes],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        said, account_id = await fields_of(request), viewing.account_id
        key_id, by = key_id_of(said.get("id", "")), viewing.actor
        try:
            name, limits, scope = collect(
                lambda: require_name(said.get("name", "")),
                lambda: limits_from(said),
                lambda: scope_in(said, catalog),
            )
            async with database.transaction() as session:
                place = session, clock, pepper, account_id, name
                issued = await create_key(*place, by=by, key_id=key_id)
                await change_limits(session, clock, by, account_id, key_id, limits)
                await change_scope(session, clock, by, account_id, key_id, scope)
        except KeyMade:
            return viewing.go(key_address(key_id))
        except _MISTAKES as error:
            form = mistaken(viewing, said, error)
            return await _asking(viewing, database, catalog, form, INVALID)
        return _issued(viewing, issued)

    @post("/{key:str}/rotate", permission=Permission.KEYS)
    async def rotate(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        pepper: NamedDependency[bytes],
        key: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        key_id, overlap = key_id_of(key), _overlap(await fields_of(request))
        place = pepper, viewing.account_id, key_id, overlap
        try:
            async with database.transaction() as session:
                issued = await rotate_key(session, clock, *place, viewing.actor)
        except KeyNotActive as error:
            return await show_key(
                viewing, database, clock, catalog, key_id, mistaken(viewing, {}, error)
            )
        return _issued(viewing, issued, overlap)

    @post("/{key:str}/revoke", permission=Permission.KEYS)
    async def revoke(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        key: FromPath[str],
    ) -> Response[Any]:
        place = viewing.account_id, key_id_of(key), viewing.actor
        async with database.transaction() as session:
            await revoke_key(session, clock, *place)
        return viewing.go("/dashboard/keys")


async def _asking(
    viewing: Viewing, database: Database, catalog: Catalog, form: Filled, status: int = 200
) -> Response[str]:
    async with database.transaction() as session:
        currency = await currency_of(session, viewing.account_id)
    return viewing.page(
        "key_new.html",
        status=status,
        form=form,
        currency=currency,
        models=list(catalog.models),
        tiers=SERVICE_TIERS,
    )


def _issued(viewing: Viewing, issued: IssuedKey, overlap: timedelta | None = None) -> Response[str]:
    address = key_address(issued.row.id)
    return viewing.page("key_made.html", issued=issued, overlap=overlap, address=address)


def _overlap(said: Mapping[str, str]) -> timedelta:
    hours = said.get("overlap", "")
    if hours not in _OVERLAPS:
        raise PageNotFound("There is no such choice.")
    return timedelta(hours=int(hours))
