"""`/v1/admin/accounts/{account}/wallet`: prepaid credit."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.plan_changes.views import wallet_json
from billing.tables import Account
from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.operations.wallets import NewGrant, add_grant


class NewWalletGrant(msgspec.Struct):
    """Credit to add: `amount` such as `50.00`, and a unique `reference`, such as a transfer's.

    `paid: false` is promotional credit. Lower `priority` (0 to 100) is used first. `expires_at` is
    an ISO 8601 time.
    """

    amount: str
    reference: str
    paid: bool = True
    priority: int = 50
    expires_at: str | None = None


_PATH = "/v1/admin/accounts/{account}/wallet"
BODIES: Mapping[str, type[msgspec.Struct]] = {f"{_PATH}/grants": NewWalletGrant}
_GRANT = msgspec.json.Decoder(NewWalletGrant)


class AdminWalletRoutes(Controller):
    """The wallet of an account."""

    path = "/accounts/{account:str}/wallet"

    @get(
        "/",
        summary="Retrieve the wallet with its grants, in the order in which they are used",
        admin_scope=AdminScope.ACCOUNTS_READ,
    )
    async def wallet(
        self, admin: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> dict[str, Any]:
        """Return the wallet."""

        async def load(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """Return the wallet as JSON."""
            return await wallet_json(session, owner.id)

        return await admin.read_account(account, load)

    @post(
        "/grants",
        status_code=200,
        summary="Add prepaid or promotional credit",
        admin_scope=AdminScope.GRANTS_WRITE,
    )
    async def grant(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Add credit; a repeated `reference` adds nothing."""
        new = NewGrant(**msgspec.structs.asdict(admin_change.decode(_GRANT)))

        async def apply(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """Add the credit and return the grant."""
            clock, actor = admin_change.clock, admin_change.actor
            return {"object": "grant", **await add_grant(session, clock, actor, owner, new)}

        return await admin_change.change_account(account, apply)
