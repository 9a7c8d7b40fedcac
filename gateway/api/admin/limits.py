"""`/v1/admin/accounts/{account}/limits`: credit limit, budgets and rate limits."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.notifications.current_limits import load_current_limits
from billing.tables import Account
from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.operations.limits import LimitChanges, change_account_limits, limits_json


class AccountLimitChanges(msgspec.Struct):
    """Limits to set; fields left out stay as they are. Amounts are decimal strings.

    `credit_limit` is the most that the account may owe. `requests` and `tokens` are per minute,
    `streams` concurrent; `none` removes the limit. `reason` is stored with the credit limit.
    """

    credit_limit: str | None = None
    requests: int | str | None = None
    tokens: int | str | None = None
    streams: int | str | None = None
    reason: str = ""


class KeyLimitChanges(msgspec.Struct):
    """Limits of a key to set; fields left out stay as they are, `none` removes a limit.

    Budgets are the most that the key may spend per day (UTC), per month (UTC) and in total,
    decimal strings.
    """

    daily_budget: str | None = None
    monthly_budget: str | None = None
    total_budget: str | None = None
    requests: int | str | None = None
    tokens: int | str | None = None
    streams: int | str | None = None


_PATH = "/v1/admin/accounts/{account}"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    f"{_PATH}/limits": AccountLimitChanges,
    f"{_PATH}/keys/{{key}}/limits": KeyLimitChanges,
}
_ACCOUNT = msgspec.json.Decoder(AccountLimitChanges)
_KEY = msgspec.json.Decoder(KeyLimitChanges)


class AdminLimitRoutes(Controller):
    """Limits of an account and its keys. A change takes effect everywhere within a second."""

    path = "/accounts/{account:str}"

    @get(
        "/limits",
        summary="Retrieve limits, their usage and the available balance",
        admin_scope=AdminScope.ACCOUNTS_READ,
    )
    async def limits(
        self, admin: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> dict[str, Any]:
        """Return the limits of an account and of its keys."""

        async def load(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """Return the limits as JSON."""
            return await _limits(session, admin, owner)

        return await admin.read_account(account, load)

    @post(
        "/limits",
        status_code=200,
        summary="Set limits of an account",
        admin_scope=AdminScope.LIMITS_WRITE,
    )
    async def set_limits(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Set credit limit and rate limits of an account."""
        return await _set(admin_change, account, None, admin_change.decode(_ACCOUNT))

    @post(
        "/keys/{key:str}/limits",
        status_code=200,
        summary="Set limits of an API key",
        admin_scope=AdminScope.LIMITS_WRITE,
    )
    async def set_key_limits(
        self,
        admin_change: NamedDependency[AdminRequest],
        account: FromPath[str],
        key: FromPath[str],
    ) -> Response[bytes]:
        """Set budgets and rate limits of a key."""
        return await _set(admin_change, account, key, admin_change.decode(_KEY))


async def _set(
    admin: AdminRequest,
    account: str,
    key: str | None,
    body: AccountLimitChanges | KeyLimitChanges,
) -> Response[bytes]:
    """Set limits and return all of the account."""
    values: dict[str, Any] = {
        name: value if value is None else str(value)
        for name, value in msgspec.structs.asdict(body).items()
    }
    changes = LimitChanges(**values)

    async def apply(session: AsyncSession, owner: Account) -> dict[str, Any]:
        """Set the limits and return them."""
        place = (session, admin.clock, admin.actor, owner.id)
        await change_account_limits(*place, key, changes)
        return await _limits(session, admin, owner)

    return await admin.change_account(account, apply)


async def _limits(session: AsyncSession, admin: AdminRequest, owner: Account) -> dict[str, Any]:
    """Return the current limits of an account as JSON."""
    limits = await load_current_limits(session, admin.clock, owner.id)
    return await limits_json(session, owner.id, limits)
