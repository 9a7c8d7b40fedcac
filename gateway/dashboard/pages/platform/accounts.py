"""The platform's account pages: search by name, id or state, and one account's status."""

from urllib.parse import urlencode
from uuid import UUID

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.dates import parse_time_zone
from billing.reports.customers import CustomerSearch, CustomerState, get_customer, search_customers
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.platform.common import ACCOUNTS_URL, parse_id_or_404, platform_zone
from gateway.identity.audit_log import AuditLogEntry, list_account_entries
from gateway.identity.roles import Permission
from gateway.identity.team import Member, list_members
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

_PAGE_SIZE, _AUDIT_ENTRIES = 50, 8
_STATES = frozenset(CustomerState)


class AccountPages(Controller):
    """Read-only handlers of `/dashboard/platform/accounts`."""

    path = "/platform/accounts"

    @get("/", name="platform:accounts", permission=Permission.WATCH)
    async def list_accounts(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        name: FromQuery[str] = "",
        standing: FromQuery[str | None] = None,
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show all accounts, filtered."""
        state = CustomerState(standing) if standing in _STATES else None
        cursor = None if after is None else ids.parse_id(ACCOUNT_ID_PREFIX, after)
        search = CustomerSearch(name, state, cursor, _PAGE_SIZE + 1)
        async with database.transaction() as session:
            accounts = await search_customers(session, search, clock.now())
        visible = accounts[:_PAGE_SIZE]
        last = visible[-1].id if len(accounts) > _PAGE_SIZE else None
        return page.render(
            "platform/accounts.html",
            rows=visible,
            name=name,
            operates=page.viewer.has_permission(Permission.OPERATE),
            state=state,
            states=[
                (_list_url(name, state_choice), state_choice)
                for state_choice in (None, *CustomerState)
            ],
            here=_list_url(name, state),
            more=None if last is None else _list_url(name, state, last),
            first=_list_url(name, state) if after else None,
            zone=platform_zone(),
        )

    @get("/{account:str}", name="platform:account", permission=Permission.WATCH)
    async def show_account(
        self,
        page: NamedDependency[PageRequest],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        account: FromPath[str],
    ) -> Response[str]:
        """Show an account to operators."""
        account_id = parse_id_or_404(ACCOUNT_ID_PREFIX, account)
        async with database.transaction() as session:
            customer = await get_customer(session, account_id, clock.now())
            people, changes = await _members_and_entries(session, account_id)
        return page.render(
            "platform/account.html",
            customer=customer,
            people=people,
            changes=changes,
            address=f"{ACCOUNTS_URL}/{account}",
            account=account,
            operates=page.viewer.has_permission(Permission.OPERATE),
            zone=parse_time_zone(customer.profile.time_zone),
            now=clock.now(),
        )


async def _members_and_entries(
    session: AsyncSession, account_id: UUID
) -> tuple[list[Member], list[AuditLogEntry]]:
    """Return the members of an account and its latest audit log entries."""
    entries = await list_account_entries(session, account_id, limit=_AUDIT_ENTRIES)
    return await list_members(session, account_id), entries


def _list_url(name: str, state: CustomerState | None, after: UUID | None = None) -> str:
    """Return the URL of the account list with filters and cursor."""
    params = {
        "name": name,
        "standing": state and state.value,
        "after": after and ids.format_id(ACCOUNT_ID_PREFIX, after),
    }
    query = urlencode({key: value for key, value in params.items() if value})
    return f"{ACCOUNTS_URL}?{query}" if query else ACCOUNTS_URL
