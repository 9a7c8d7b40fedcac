"""Accounts: finding one by name, id or state, and how it stands.

Owns what these pages show (billing/reports/customers.py gathers it).
"""

from urllib.parse import urlencode
from uuid import UUID

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import PREFIX
from billing.dates import zone_of
from billing.reports.customers import Search, State, find_accounts, read_customer
from gateway.dashboard.page_request import Viewing
from gateway.dashboard.pages.platform.common import ACCOUNTS, platform_zone, require_id
from gateway.identity.audit_log import Entry, entries_of
from gateway.identity.roles import Permission
from gateway.identity.team import Member, members
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_ACCOUNTS, _ENTRIES = 50, 8
_STATES = frozenset(State)


class AccountPages(Controller):
    """`/dashboard/platform/accounts…`, to read."""

    path = "/platform/accounts"

    @get("/", name="platform:accounts", permission=Permission.WATCH)
    async def accounts(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        name: FromQuery[str] = "",
        standing: FromQuery[str | None] = None,
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        wanted = State(standing) if standing in _STATES else None
        mark = None if after is None else ids.parse(PREFIX, after)
        search = Search(name, wanted, mark, _ACCOUNTS + 1)
        async with database.transaction() as session:
            found = await find_accounts(session, search, clock.now())
        shown = found[:_ACCOUNTS]
        last = shown[-1].id if len(found) > _ACCOUNTS else None
        return viewing.page(
            "platform/accounts.html",
            rows=shown,
            name=name,
            state=wanted,
            states=[(_address(name, one), one) for one in (None, *State)],
            here=_address(name, wanted),
            more=None if last is None else _address(name, wanted, last),
            first=_address(name, wanted) if after else None,
            zone=platform_zone(),
        )

    @get("/{account:str}", name="platform:account", permission=Permission.WATCH)
    async def account(
        self,
        viewing: NamedDependency[Viewing],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
    ) -> Response[str]:
        account_id = require_id(PREFIX, account)
        async with database.transaction() as session:
            customer = await read_customer(session, account_id, clock.now())
            people, changes = await _people(session, account_id)
        return viewing.page(
            "platform/account.html",
            customer=customer,
            people=people,
            changes=changes,
            address=f"{ACCOUNTS}/{account}",
            account=account,
            operates=viewing.viewer.may(Permission.OPERATE),
            zone=zone_of(customer.profile.time_zone),
            now=clock.now(),
        )


async def _people(session: AsyncSession, account_id: UUID) -> tuple[list[Member], list[Entry]]:
    """Who belongs to an account, and what was changed there of late."""
    entries = await entries_of(session, account_id, limit=_ENTRIES)
    return await members(session, account_id), entries


def _address(name: str, state: State | None, after: UUID | None = None) -> str:
    said = {
        "name": name,
        "standing": state and state.value,
        "after": after and ids.show(PREFIX, after),
    }
    query = urlencode({key: one for key, one in said.items() if one})
    return f"{ACCOUNTS}?{query}" if query else ACCOUNTS
