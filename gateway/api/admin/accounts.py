"""`/v1/admin/accounts`: create, list, retrieve, change, suspend and resume accounts."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from billing.reports.customers import (
    CustomerSearch,
    CustomerState,
    get_customer,
    search_customers,
)
from billing.tables import Account
from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.operations.accounts import AccountChange, restore_account, suspend_account
from gateway.operations.customer_accounts import (
    account_json,
    change_profile,
    customer_json,
    customer_row_json,
    open_customer,
)
from infra.clock import Clock


class NewAccount(msgspec.Struct):
    """An account to create; `currency` is CNY or USD, by default the platform's."""

    name: str
    currency: str | None = None


class AccountSettings(msgspec.Struct):
    """Billing settings to change; fields left out stay as they are. `tax_rate` is in percent.

    `collection` is `manual`, `stripe_charge` or `stripe_invoice`, `seller` a legal entity's code.
    """

    time_zone: str | None = None
    tax_rate: str | None = None
    tax_treatment: str | None = None
    net_days: int | None = None
    collection: str | None = None
    email: str | None = None
    name: str | None = None
    address: str | None = None
    tax_number: str | None = None
    locale: str | None = None
    seller: str | None = None


class AccountReason(msgspec.Struct):
    """Why an account is changed, with 3 to 300 characters; it is in the audit log."""

    reason: str


_PATH = "/v1/admin/accounts"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    _PATH: NewAccount,
    f"{_PATH}/{{account}}": AccountSettings,
    f"{_PATH}/{{account}}/suspend": AccountReason,
    f"{_PATH}/{{account}}/resume": AccountReason,
}
_NEW = msgspec.json.Decoder(NewAccount)
_SETTINGS = msgspec.json.Decoder(AccountSettings)
_REASON = msgspec.json.Decoder(AccountReason)
# Fields of the body that have another name as columns.
_COLUMNS = {"name": "billing_name"}
_Switch = Callable[[AsyncSession, Clock, AccountChange], Awaitable[None]]


class AdminAccountRoutes(Controller):
    """Customers' accounts. `{account}` is an id (`acct_…`) or the exact name."""

    path = "/accounts"

    @get("/", summary="List accounts, newest first", admin_scope=AdminScope.ACCOUNTS_READ)
    async def accounts(
        self,
        admin: NamedDependency[AdminRequest],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
        name: FromQuery[str] = "",
        status: FromQuery[CustomerState | None] = None,
    ) -> dict[str, Any]:
        """Return a page of accounts, of a part of their `name` and of a `status` if given."""
        cursor = parse_cursor(ACCOUNT_ID_PREFIX, after)
        search = CustomerSearch(name, status, cursor, limit + 1)
        now = admin.clock.now()
        rows = await admin.read(lambda session: search_customers(session, search, now))
        return page_json(rows, limit, customer_row_json)

    @post("/", status_code=200, summary="Create an account", admin_scope=AdminScope.ACCOUNTS_WRITE)
    async def create(self, admin_change: NamedDependency[AdminRequest]) -> Response[bytes]:
        """Create an account with the limits that the settings define for new accounts."""
        new = admin_change.decode(_NEW)

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Create the account and return it."""
            place = (session, admin_change.clock, admin_change.settings, admin_change.actor)
            account = await open_customer(*place, new.name, new.currency)
            return {"object": "account", **account_json(account)}

        return await admin_change.change(apply)

    @get(
        "/{account:str}",
        summary="Retrieve an account with its balances and billing settings",
        admin_scope=AdminScope.ACCOUNTS_READ,
    )
    async def account(
        self, admin: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> dict[str, Any]:
        """Return an account."""

        async def load(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """Return the account as JSON."""
            return await _customer(session, admin.clock, owner)

        return await admin.read_account(account, load)

    @post(
        "/{account:str}",
        status_code=200,
        summary="Change billing settings of an account",
        admin_scope=AdminScope.ACCOUNTS_WRITE,
    )
    async def update(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Change billing settings; they apply to future invoices."""
        body = msgspec.structs.asdict(admin_change.decode(_SETTINGS))
        tax_rate, seller = body.pop("tax_rate"), body.pop("seller")
        values = {
            _COLUMNS.get(name, name): value for name, value in body.items() if value is not None
        }

        async def apply(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """Change the settings and return the account."""
            place = (session, admin_change.clock, admin_change.actor, owner)
            await change_profile(*place, values, tax_rate=tax_rate, seller=seller)
            return await _customer(session, admin_change.clock, owner)

        return await admin_change.change_account(account, apply)

    @post(
        "/{account:str}/suspend",
        status_code=200,
        summary="Suspend an account: its calls are rejected",
        admin_scope=AdminScope.ACCOUNTS_WRITE,
    )
    async def suspend(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Suspend an account; suspending it again changes nothing."""
        return await _switch(admin_change, account, suspend_account)

    @post(
        "/{account:str}/resume",
        status_code=200,
        summary="End the suspension of an account",
        admin_scope=AdminScope.ACCOUNTS_WRITE,
    )
    async def resume(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """End the suspension, whatever the account owes."""
        return await _switch(admin_change, account, restore_account)


async def _switch(admin: AdminRequest, account: str, switch: _Switch) -> Response[bytes]:
    """Suspend or restore an account and return it."""
    reason = admin.decode(_REASON).reason

    async def apply(session: AsyncSession, owner: Account) -> dict[str, Any]:
        """Apply the change and return the account."""
        await switch(session, admin.clock, AccountChange(admin.actor, owner.id, reason))
        return await _customer(session, admin.clock, owner)

    return await admin.change_account(account, apply)


async def _customer(session: AsyncSession, clock: Clock, owner: Account) -> dict[str, Any]:
    """Return an account with its current balances."""
    owner_id = owner.id
    session.expire_all()  # read what the change has written
    customer = await get_customer(session, owner_id, clock.now(), invoices=1)
    return await customer_json(session, customer)
