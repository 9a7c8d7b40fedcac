"""Payments of open invoices from the wallet, whole or in part, once per business key."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import lock_profile
from billing.invoices.available_credit import refresh_account_credit
from billing.invoices.collection_items import (
    CollectionAction,
    enqueue_change,
    enqueue_part_payment,
)
from billing.invoices.lifecycle import InvalidInvoiceState, get_invoice, mark_paid_if_settled
from billing.invoices.payments import PaymentConflict, PaymentInvalid
from billing.invoices.suspension import restore_calls_if_paid
from billing.ledger.ledger import Book, book_balance, outstanding_amount, sum_transaction_by_book
from billing.ledger.wallets import pay_from_wallet
from billing.money import minor_text
from billing.tables import Invoice, InvoiceStatus
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

_MAX_KEY_LENGTH = 200


class WalletInsufficient(AppError):
    """The wallet does not cover the payment."""

    status = 402
    type = "invalid_request_error"
    code = "wallet_insufficient"


async def pay_invoice_from_wallet(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    invoice_id: UUID,
    business_key: str,
    minor: int | None = None,
) -> Invoice:
    """Pay so many minor units of an open invoice from the wallet; None pays all that is owed.

    A key that was used before for the same payment changes nothing. Raises InvoiceNotFound,
    InvalidInvoiceState, PaymentInvalid, PaymentConflict, WalletInsufficient.
    """
    if not 0 < len(business_key) <= _MAX_KEY_LENGTH:
        raise PaymentInvalid("A payment needs a reference of at most 200 characters.")
    await lock_profile(session, account_id)
    invoice = await get_invoice(session, account_id, invoice_id)
    key = f"invoice:{invoice_id}:wallet:{business_key}"
    if paid := await sum_transaction_by_book(session, account_id, key):
        if minor not in (None, paid[Book.WALLET]):
            raise PaymentConflict(f"The reference {business_key!r} was used for another amount.")
        return invoice
    amount = await _payable(session, invoice, minor)
    await pay_from_wallet(session, clock, account_id, invoice_id, amount, key)
    if await mark_paid_if_settled(session, clock, invoice):
        await enqueue_change(session, clock, invoice, CollectionAction.MARK_PAID)
    else:
        await enqueue_part_payment(session, clock, invoice, ids.new_id(), amount)
    await refresh_account_credit(session, clock, account_id)
    await restore_calls_if_paid(session, clock, account_id)
    return invoice


async def _payable(session: AsyncSession, invoice: Invoice, minor: int | None) -> int:
    """Return the amount to pay. Raises if the invoice does not owe it or the wallet lacks it."""
    if invoice.status != InvoiceStatus.OPEN:
        raise InvalidInvoiceState(f"The invoice is {invoice.status}, so nothing is owed for it.")
    owed = await outstanding_amount(session, invoice.account_id, invoice.id)
    amount = owed if minor is None else minor
    if not 0 < amount <= owed:
        raise PaymentInvalid(
            f"Pay more than zero and at most {minor_text(owed, invoice.currency)} "
            f"{invoice.currency}, which is owed.",
            param="amount",
        )
    balance = -await book_balance(session, invoice.account_id, Book.WALLET)
    if balance < amount:
        raise WalletInsufficient(
            f"The wallet has {minor_text(balance, invoice.currency)} {invoice.currency}. Top it "
            "up, or pay a part.",
            param="amount",
        )
    return amount
