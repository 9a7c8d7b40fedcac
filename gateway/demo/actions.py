"""Actions of the firms and the operator during office hours, done through the API's functions."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoice_documents.invoice_list import list_invoices
from billing.invoices.available_credit import refresh_account_credit
from billing.invoices.credit_notes import CreditNoteRequest, create_credit_note
from billing.invoices.payments import IncomingPayment, record_payment
from billing.ledger.wallets import TopUpRequest, top_up_wallet
from billing.metering.quotas import list_quota_states, month_start, set_budget
from billing.plan_changes.plan_changes import change_plan, start_plan
from billing.subscriptions.plans import find_plan_version
from billing.subscriptions.subscriptions import find_subscription
from billing.tables import InvoiceStatus, QuotaKind
from gateway.access.api_keys import revoke_key, rotate_key
from gateway.demo.context import CURRENCY, DemoAccount, DemoDependencies
from gateway.demo.firms import (
    DemoAction,
    IssueCreditNote,
    RevokeKey,
    RotateKey,
    Subscribe,
    TopUp,
)
from gateway.identity.audit_log import CLI_ACTOR

_MAX_INVOICES = 1_000
_ROTATION_OVERLAP = timedelta(days=3)
# A budget that is nearly used: the percentage used, and the smallest budget in nano-units.
_USED_PERCENT, _MIN_BUDGET_NANO = 86, 10**9


async def apply_action(
    deps: DemoDependencies, account: DemoAccount, action: DemoAction
) -> DemoAccount:
    """Apply an action; return the account, with its new key after a rotation."""
    async with deps.database.transaction() as session:
        match action:
            case Subscribe(plan):
                await _subscribe(session, deps, account, plan)
            case TopUp(amount_minor, reference):
                await _top_up(session, deps, account, amount_minor, reference)
            case RevokeKey(key):
                await revoke_key(session, deps.clock, account.account_id, account.key_ids[key])
            case RotateKey(key):
                return await _rotate(session, deps, account, key)
            case IssueCreditNote(amount_minor, reason):
                await _credit(session, deps, account, amount_minor, reason)
    return account


async def pay_due_invoices(deps: DemoDependencies, account: DemoAccount) -> None:
    """Record bank transfers for the open invoices that the firm pays by now."""
    after = timedelta(days=account.firm.paid_days_after_due)
    async with deps.database.transaction() as session:
        now = deps.clock.now()
        for listed in await list_invoices(session, account.account_id, _MAX_INVOICES):
            invoice = listed.invoice
            is_open = invoice.status == InvoiceStatus.OPEN and listed.owed > 0
            if is_open and invoice.due_at is not None and now >= invoice.due_at + after:
                payment = IncomingPayment("manual", f"银行回单 {listed.number}", listed.owed, now)
                await record_payment(session, deps.clock, account.account_id, invoice.id, payment)


async def set_key_budgets(deps: DemoDependencies, account: DemoAccount) -> None:
    """Set a budget of which `_USED_PERCENT` percent is used, for each key to be near its budget."""
    async with deps.database.transaction() as session:
        month = month_start(deps.clock.now())
        used_nano = {
            quota.key_id: quota.used
            for quota in await list_quota_states(session, account.account_id)
            if quota.kind is QuotaKind.BUDGET and quota.period_start == month
        }
        for key in account.firm.keys:
            if key.is_near_budget:
                key_id = account.key_ids[key.name]
                budget = max(_MIN_BUDGET_NANO, used_nano.get(key_id, 0) * 100 // _USED_PERCENT)
                rounded = -(-budget // 10**9) * 10**9
                await set_budget(session, deps.clock, account.account_id, key_id, rounded)


async def invite_pending_users(deps: DemoDependencies, account: DemoAccount) -> None:
    """Invite the users who have not joined."""
    async with deps.database.transaction() as session:
        for user in account.firm.users:
            if not user.has_joined:
                await deps.invitations.invite(
                    session, CLI_ACTOR, account.account_id, user.email, user.role
                )


async def _subscribe(
    session: AsyncSession, deps: DemoDependencies, account: DemoAccount, plan: str
) -> None:
    """Start a plan, or change to it if the account has a subscription."""
    version = await find_plan_version(session, plan, CURRENCY, None)
    subscription = await find_subscription(session, account.account_id, deps.clock.now())
    change = start_plan if subscription is None else change_plan
    await change(session, deps.clock, account.account_id, version)


async def _top_up(
    session: AsyncSession,
    deps: DemoDependencies,
    account: DemoAccount,
    amount_minor: int,
    reference: str,
) -> None:
    """Add prepaid credit (minor units) to the wallet and refresh the available credit."""
    await top_up_wallet(
        session, deps.clock, account.account_id, reference, TopUpRequest(amount_minor)
    )
    await refresh_account_credit(session, deps.clock, account.account_id)


async def _rotate(
    session: AsyncSession, deps: DemoDependencies, account: DemoAccount, key: str
) -> DemoAccount:
    """Rotate the API key and return the account with the new key's id."""
    issued = await rotate_key(
        session,
        deps.clock,
        deps.pepper,
        account.account_id,
        account.key_ids[key],
        _ROTATION_OVERLAP,
    )
    keys = {**account.key_ids, key: issued.row.id}
    return DemoAccount(account.firm, account.account_id, keys, account.api_key, account.call_types)


async def _credit(
    session: AsyncSession,
    deps: DemoDependencies,
    account: DemoAccount,
    amount_minor: int,
    reason: str,
) -> None:
    """Issue a credit note for the newest paid invoice, if there is one of at least the amount."""
    listed = await list_invoices(session, account.account_id, _MAX_INVOICES)
    paid = [row.invoice for row in listed if row.invoice.status == InvoiceStatus.PAID]
    if paid and paid[0].total >= amount_minor:
        note = CreditNoteRequest(amount_minor, reason)
        await create_credit_note(session, deps.clock, account.account_id, paid[0].id, "demo", note)
