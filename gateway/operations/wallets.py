"""Top-ups and grants of prepaid credit, as the CLI and the Admin API make them."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoices.available_credit import refresh_account_credit
from billing.ledger.wallets import GRANT_ID_PREFIX, TopUpInvalid, TopUpRequest, top_up_wallet
from billing.plan_changes.views import wallet_json
from billing.tables import Account
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.operations.parsing import parse_instant, parse_minor
from infra import ids
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class NewGrant:
    """Prepaid credit to add: amount and expiry as text, a unique reference, and whether it was
    paid for. Grants of a lower `priority` (0 to 100) are used first."""

    amount: str
    reference: str
    paid: bool = True
    priority: int = 50
    expires_at: str | None = None


async def add_grant(
    session: AsyncSession, clock: Clock, actor: Actor, account: Account, new: NewGrant
) -> dict[str, Any]:
    """Add credit to an account's wallet and return it as JSON; a repeated reference adds nothing.

    Raises TopUpInvalid, TopUpConflict.
    """
    expiry = None if new.expires_at is None else parse_instant(new.expires_at, TopUpInvalid)
    minor = parse_minor(new.amount, account.currency, TopUpInvalid)
    request = TopUpRequest(minor, paid=new.paid, priority=new.priority, expires_at=expiry)
    now = clock.now()
    row = await top_up_wallet(session, clock, account.id, new.reference, request)
    await refresh_account_credit(session, clock, account.id)
    grant = ids.format_id(GRANT_ID_PREFIX, row.id)
    if row.created_at >= now:
        details = {"amount": new.amount, "reference": new.reference, "paid": new.paid}
        await record_audit_event(
            session, clock, actor, account.id, "wallet.topped_up", grant, details
        )
    wallet = await wallet_json(session, account.id)
    return {
        "account": account.name,
        "grant": grant,
        "reference": new.reference,
        "balance": wallet["balance"],
        "currency": account.currency,
    }
