"""Keys: the list with spend and last use, making one, and one with its limits, rotating, revoking.

Owns these pages. What a key is, may and has spent is told by gateway/keys.py, key_limits.py and
key_views.py; a secret is on the page that answers its making, and on no other.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import currency_of, read_profile
from billing.dates import zone_of
from billing.documents.price_texts import short
from billing.metering.quotas import LimitInvalid
from gateway.dashboard.faults import PageNotFound
from gateway.dashboard.forms import EMPTY, Filled, fields_of, mistaken
from gateway.dashboard.viewing import INVALID, Viewing
from gateway.identity.roles import Permission
from gateway.key_limits import LimitUnreadable, change_limits, limits_from
from gateway.key_views import KeyView, view_key, view_keys
from gateway.keys import (
    PREFIX,
    IssuedKey,
    KeyMade,
    KeyNameInvalid,
    KeyNotActive,
    KeyNotFound,
    create_key,
    rename_key,
    require_key,
    revoke_key,
    rotate_key,
)
from infra import ids
from infra.clock import Clock
from infra.db import Database

_MISTAKES = (KeyNameInvalid, LimitUnreadable, LimitInvalid)
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
            common = await _common(session, viewing, clock)
            views = await view_keys(session, viewing.account_id, clock.now())
        return viewing.page("keys.html", views=views, **common)

    @get("/new", name="dashboard:new-key", permission=Permission.KEYS)
    async def new(
        self, viewing: NamedDependency[Viewing], database: NamedDependency[Database]
    ) -> Response[str]:
        # The form says which key it makes: sent twice, it makes one.
        said = {"id": ids.show(PREFIX, ids.new_id())}
        return await _asking(viewing, database, Filled(said))

    @post("/", permission=Permission.KEYS)
    async def create(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        pepper: NamedDependency[bytes],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        said, account_id = await fields_of(request), viewing.account_id
        key_id, by = _id(said.get("id", "")), viewing.actor
        try:
            limits, name = limits_from(said), said.get("name", "")
            async with database.transaction() as session:
                place = session, clock, pepper, account_id, name
                issued = await create_key(*place, by=by, key_id=key_id)
                await change_limits(session, clock, by, account_id, key_id, limits)
        except KeyMade:
            return viewing.go(_address(key_id))
        except _MISTAKES as error:
            return await _asking(viewing, database, mistaken(viewing, said, error), INVALID)
        return _issued(viewing, issued)

    @get("/{key:str}", name="dashboard:key")
    async def key(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        key: FromPath[str],
    ) -> Response[str]:
        return await _one(viewing, database, clock, _id(key))

    @post("/{key:str}/name", permission=Permission.KEYS)
    async def rename(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        key: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        said, key_id = await fields_of(request), _id(key)
        place = viewing.account_id, key_id, said.get("name", "")
        try:
            async with database.transaction() as session:
                await rename_key(session, clock, viewing.actor, *place)
        except KeyNameInvalid as error:
            return await _one(viewing, database, clock, key_id, mistaken(viewing, said, error))
        return viewing.go(_address(key_id))

    @post("/{key:str}/limits")
    async def limit(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
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
        except _MISTAKES as error:
            return await _one(viewing, database, clock, _id(key), mistaken(viewing, said, error))
        return viewing.go(_address(key_id))

    @post("/{key:str}/rotate", permission=Permission.KEYS)
    async def rotate(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        pepper: NamedDependency[bytes],
        key: FromPath[str],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        key_id, overlap = _id(key), _overlap(await fields_of(request))
        place = pepper, viewing.account_id, key_id, overlap
        try:
            async with database.transaction() as session:
                issued = await rotate_key(session, clock, *place, viewing.actor)
        except KeyNotActive as error:
            return await _one(viewing, database, clock, key_id, mistaken(viewing, {}, error))
        return _issued(viewing, issued, overlap)

    @post("/{key:str}/revoke", permission=Permission.KEYS)
    async def revoke(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        key: FromPath[str],
    ) -> Response[Any]:
        place = viewing.account_id, _id(key), viewing.actor
        async with database.transaction() as session:
            await revoke_key(session, clock, *place)
        return viewing.go("/dashboard/keys")


async def _common(session: AsyncSession, viewing: Viewing, clock: Clock) -> Mapping[str, Any]:
    """What both the list and a key's page write amounts and times with."""
    profile = await read_profile(session, viewing.account_id)
    return {
        "currency": await currency_of(session, viewing.account_id),
        "zone": zone_of(profile.time_zone),
        "now": clock.now(),
        "may": viewing.viewer.may(Permission.KEYS),
    }


async def _asking(
    viewing: Viewing, database: Database, form: Filled, status: int = 200
) -> Response[str]:
    async with database.transaction() as session:
        currency = await currency_of(session, viewing.account_id)
    return viewing.page("key_new.html", status=status, form=form, currency=currency)


async def _one(
    viewing: Viewing, database: Database, clock: Clock, key_id: UUID, form: Filled | None = None
) -> Response[str]:
    """A key's page; with a form that had a mistake, that again."""
    async with database.transaction() as session:
        common = await _common(session, viewing, clock)
        view = await view_key(session, viewing.account_id, key_id, clock.now())
    may = viewing.viewer.may
    return viewing.page(
        "key.html",
        status=INVALID if form else 200,
        view=view,
        key=ids.show(PREFIX, key_id),
        form=form or EMPTY,
        limits=_written(view) | (form.values if form else {}),
        may_limit=may(Permission.KEYS) or may(Permission.LIMITS),
        **common,
    )


def _written(view: KeyView) -> dict[str, str]:
    """A key's name and limits as its forms have them."""
    limits = view.limits
    counts = {name: getattr(limits, name) for name in ("requests", "tokens", "streams")}
    texts = {name: "" if count is None else str(count) for name, count in counts.items()}
    budget = "" if limits.budget is None else short(limits.budget)
    return {"name": view.row.name, "budget": budget, **texts}


def _issued(viewing: Viewing, issued: IssuedKey, overlap: timedelta | None = None) -> Response[str]:
    address = _address(issued.row.id)
    return viewing.page("key_made.html", issued=issued, overlap=overlap, address=address)


def _overlap(said: Mapping[str, str]) -> timedelta:
    hours = said.get("overlap", "")
    if hours not in _OVERLAPS:
        raise PageNotFound("There is no such choice.")
    return timedelta(hours=int(hours))


def _address(key_id: UUID) -> str:
    return f"/dashboard/keys/{ids.show(PREFIX, key_id)}"


def _id(text: str) -> UUID:
    found = ids.parse(PREFIX, text)
    if found is None:
        raise KeyNotFound("This account has no such key.")
    return found
