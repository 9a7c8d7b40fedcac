"""What operators do with final invoices: record payments, void, write off, credit. All audited."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import lock_profile
from billing.invoice_documents.builder import build_invoice_document
from billing.invoice_documents.invoice_list import find_invoice
from billing.invoices.credit_notes import CreditNoteInvalid, CreditNoteRequest, create_credit_note
from billing.invoices.lifecycle import INVOICE_ID_PREFIX
from billing.invoices.payments import IncomingPayment, PaymentInvalid, record_payment
from billing.invoices.void_and_write_off import void_invoice, write_off_invoice
from billing.tables import Account, Invoice
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.operations.parsing import parse_instant, parse_minor
from infra import ids
from infra.clock import Clock

_STATE_FIELDS = ("id", "number", "status", "total", "paid", "credited", "owed", "currency")


@dataclass(frozen=True, slots=True)
class NewPayment:
    """A payment received outside a collector: amount and time as text, and a unique reference."""

    amount: str
    reference: str
    received_at: str | None = None


@dataclass(frozen=True, slots=True)
class NewCredit:
    """A credit note to create: amount as text with tax, printed reason, unique reference."""

    amount: str
    reason: str
    reference: str
    refund: bool = False


@dataclass(frozen=True, slots=True)
class InvoiceOperations:
    """Changes of invoices of one account, within the caller's transaction."""

    session: AsyncSession
    clock: Clock
    actor: Actor
    account: Account

    async def record_payment(self, name: str, new: NewPayment) -> dict[str, Any]:
        """Record a payment; a repeated reference changes nothing. Raises PaymentInvalid.

        An overpayment is added to the wallet.
        """
        invoice = await self._lock(name)
        minor = parse_minor(new.amount, self.account.currency, PaymentInvalid)
        received = new.received_at
        at = self.clock.now() if received is None else parse_instant(received, PaymentInvalid)
        payment = IncomingPayment("manual", new.reference, minor, at)
        place = (self.session, self.clock, self.account.id, invoice.id)
        details = {"amount": new.amount, "reference": new.reference}
        return await self._apply(
            invoice, lambda: record_payment(*place, payment), "invoice.paid", details
        )

    async def void(self, name: str) -> dict[str, Any]:
        """Void an open invoice on which nothing was paid. Raises InvalidInvoiceState."""
        return await self._close(name, void_invoice, "invoice.voided")

    async def write_off(self, name: str) -> dict[str, Any]:
        """Mark an open invoice as uncollectible. Raises InvalidInvoiceState."""
        return await self._close(name, write_off_invoice, "invoice.written_off")

    async def credit(self, name: str, new: NewCredit) -> dict[str, Any]:
        """Create a credit note; a repeated reference changes nothing.

        Raises CreditNoteInvalid, CreditNoteConflict, InvalidInvoiceState.
        """
        invoice = await self._lock(name)
        minor = parse_minor(new.amount, self.account.currency, CreditNoteInvalid)
        credit = CreditNoteRequest(minor, new.reason, new.refund)
        place = (self.session, self.clock, self.account.id, invoice.id)
        details = {"amount": new.amount, "reason": new.reason, "refund": new.refund}
        return await self._apply(
            invoice,
            lambda: create_credit_note(*place, new.reference, credit),
            "invoice.credited",
            details,
        )

    async def _close(
        self,
        name: str,
        close: Callable[[AsyncSession, Clock, UUID, UUID], Awaitable[Any]],
        action: str,
    ) -> dict[str, Any]:
        """Void or write off an invoice and return its state."""
        invoice = await self._lock(name)
        place = (self.session, self.clock, self.account.id, invoice.id)
        return await self._apply(invoice, lambda: close(*place), action, {})

    async def _apply(
        self,
        invoice: Invoice,
        apply: Callable[[], Awaitable[Any]],
        action: str,
        details: dict[str, Any],
    ) -> dict[str, Any]:
        """Apply a change, audit it if the invoice's state is another one, and return the state."""
        before = await invoice_state(self.session, invoice)
        await apply()
        after = await invoice_state(self.session, invoice)
        if before != after:
            subject = ids.format_id(INVOICE_ID_PREFIX, invoice.id)
            place = (self.session, self.clock, self.actor, self.account.id)
            await record_audit_event(*place, action, subject, details)
        return after

    async def _lock(self, name: str) -> Invoice:
        """Lock the billing profile; return the invoice, named by number or id."""
        await lock_profile(self.session, self.account.id)
        return await find_invoice(self.session, self.account.id, name)


async def invoice_state(session: AsyncSession, invoice: Invoice) -> dict[str, Any]:
    """Return an invoice's status and amounts as JSON."""
    document = await build_invoice_document(session, invoice.account_id, invoice.id)
    fields = document.to_json()
    return {field: fields[field] for field in _STATE_FIELDS}
