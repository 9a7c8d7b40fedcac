"""Revenue of prepaid packs: deferred until units are used or the pack ends.

    recognized = net amount of the invoice x used units / units, rounded down
               = net amount less refunds, once all units are used, expired or refunded

Each step posts the difference to what was recognized before, and stores it as a row. Rows and
ledger therefore state the deferred revenue of every purchase at every time.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.invoices.credit_notes import list_credit_notes
from billing.invoices.lifecycle import get_invoice
from billing.ledger.ledger import Book, Posting, TransactionKind, post_transaction
from billing.metering.packs import PurchaseState, load_pack_units
from billing.tables import PackPurchase, PackRecognition
from infra.clock import Clock

_ENDED = (PurchaseState.EXPIRED, PurchaseState.REFUNDED)


@dataclass(frozen=True, slots=True)
class DeferredPack:
    """A purchase as far as its revenue matters: minor units before tax, and units."""

    net: int
    credited: int
    units: int
    used: int
    has_ended: bool

    @property
    def earned(self) -> int:
        """Return the revenue earned so far, in minor units before tax."""
        left = self.net - self.credited
        if self.has_ended or self.used >= self.units:
            return left
        return min(left, self.net * self.used // self.units)


async def recognize_used_units(session: AsyncSession, clock: Clock, purchase: PackPurchase) -> int:
    """Recognize the revenue of a purchase that is earned and not recognized yet; returns it.

    Minor units before tax. The billing profile must be locked. A pack that a voucher gave has no
    revenue; a canceled one has none either.
    """
    if purchase.invoice_id is None or purchase.state == PurchaseState.CANCELED:
        return 0
    account_id = purchase.account_id
    invoice = await get_invoice(session, account_id, purchase.invoice_id)
    notes = await list_credit_notes(session, account_id, invoice.id)
    used = (await load_pack_units(session, account_id, [purchase.id]))[purchase.id].used
    deferred = DeferredPack(
        invoice.net,
        sum(note.net for note in notes),
        purchase.units,
        used,
        purchase.state in _ENDED,
    )
    number, recognized = await _recognized(session, purchase)
    minor = deferred.earned - recognized
    if not minor:
        return 0
    expired = purchase.state == PurchaseState.EXPIRED
    session.add(
        PackRecognition(
            purchase_id=purchase.id,
            number=number + 1,
            account_id=account_id,
            reason="expired" if expired else "used",
            units=purchase.units if expired else used,
            minor=minor,
            recognized_at=clock.now(),
        )
    )
    await post_transaction(
        session,
        clock,
        account_id,
        TransactionKind.RECOGNITION,
        f"pack:{purchase.id}:recognition:{number + 1}",
        invoice.currency,
        [
            Posting(Book.DEFERRED_REVENUE, minor, invoice.id),
            Posting(Book.REVENUE_PACKS, -minor, invoice.id),
        ],
    )
    return minor


async def list_recognitions(
    session: AsyncSession, account_id: UUID, purchase_id: UUID
) -> list[PackRecognition]:
    """List the steps in which a purchase's revenue was recognized, oldest first."""
    query = select(PackRecognition).where(
        col(PackRecognition.account_id) == account_id,
        col(PackRecognition.purchase_id) == purchase_id,
    )
    return list((await session.scalars(query.order_by(col(PackRecognition.number)))).all())


async def _recognized(session: AsyncSession, purchase: PackPurchase) -> tuple[int, int]:
    """Return the number of the last step, and the sum recognized so far in minor units."""
    query = select(
        func.coalesce(func.max(PackRecognition.number), 0),
        func.coalesce(func.sum(PackRecognition.minor), 0),
    ).where(
        col(PackRecognition.account_id) == purchase.account_id,
        col(PackRecognition.purchase_id) == purchase.id,
    )
    number, minor = (await session.execute(query)).one()
    return int(number), int(minor)
