"""Pay an invoice from the wallet, as the API, the page and the command do."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency, lock_profile
from billing.invoices.lifecycle import INVOICE_ID_PREFIX
from billing.invoices.payments import PaymentInvalid
from billing.invoices.wallet_payments import pay_invoice_from_wallet
from billing.ledger.ledger import Book, book_balance, outstanding_amount
from billing.money import minor_text
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.operations.parsing import parse_minor
from infra import ids
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class WalletPayment:
    """A payment of an invoice from the wallet; `amount` is decimal text, empty for all owed."""

    account_id: UUID
    invoice_id: UUID
    key: str
    amount: str = ""


async def pay_from_own_wallet(
    session: AsyncSession, clock: Clock, actor: Actor, payment: WalletPayment
) -> dict[str, Any]:
    """Pay the invoice and return its status, what is owed, and the balance of the wallet.

    Raises the errors of `pay_invoice_from_wallet`.
    """
    account_id, invoice_id = payment.account_id, payment.invoice_id
    currency = await get_account_currency(session, account_id)
    text = payment.amount.strip()
    minor = parse_minor(text, currency, PaymentInvalid) if text else None
    await lock_profile(session, account_id)
    before = await outstanding_amount(session, account_id, invoice_id)
    place = (session, clock, account_id, invoice_id, payment.key)
    invoice = await pay_invoice_from_wallet(*place, minor)
    owed = await outstanding_amount(session, account_id, invoice_id)
    invoice_name = ids.format_id(INVOICE_ID_PREFIX, invoice_id)
    if owed != before:
        details = {"amount": minor_text(before - owed, currency), "method": "wallet"}
        await record_audit_event(
            session, clock, actor, account_id, "invoice.paid", invoice_name, details
        )
    balance = -await book_balance(session, account_id, Book.WALLET)
    return {
        "object": "invoice.payment",
        "invoice": invoice_name,
        "status": invoice.status,
        "currency": currency,
        "paid": minor_text(before - owed, currency),
        "owed": minor_text(owed, currency),
        "wallet_balance": minor_text(balance, currency),
    }
