"""Requests for fapiao and for their reissue, and look-ups.

The lock on the billing profile serializes them with payments, credit notes and each other, so two
requests at the same time cannot both get an amount.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.fapiao.amounts import (
    Colour,
    FapiaoStatus,
    InvoiceFunds,
    remaining_amount,
    requestable_amount,
)
from billing.fapiao.categories import load_categories
from billing.fapiao.errors import (
    FapiaoAlreadyRequested,
    FapiaoNotFound,
    FapiaoNotPossible,
    InvalidFapiaoState,
)
from billing.fapiao.funds import CURRENCY, fapiao_amounts, list_invoice_fapiaos, load_funds
from billing.fapiao.lines import (
    BilledItem,
    FapiaoLine,
    build_lines,
    category_weights,
    lines_from_json,
    part_of_lines,
    subtract_lines,
    sum_of_lines,
)
from billing.fapiao.title_fields import TitleFields
from billing.fapiao.titles import get_title, title_fields
from billing.invoices.lifecycle import get_invoice, list_invoice_lines, next_document_number
from billing.rating.products import model_of_product
from billing.rating.taxes import Tax, TaxTreatment
from billing.tables import Fapiao, Invoice, InvoiceLine, LegalEntity
from infra import ids
from infra.clock import Clock
from infra.database.paging import page_of

FAPIAO_ID_PREFIX = "fp"
INVOICE_ERROR, ALLOWANCE = "invoice_error", "allowance"  # reasons of red letters


async def request_fapiao(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    invoice_id: UUID,
    by: str,
    title_id: UUID | None = None,
) -> Fapiao:
    """Request a fapiao over all that was paid on an invoice and is on no fapiao yet.

    `title_id` None takes the account's default title. Raises InvoiceNotFound, FapiaoTitleNotFound,
    FapiaoNotPossible, FapiaoAlreadyRequested.
    """
    await lock_profile(session, account_id)
    invoice = await get_invoice(session, account_id, invoice_id)
    _require_possible(invoice)
    rows = await list_invoice_fapiaos(session, account_id, invoice_id)
    funds = await load_funds(session, invoice)
    amount = requestable_amount(funds, fapiao_amounts(rows))
    if not amount:
        _raise_nothing_left(funds)
    title = title_fields(await get_title(session, account_id, title_id))
    return await add_blue(session, clock, invoice, title, amount, by)


async def request_reissue(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    fapiao_id: UUID,
    by: str,
    title_id: UUID | None = None,
) -> Fapiao:
    """Request a red letter that cancels a fapiao with a wrong title; return the red letter.

    When the red letter is issued, a fapiao with the other title is requested. Raises
    FapiaoNotFound, FapiaoTitleNotFound, InvalidFapiaoState.
    """
    await lock_profile(session, account_id)
    original = await get_fapiao(session, account_id, fapiao_id)
    if original.colour != Colour.BLUE or original.status != FapiaoStatus.ISSUED:
        raise InvalidFapiaoState("Only an issued fapiao can be reissued.")
    rows = await list_invoice_fapiaos(session, account_id, original.invoice_id)
    amount = remaining_amount(original.id, fapiao_amounts(rows))
    if not amount:
        raise InvalidFapiaoState("A red letter cancels this fapiao already.")
    title = title_fields(await get_title(session, account_id, title_id))
    return await add_red(session, clock, original, rows, amount, by, INVOICE_ERROR, title)


async def get_fapiao(session: AsyncSession, account_id: UUID, fapiao_id: UUID) -> Fapiao:
    """Return one of the account's fapiao as it is now. Raises FapiaoNotFound."""
    query = select(Fapiao).where(col(Fapiao.account_id) == account_id, col(Fapiao.id) == fapiao_id)
    # Read anew if the session has it: its status may have changed before the profile was locked.
    fresh = query.execution_options(populate_existing=True)
    row = (await session.scalars(fresh)).one_or_none()
    if row is None:
        raise FapiaoNotFound("The account has no such fapiao.", param="fapiao")
    return row


async def list_fapiaos(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None = None
) -> Sequence[Fapiao]:
    """List a page of an account's fapiao, newest first."""
    query = select(Fapiao).where(col(Fapiao.account_id) == account_id)
    return (await session.scalars(page_of(query, col(Fapiao.id), limit, after))).all()


