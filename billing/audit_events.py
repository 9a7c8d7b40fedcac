"""Money events: one log line for each change of an account's debt, wallet or spendable credit.

    {"event": "ledger.payment", "account_id": "acct_…", "minor": 29900, "currency": "CNY",
     "caused_by": {"job": "exchange"}, …}

A line is written after its transaction commits, never after a rollback. It contains ids and
integers only; `caused_by` is bound to the log context by the job, command or request. The ledger
and the audit log (gateway/identity/audit_log.py) in the database are the books of record.
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from infra import ids
from infra.database.after_commit import run_after_commit
from infra.telemetry.log import money_log

Value = str | int | bool | datetime | UUID | dict[str, int] | None
EventFields = dict[str, Value]


class MoneyEvent(StrEnum):
    """Types of money events. Each kind of ledger transaction has one, named `ledger.<kind>`."""

    INVOICE_BOOKED = "ledger.invoice"
    WALLET_USED = "ledger.wallet_use"
    INVOICE_VOIDED = "ledger.void"
    INVOICE_GIVEN_UP = "ledger.uncollectible"
    PAYMENT_RECEIVED = "ledger.payment"
    CREDIT_NOTE_WRITTEN = "ledger.credit_note"
    WALLET_TOPPED_UP = "ledger.top_up"
    GRANT_EXPIRED = "ledger.expiry"
    PAYMENT_REFUNDED = "ledger.refund"
    PAYMENT_CHARGED_BACK = "ledger.chargeback"
    DEPOSIT_RECEIVED = "ledger.deposit"
    DEPOSIT_USED = "ledger.deposit_use"
    DEPOSIT_RETURNED = "ledger.deposit_return"
    REVENUE_RECOGNIZED = "ledger.recognition"
    PAYMENT_DIFFERS = "payment.differs"
    INVOICE_FINALISED = "invoice.finalised"
    OUTCOME_SETTLED = "outcome.settled"
    CREDIT_CHANGED = "credit.changed"
    BUDGET_CHANGED = "budget.changed"
    PLAN_STARTED = "plan.started"
    PLAN_CHANGED = "plan.changed"
    PLAN_ENDING = "plan.ending"
    PLAN_PAUSED = "plan.paused"
    PLAN_RESUMED = "plan.resumed"
    ADD_ON_CHANGED = "add_on.changed"


def log_event(session: AsyncSession, event: MoneyEvent, account_id: UUID, **fields: Value) -> None:
    """Log a money event after the session's transaction commits."""
    logged_fields = {name: _log_value(value) for name, value in fields.items()}
    account_text = ids.format_id("acct", account_id)
    run_after_commit(
        session, lambda: money_log().info(event.value, account_id=account_text, **logged_fields)
    )


def _log_value(value: Value) -> str | int | bool | dict[str, int] | None:
    """Return a value as JSON can hold it: times as ISO 8601 text, UUIDs as hexadecimal text."""
    if isinstance(value, datetime):
        return value.isoformat()
    return value.hex if isinstance(value, UUID) else value
