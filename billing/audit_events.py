"""Events of money: one line of the log for each change of what somebody owes, has or may spend.

    {"event": "ledger.payment", "account_id": "acct_…", "minor": 29900, "currency": "CNY",
     "caused_by": {"job": "exchange"}, …}

A line is written after its transaction has committed, and not at all where that was rolled back. It
says what changed in ids and integers; `caused_by` is bound by whoever begins the work: a job, a
command, a request. The record is the database: the ledger, and the audit log of who did what
(gateway/identity/audit_log.py).
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from infra import ids
from infra.database.after_commit import once_committed
from infra.telemetry.log import money_log

Value = str | int | bool | datetime | UUID | dict[str, int] | None
Facts = dict[str, Value]


class MoneyEvent(StrEnum):
    """What happened. Each kind of entry of the ledger is one, by `ledger.` and its name."""

    INVOICE_BOOKED = "ledger.invoice"
    WALLET_USED = "ledger.wallet_use"
    INVOICE_VOIDED = "ledger.void"
    INVOICE_GIVEN_UP = "ledger.uncollectible"
    PAYMENT_RECEIVED = "ledger.payment"
    CREDIT_NOTE_WRITTEN = "ledger.credit_note"
    WALLET_TOPPED_UP = "ledger.top_up"
    GRANT_EXPIRED = "ledger.expiry"
    INVOICE_FINALISED = "invoice.finalised"
    OUTCOME_SETTLED = "outcome.settled"
    CREDIT_CHANGED = "credit.changed"
    BUDGET_CHANGED = "budget.changed"
    PLAN_STARTED = "plan.started"
    PLAN_CHANGED = "plan.changed"
    PLAN_ENDING = "plan.ending"
    PLAN_RESUMED = "plan.resumed"


def tell(session: AsyncSession, event: MoneyEvent, account_id: UUID, **facts: Value) -> None:
    """Have the line written once the session's transaction is committed."""
    told = {name: _shown(value) for name, value in facts.items()}
    account = ids.show("acct", account_id)
    once_committed(session, lambda: money_log().info(event.value, account_id=account, **told))


def _shown(value: Value) -> str | int | bool | dict[str, int] | None:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.hex if isinstance(value, UUID) else value
