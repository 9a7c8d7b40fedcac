"""`/v1/admin/accounts/{account}/credit`: policy, override, dunning days and chargebacks."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.credit.errors import OverrideInvalid
from billing.credit.evaluation import list_decisions
from billing.credit.views import (
    DECISION_ID_PREFIX,
    decision_to_json,
    load_standing,
    standing_to_json,
)
from billing.invoices.lifecycle import INVOICE_ID_PREFIX
from billing.tables import Account
from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.operations.accounts import AccountChange
from gateway.operations.credit import (
    assign_credit_policy,
    change_dunning_days,
    charge_back_payment,
    end_credit_override,
    override_credit_limit,
)
from gateway.operations.parsing import parse_instant, parse_minor
from infra import ids


class CreditAssignment(msgspec.Struct):
    """`policy` is a policy's name, `none` for a fixed limit, or null for that of the plan."""

    policy: str | None
    reason: str


class NewCreditOverride(msgspec.Struct):
    """A limit such as `500.00` that applies until a time (ISO 8601) instead of the policy's."""

    limit: str
    until: str
    reason: str


class CreditReason(msgspec.Struct):
    """Why the credit is changed, with 3 to 300 characters; it is in the audit log."""

    reason: str


class DunningDays(msgspec.Struct):
    """Days after the due date of the reminders, the suspension and the write-off.

    Without `suspend_day` the plan's days apply again.
    """

    reason: str
    reminder_days: list[int] = []
    suspend_day: int | None = None
    write_off_day: int | None = None


class NewChargeback(msgspec.Struct):
    """A payment that was taken back: its reference, and the reason for the audit log."""

    payment: str
    reason: str


_CREDIT = "/v1/admin/accounts/{account}/credit"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    f"{_CREDIT}/policy": CreditAssignment,
    f"{_CREDIT}/override": NewCreditOverride,
    f"{_CREDIT}/override/end": CreditReason,
    f"{_CREDIT}/dunning_days": DunningDays,
    f"{_CREDIT}/chargebacks": NewChargeback,
}
_ASSIGNMENT = msgspec.json.Decoder(CreditAssignment)
_OVERRIDE = msgspec.json.Decoder(NewCreditOverride)
_REASON = msgspec.json.Decoder(CreditReason)
_DUNNING = msgspec.json.Decoder(DunningDays)
_CHARGEBACK = msgspec.json.Decoder(NewChargeback)
_Apply = Callable[[AsyncSession, Account], Awaitable[object]]


class AdminAccountCreditRoutes(Controller):
    """The credit limit of an account, and why it is so."""

    path = "/accounts/{account:str}/credit"

    @get("/", summary="Retrieve the credit of an account", admin_scope=AdminScope.ACCOUNTS_READ)
    async def credit(
        self, admin: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> dict[str, Any]:
        """Return the limit with its reasons, deposit, guarantees and dunning days."""
        return await admin.read_account(account, partial(_standing, admin))

    @get(
        "/decisions",
        summary="List decisions of the credit policy, newest first",
        admin_scope=AdminScope.ACCOUNTS_READ,
    )
    async def decisions(
        self,
        admin: NamedDependency[AdminRequest],
        account: FromPath[str],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of decisions."""
        cursor = parse_cursor(DECISION_ID_PREFIX, after)

        async def load(session: AsyncSession, owner: Account) -> list[dict[str, Any]]:
            """Return the decisions as JSON."""
            rows = await list_decisions(session, owner.id, limit + 1, cursor)
            return [decision_to_json(row, owner.currency) for row in rows]

        return page_json(await admin.read_account(account, load), limit, lambda row: row)

    @post(
        "/policy",
        status_code=200,
        summary="Assign a credit policy to an account",
        admin_scope=AdminScope.CREDIT_WRITE,
    )
    async def assign(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Assign a policy; the limit is decided at once."""
        body, clock = admin_change.decode(_ASSIGNMENT), admin_change.clock

        async def apply(session: AsyncSession, owner: Account) -> None:
            """Assign the policy."""
            change = AccountChange(admin_change.actor, owner.id, body.reason)
            await assign_credit_policy(session, clock, change, body.policy)

        return await _change(admin_change, account, apply)

    @post(
        "/override",
        status_code=200,
        summary="Override the limit of the policy until a time",
        admin_scope=AdminScope.CREDIT_WRITE,
    )
    async def override(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Override the limit."""
        body, clock = admin_change.decode(_OVERRIDE), admin_change.clock
        until = parse_instant(body.until, OverrideInvalid)

        async def apply(session: AsyncSession, owner: Account) -> None:
            """Set the override."""
            change = AccountChange(admin_change.actor, owner.id, body.reason)
            minor = parse_minor(body.limit, owner.currency, OverrideInvalid)
            await override_credit_limit(session, clock, change, minor, until)

        return await _change(admin_change, account, apply)

    @post(
        "/override/end",
        status_code=200,
        summary="End the override now",
        admin_scope=AdminScope.CREDIT_WRITE,
    )
    async def end_override(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """End the override; without one nothing changes."""
        reason = admin_change.decode(_REASON).reason

        async def apply(session: AsyncSession, owner: Account) -> None:
            """End the override."""
            change = AccountChange(admin_change.actor, owner.id, reason)
            await end_credit_override(session, admin_change.clock, change)

        return await _change(admin_change, account, apply)

    @post(
        "/dunning_days",
        status_code=200,
        summary="Set the dunning days of an account",
        admin_scope=AdminScope.CREDIT_WRITE,
    )
    async def set_dunning_days(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Set the days, for invoices that become final from now on."""
        body, clock = admin_change.decode(_DUNNING), admin_change.clock

        async def apply(session: AsyncSession, owner: Account) -> None:
            """Set the days."""
            change = AccountChange(admin_change.actor, owner.id, body.reason)
            days = (body.reminder_days, body.suspend_day, body.write_off_day)
            await change_dunning_days(session, clock, change, *days)

        return await _change(admin_change, account, apply)

    @post(
        "/chargebacks",
        status_code=200,
        summary="Record that a payment was taken back",
        admin_scope=AdminScope.PAYMENTS_WRITE,
    )
    async def charge_back(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Record a chargeback: the invoice of the payment is open and due again."""
        body, clock = admin_change.decode(_CHARGEBACK), admin_change.clock

        async def apply(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """Record the chargeback and return the invoice."""
            change = AccountChange(admin_change.actor, owner.id, body.reason)
            invoice = await charge_back_payment(session, clock, change, body.payment)
            public_id = ids.format_id(INVOICE_ID_PREFIX, invoice.id)
            return {"object": "chargeback", "invoice": public_id, "status": invoice.status}

        return await admin_change.change_account(account, apply)


async def _change(admin: AdminRequest, account: str, apply: _Apply) -> Response[bytes]:
    """Apply a change of an account's credit and return the credit."""

    async def change(session: AsyncSession, owner: Account) -> dict[str, Any]:
        """Apply the change in the transaction of the Idempotency-Key."""
        await apply(session, owner)
        return await _standing(admin, session, owner)

    return await admin.change_account(account, change)


async def _standing(admin: AdminRequest, session: AsyncSession, owner: Account) -> dict[str, Any]:
    """Return an account's credit as JSON."""
    return standing_to_json(await load_standing(session, owner.id, admin.clock.now()))
