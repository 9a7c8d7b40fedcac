"""Happenings: what firms and the operator do in office hours, by the functions of the API."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoice_documents.invoice_list import invoice_page
from billing.invoices.available_credit import refresh_credit
from billing.invoices.credit_notes import Credit, write_credit_note
from billing.invoices.payments import Receipt, record_payment
from billing.ledger.wallets import Grant, top_up
from billing.metering.quotas import list_limits, month_of, set_budget
from billing.plan_changes.plan_changes import change_plan, start
from billing.subscriptions.plans import find_version
from billing.subscriptions.subscriptions import standing_of
from billing.tables import InvoiceStatus, QuotaKind
from gateway.access.api_keys import revoke_key, rotate_key
from gateway.demo.firms import (
    Happening,
    IsCredited,
    RevokesKey,
    RotatesKey,
    Subscribes,
    TopsUp,
)
from gateway.demo.opened import CURRENCY, Opened, Tools
from gateway.identity.audit_log import COMMAND_LINE

_MOST = 1_000
_OVERLAP = timedelta(days=3)
# A cap near which a key is: so many percent of it are used, and it is at least so many nano-units.
_NEAR, _LEAST_CAP = 86, 10**9


async def happen(tools: Tools, one: Opened, happening: Happening) -> Opened:
    """Do it; gives the firm as it is then."""
    async with tools.database.transaction() as session:
        match happening:
            case Subscribes(plan):
                await _subscribe(session, tools, one, plan)
            case TopsUp(minor, reference):
                await _top_up(session, tools, one, minor, reference)
            case RevokesKey(key):
                await revoke_key(session, tools.clock, one.account_id, one.keys[key])
            case RotatesKey(key):
                return await _rotate(session, tools, one, key)
            case IsCredited(minor, reason):
                await _credit(session, tools, one, minor, reason)
    return one


async def pay_due(tools: Tools, one: Opened) -> None:
    """Pay by bank transfer what the firm pays by now, its own habit being what it is."""
    after = timedelta(days=one.firm.paid_after)
    async with tools.database.transaction() as session:
        now = tools.clock.now()
        for listed in await invoice_page(session, one.account_id, _MOST):
            invoice = listed.invoice
            is_open = invoice.status == InvoiceStatus.OPEN and listed.owed > 0
            if is_open and invoice.due_at is not None and now >= invoice.due_at + after:
                receipt = Receipt("manual", f"银行回单 {listed.number}", listed.owed, now)
                place = (one.account_id, invoice.id)
                await record_payment(session, tools.clock, *place, receipt)


async def cap_keys(tools: Tools, one: Opened) -> None:
    """Give keys a cap that they have nearly reached this month."""
    async with tools.database.transaction() as session:
        month = month_of(tools.clock.now())
        spent = {
            quota.key_id: quota.used
            for quota in await list_limits(session, one.account_id)
            if quota.kind is QuotaKind.BUDGET and quota.period_start == month
        }
        for key in one.firm.keys:
            if key.near_cap:
                key_id = one.keys[key.name]
                cap = max(_LEAST_CAP, spent.get(key_id, 0) * 100 // _NEAR)
                whole = -(-cap // 10**9) * 10**9
                await set_budget(session, tools.clock, one.account_id, key_id, whole)


async def invite_open(tools: Tools, one: Opened) -> None:
    """Invite those who have not come yet."""
    async with tools.database.transaction() as session:
        for somebody in one.firm.people:
            if not somebody.joined:
                place = (COMMAND_LINE, one.account_id, somebody.email, somebody.role)
                await tools.inviting.invite(session, *place)


async def _subscribe(session: AsyncSession, tools: Tools, one: Opened, plan: str) -> None:
    version = await find_version(session, plan, CURRENCY, None)
    standing = await standing_of(session, one.account_id, tools.clock.now())
    change = start if standing is None else change_plan
    await change(session, tools.clock, one.account_id, version)


async def _top_up(
    session: AsyncSession, tools: Tools, one: Opened, minor: int, reference: str
) -> None:
    await top_up(session, tools.clock, one.account_id, reference, Grant(minor))
    await refresh_credit(session, tools.clock, one.account_id)


async def _rotate(session: AsyncSession, tools: Tools, one: Opened, key: str) -> Opened:
    place = (one.account_id, one.keys[key], _OVERLAP)
    issued = await rotate_key(session, tools.clock, tools.pepper, *place)
    keys = {**one.keys, key: issued.row.id}
    return Opened(one.firm, one.account_id, keys, one.secret, one.works)


async def _credit(
    session: AsyncSession, tools: Tools, one: Opened, minor: int, reason: str
) -> None:
    """Of the newest paid invoice; nothing, where there is none."""
    listed = await invoice_page(session, one.account_id, _MOST)
    paid = [row.invoice for row in listed if row.invoice.status == InvoiceStatus.PAID]
    if paid and paid[0].total >= minor:
        place = (one.account_id, paid[0].id, "demo")
        await write_credit_note(session, tools.clock, *place, Credit(minor, reason))