async def add_blue(
    session: AsyncSession,
    clock: Clock,
    invoice: Invoice,
    title: TitleFields,
    amount: int,
    by: str,
) -> Fapiao:
    """Insert the request of a blue fapiao. The billing profile must be locked."""
    tax = _tax_of(invoice)
    stored = await list_invoice_lines(session, invoice.account_id, invoice.id)
    weights = category_weights(list(map(_billed_item, stored)), await load_categories(session))
    lines = build_lines(amount, weights, tax)
    return await _insert(session, clock, invoice, lines, by, kind=title.kind, title=title.to_json())


async def add_red(
    session: AsyncSession,
    clock: Clock,
    original: Fapiao,
    rows: Sequence[Fapiao],
    amount: int,
    by: str,
    reason: str,
    reissue_title: TitleFields | None = None,
) -> Fapiao:
    """Insert the request of a red letter. The billing profile must be locked.

    `rows` are all fapiao of the invoice.
    """
    invoice = await get_invoice(session, original.account_id, original.invoice_id)
    earlier = [
        line
        for row in rows
        if row.original_id == original.id and row.status != FapiaoStatus.REJECTED
        for line in lines_from_json(row.lines)
    ]
    left = subtract_lines(lines_from_json(original.lines), earlier)
    lines = part_of_lines(left, amount, _tax_of(invoice))
    return await _insert(
        session,
        clock,
        invoice,
        lines,
        by,
        colour=Colour.RED.value,
        original_id=original.id,
        kind=original.kind,
        title=original.title,
        reason=reason,
        reissue_title=None if reissue_title is None else reissue_title.to_json(),
    )


async def _insert(
    session: AsyncSession,
    clock: Clock,
    invoice: Invoice,
    lines: Sequence[FapiaoLine],
    by: str,
    **values: Any,
) -> Fapiao:
    """Insert a requested fapiao with the next serial number of the seller."""
    entity = await session.get_one(LegalEntity, invoice.legal_entity_id)
    number = await next_document_number(session, entity.id, "fapiao")
    amounts = sum_of_lines(lines)
    row = Fapiao(
        id=ids.new_id(),
        account_id=invoice.account_id,
        invoice_id=invoice.id,
        legal_entity_id=entity.id,
        serial=format_serial(entity.code, number),
        status=FapiaoStatus.REQUESTED.value,
        tax_treatment=invoice.tax_treatment,
        tax_ppm=invoice.tax_ppm,
        net=amounts.net,
        tax=amounts.tax,
        total=amounts.total,
        lines=[line.to_json() for line in lines],
        requested_at=clock.now(),
        requested_by=by[:200],
        **{"colour": Colour.BLUE.value, **values},
    )
    session.add(row)
    await session.flush()
    return row


def format_serial(code: str, number: int) -> str:
    """Format a serial number of at most 20 letters and digits, such as `MAASFP00000012`."""
    return f"{code}FP{number:08d}"


def _require_possible(invoice: Invoice) -> None:
    """Raise FapiaoNotPossible unless the invoice is in CNY and its seller accounts for the tax."""
    if invoice.currency != CURRENCY:
        raise FapiaoNotPossible(f"Fapiao are in CNY; this invoice is in {invoice.currency}.")
    if invoice.tax_treatment == TaxTreatment.REVERSE_CHARGE:
        raise FapiaoNotPossible("The recipient accounts for the tax of this invoice.")


def _raise_nothing_left(funds: InvoiceFunds) -> None:
    """Raise the error that says why there is nothing to request."""
    if not funds.base:
        raise FapiaoNotPossible(
            "Nothing was paid on this invoice yet. A fapiao is issued for amounts paid."
        )
    raise FapiaoAlreadyRequested(
        "All that was paid on this invoice is on a fapiao or requested already."
    )


def _tax_of(invoice: Invoice) -> Tax:
    """Return treatment and rate of an invoice's tax."""
    return Tax(TaxTreatment(invoice.tax_treatment), invoice.tax_ppm)


def _billed_item(line: InvoiceLine) -> BilledItem:
    """Return what decides the category of an invoice line."""
    return BilledItem(line.model and model_of_product(line.model), line.kind, line.minor)
