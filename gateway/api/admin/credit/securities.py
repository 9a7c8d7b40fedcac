"""`/v1/admin/accounts/{account}/deposit` and `guarantees`: securities of an account."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.credit.errors import DepositInvalid, GuaranteeInvalid
from billing.credit.guarantees import list_guarantees
from billing.credit.views import guarantee_to_json
from billing.invoice_documents.invoice_list import find_invoice
from billing.tables import Account, DepositMovement
from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.operations.accounts import AccountChange
from gateway.operations.credit import (
    record_deposit,
    record_guarantee,
    refund_deposit,
    use_deposit,
    withdraw_guarantee,
)
from gateway.operations.credit_views import deposit_json, deposit_movement_json
from gateway.operations.parsing import parse_instant, parse_minor
from infra.clock import Clock


class NewDepositMovement(msgspec.Struct):
    """Money received as deposit, or returned: `amount` such as `5000.00`, a unique `reference`."""

    amount: str
    reference: str
    reason: str


class DepositUse(msgspec.Struct):
    """An overdue invoice (number or id) to pay from the deposit, under a unique `reference`.

    Without `amount` as much as is owed and deposited.
    """

    invoice: str
    reference: str
    reason: str
    amount: str | None = None


class NewGuarantee(msgspec.Struct):
    """A guarantor's promise to pay up to `amount`, valid until a time (ISO 8601)."""

    guarantor: str
    amount: str
    valid_until: str
    reference: str
    reason: str


class GuaranteeEnd(msgspec.Struct):
    """Why a guarantee ends, with 3 to 300 characters; it is in the audit log."""

    reason: str


_ACCOUNT = "/v1/admin/accounts/{account}"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    f"{_ACCOUNT}/deposit/receive": NewDepositMovement,
    f"{_ACCOUNT}/deposit/return": NewDepositMovement,
    f"{_ACCOUNT}/deposit/apply": DepositUse,
    f"{_ACCOUNT}/guarantees": NewGuarantee,
    f"{_ACCOUNT}/guarantees/{{guarantee}}/end": GuaranteeEnd,
}
_MOVEMENT = msgspec.json.Decoder(NewDepositMovement)
_USE = msgspec.json.Decoder(DepositUse)
_GUARANTEE = msgspec.json.Decoder(NewGuarantee)
_END = msgspec.json.Decoder(GuaranteeEnd)
_Move = Callable[[AsyncSession, Clock, AccountChange, int, str], Awaitable[DepositMovement]]


class AdminDepositRoutes(Controller):
    """The deposit of an account. A repeated `reference` changes nothing."""

    path = "/accounts/{account:str}/deposit"

    @get(
        "/",
        summary="Retrieve the deposit with its movements, newest first",
        admin_scope=AdminScope.ACCOUNTS_READ,
    )
    async def deposit(
        self, admin: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> dict[str, Any]:
        """Return the deposit."""
        return {"object": "deposit", **await admin.read_account(account, deposit_json)}

    @post(
        "/receive",
        status_code=200,
        summary="Record a deposit that was received",
        admin_scope=AdminScope.CREDIT_WRITE,
    )
    async def receive(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Record a deposit; the limit is decided again."""
        return await _move(admin_change, account, record_deposit)

    @post(
        "/return",
        status_code=200,
        summary="Record that a deposit was paid back",
        admin_scope=AdminScope.CREDIT_WRITE,
    )
    async def give_back(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Record a repayment; the limit is decided again."""
        return await _move(admin_change, account, refund_deposit)

    @post(
        "/apply",
        status_code=200,
        summary="Apply the deposit to an overdue invoice",
        admin_scope=AdminScope.CREDIT_WRITE,
    )
    async def use(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Pay an overdue invoice from the deposit."""
        body, clock = admin_change.decode(_USE), admin_change.clock

        async def apply(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """Apply the deposit and return the movement."""
            row, text = await find_invoice(session, owner.id, body.invoice), body.amount
            minor = None if text is None else parse_minor(text, owner.currency, DepositInvalid)
            change = AccountChange(admin_change.actor, owner.id, body.reason)
            moved = await use_deposit(session, clock, change, row.id, body.reference, minor)
            return await _movement(session, moved, owner)

        return await admin_change.change_account(account, apply)


class AdminGuaranteeRoutes(Controller):
    """Guarantees of an account."""

    path = "/accounts/{account:str}/guarantees"

    @get("/", summary="List guarantees, newest first", admin_scope=AdminScope.ACCOUNTS_READ)
    async def guarantees(
        self, admin: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> dict[str, Any]:
        """Return the guarantees, also those that have ended."""
        now = admin.clock.now()

        async def load(session: AsyncSession, owner: Account) -> list[dict[str, Any]]:
            """Return the guarantees as JSON."""
            rows = await list_guarantees(session, owner.id)
            return [guarantee_to_json(row, owner.currency, now) for row in rows]

        data = await admin.read_account(account, load)
        return {"object": "list", "data": data, "has_more": False}

    @post("/", status_code=200, summary="Record a guarantee", admin_scope=AdminScope.CREDIT_WRITE)
    async def add(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Record a guarantee; one above the guarantor's exposure limit has status `refused`."""
        body, clock = admin_change.decode(_GUARANTEE), admin_change.clock
        until = parse_instant(body.valid_until, GuaranteeInvalid)

        async def apply(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """Record the guarantee and return it."""
            change = AccountChange(admin_change.actor, owner.id, body.reason)
            minor = parse_minor(body.amount, owner.currency, GuaranteeInvalid)
            place = (session, clock, change, body.guarantor, minor, until, body.reference)
            row = await record_guarantee(*place)
            return guarantee_to_json(row, owner.currency, clock.now())

        return await admin_change.change_account(account, apply)

    @post(
        "/{guarantee:str}/end",
        status_code=200,
        summary="End a guarantee now",
        admin_scope=AdminScope.CREDIT_WRITE,
    )
    async def end(
        self,
        admin_change: NamedDependency[AdminRequest],
        account: FromPath[str],
        guarantee: FromPath[str],
    ) -> Response[bytes]:
        """End a guarantee; the limit is decided again."""
        reason, clock = admin_change.decode(_END).reason, admin_change.clock

        async def apply(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """End the guarantee and return it."""
            change = AccountChange(admin_change.actor, owner.id, reason)
            row = await withdraw_guarantee(session, clock, change, guarantee)
            return guarantee_to_json(row, owner.currency, clock.now())

        return await admin_change.change_account(account, apply)


async def _move(admin: AdminRequest, account: str, move: _Move) -> Response[bytes]:
    """Record a movement of a deposit and return it."""
    body = admin.decode(_MOVEMENT)

    async def apply(session: AsyncSession, owner: Account) -> dict[str, Any]:
        """Record the movement and return it."""
        change = AccountChange(admin.actor, owner.id, body.reason)
        minor = parse_minor(body.amount, owner.currency, DepositInvalid)
        row = await move(session, admin.clock, change, minor, body.reference)
        return await _movement(session, row, owner)

    return await admin.change_account(account, apply)


async def _movement(session: AsyncSession, row: DepositMovement, owner: Account) -> dict[str, Any]:
    """Return a movement with the deposit after it."""
    value = await deposit_movement_json(session, row, owner.currency)
    return {"object": "deposit.movement", **value}
