"""Issuing of fapiao: export of batches, import of results, rejection.

    requested -> issuing (in a batch) -> issued | rejected (with a reason)

A batch holds the requests of one seller, since each seller signs in to the tax platform for itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.entities import get_entity
from billing.accounts.profiles import lock_profile
from billing.fapiao.amounts import Colour, FapiaoStatus, requestable_amount
from billing.fapiao.errors import FapiaoNotFound, InvalidFapiaoState, NothingToIssue
from billing.fapiao.funds import fapiao_amounts, list_invoice_fapiaos, load_funds
from billing.fapiao.lines import lines_from_json
from billing.fapiao.notices import enqueue_issued
from billing.fapiao.provider import (
    FapiaoProvider,
    IssueOrder,
    IssueResult,
    ProviderFile,
    RedLetterOrder,
)
from billing.fapiao.requests import add_blue, get_fapiao
from billing.fapiao.title_fields import TitleFields
from billing.invoices.lifecycle import get_invoice
from billing.invoices.numbering import format_invoice_number
from billing.money import minor_text
from billing.rating.taxes import Tax, TaxTreatment
from billing.tables import Fapiao, FapiaoBatch, Invoice, LegalEntity
from infra import ids
from infra.clock import Clock

BATCH_ID_PREFIX = "fpb"
_PLATFORM = "platform"
NO_LONGER_PAID = "The amount was credited or refunded before the fapiao was issued."


@dataclass(frozen=True, slots=True)
class ExportedBatch:
    """A batch with its fapiao and the files for the tax platform."""

    batch: FapiaoBatch
    rows: Sequence[Fapiao]
    files: Sequence[ProviderFile]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of an import: what was issued, rejected and known before, and row problems."""

    issued: Sequence[Fapiao]
    rejected: Sequence[Fapiao]
    known: int
    problems: Sequence[tuple[int, str, str]]  # row, serial number, problem


async def export_batch(
    session: AsyncSession,
    clock: Clock,
    provider: FapiaoProvider,
    by: str,
    seller: str | None = None,
) -> ExportedBatch:
    """Put all requested fapiao of a seller into a new batch and hand them to the provider.

    `seller` is the code of a legal entity, needed if several have requests. Requests over amounts
    that were returned meanwhile are rejected. For operators: all accounts (account_id). Raises
    NothingToIssue, LegalEntityNotFound, FapiaoFileInvalid.
    """
    entity = await _find_seller(session, seller)
    waiting = await _list_requested(session, entity)
    rows = [row for row in waiting if await _is_still_paid(session, clock, row)]
    if not rows:
        raise NothingToIssue(f"No fapiao of {entity.code} is waiting to be issued.")
    batch = FapiaoBatch(
        id=ids.new_id(), legal_entity_id=entity.id, created_at=clock.now(), created_by=by[:200]
    )
    session.add(batch)
    await session.flush()
    for row in rows:
        row.status, row.batch_id = FapiaoStatus.ISSUING.value, batch.id
    await session.flush()
    return ExportedBatch(batch, rows, await _send(session, provider, rows))


async def repeat_batch(
    session: AsyncSession, provider: FapiaoProvider, batch_id: UUID
) -> ExportedBatch:
    """Hand a batch to the provider again, without what was issued or rejected since.

    For operators: all accounts (account_id). Raises FapiaoNotFound, NothingToIssue.
    """
    batch = await session.get(FapiaoBatch, batch_id)
    if batch is None:
        raise FapiaoNotFound("There is no such batch.", param="batch")
    query = select(Fapiao).where(
        col(Fapiao.batch_id) == batch_id, col(Fapiao.status) == FapiaoStatus.ISSUING.value
    )
    rows = (await session.scalars(query.order_by(col(Fapiao.id)))).all()
    if not rows:
        raise NothingToIssue("All fapiao of this batch were issued or rejected.")
    return ExportedBatch(batch, rows, await _send(session, provider, rows))


async def apply_results(
    session: AsyncSession, clock: Clock, provider: FapiaoProvider
) -> ImportReport:
    """Record the provider's results: numbers and days of issued fapiao, and refusals.

    A row whose amount or number does not match is reported and changes nothing; a result that is
    recorded already is counted as known. For operators: all accounts (account_id).
    """
    exported = col(Fapiao.batch_id).is_not(None)
    listed = await session.execute(select(Fapiao.serial, Fapiao.account_id).where(exported))
    accounts = {serial: account_id for serial, account_id in listed}
    results = await provider.query(list(accounts))
    await _lock_accounts(session, {accounts[result.serial] for result in results})
    # Read under the locks: another import or a rejection may have been recorded meanwhile.
    query = select(Fapiao).where(exported).execution_options(populate_existing=True)
    rows = {row.serial: row for row in (await session.scalars(query)).all()}
    issued: list[Fapiao] = []
    rejected: list[Fapiao] = []
    problems: list[tuple[int, str, str]] = []
    known = 0
    numbers = {row.number: row.serial for row in rows.values() if row.number}
    for result in results:
        row = rows[result.serial]
        if _is_recorded(row, result):
            known += 1
        elif problem := _find_problem(row, result, numbers):
            problems.append((result.row, result.serial, problem))
        elif result.error:
            await reject_fapiao(session, clock, row.account_id, row.id, result.error)
            rejected.append(row)
        else:
            await _mark_issued(session, clock, row, result)
            numbers[result.number] = row.serial
            issued.append(row)
    return ImportReport(issued, rejected, known, problems)


async def reject_fapiao(
    session: AsyncSession, clock: Clock, account_id: UUID, fapiao_id: UUID, reason: str
) -> Fapiao:
    """Reject a fapiao that was not issued, with the reason that the customer sees.

    Its amount can be requested again. Raises FapiaoNotFound, InvalidFapiaoState.
    """
    await lock_profile(session, account_id)
    row = await get_fapiao(session, account_id, fapiao_id)
    if row.status not in (FapiaoStatus.REQUESTED, FapiaoStatus.ISSUING):
        raise InvalidFapiaoState(f"The fapiao is {row.status} and cannot be rejected.")
    row.status, row.reason = FapiaoStatus.REJECTED.value, reason.strip()[:500]
    row.decided_at = clock.now()
    await session.flush()
    return row


async def list_open_fapiaos(session: AsyncSession) -> Sequence[Fapiao]:
    """List requested and exported fapiao of all accounts (account_id), oldest first."""
    open_states = (FapiaoStatus.REQUESTED.value, FapiaoStatus.ISSUING.value)
    query = select(Fapiao).where(col(Fapiao.status).in_(open_states))
    return (await session.scalars(query.order_by(col(Fapiao.id)))).all()


def _is_recorded(row: Fapiao, result: IssueResult) -> bool:
    """Return whether a result was recorded by an earlier import."""
    if row.status == FapiaoStatus.ISSUED:
        return (row.number, row.issued_on) == (result.number, result.issued_on)
    return row.status == FapiaoStatus.REJECTED and bool(result.error)


def _find_problem(row: Fapiao, result: IssueResult, numbers: Mapping[str, str]) -> str:
    """Return why a result cannot be recorded; empty if it can."""
    if result.problem:
        return result.problem
    if row.status != FapiaoStatus.ISSUING:
        return f"this fapiao is {row.status}" + (f" with number {row.number}" * bool(row.number))
    if not result.error and result.number in numbers:
        return f"the number {result.number} belongs to {numbers[result.number]}"
    if not result.error and result.total != row.total:
        listed = minor_text(result.total or 0, "CNY")
        return f"the total is {listed} instead of {minor_text(row.total, 'CNY')}"
    return ""


async def _mark_issued(
    session: AsyncSession, clock: Clock, row: Fapiao, result: IssueResult
) -> None:
    """Record number and day; notify the customer; request what follows a red letter."""
    await lock_profile(session, row.account_id)
    row.status, row.decided_at = FapiaoStatus.ISSUED.value, clock.now()
    row.number, row.issued_on = result.number, result.issued_on
    await session.flush()
    await enqueue_issued(session, clock, row)
    if row.reissue_title is not None:
        await _request_replacement(session, clock, row, TitleFields(**row.reissue_title))


async def _request_replacement(
    session: AsyncSession, clock: Clock, red: Fapiao, title: TitleFields
) -> None:
    """Request the fapiao that replaces a cancelled one, as far as its amount is still paid."""
    invoice = await get_invoice(session, red.account_id, red.invoice_id)
    rows = await list_invoice_fapiaos(session, red.account_id, red.invoice_id)
    rest = requestable_amount(await load_funds(session, invoice), fapiao_amounts(rows))
    if amount := min(red.total, rest):
        await add_blue(session, clock, invoice, title, amount, red.requested_by)


async def _find_seller(session: AsyncSession, code: str | None) -> LegalEntity:
    """Return the seller to export: the named one, or the only one with requests."""
    if code is not None:
        return await get_entity(session, code)
    query = (
        select(LegalEntity)
        .join(Fapiao, col(Fapiao.legal_entity_id) == col(LegalEntity.id))
        .where(col(Fapiao.status) == FapiaoStatus.REQUESTED.value)  # of all accounts (account_id)
        .distinct()
    )
    entities = (await session.scalars(query)).all()
    if not entities:
        raise NothingToIssue("No fapiao is waiting to be issued.")
    if len(entities) > 1:
        codes = ", ".join(sorted(entity.code for entity in entities))
        raise NothingToIssue(f"Several sellers have requests. Name one of {codes}.", param="seller")
    return entities[0]


async def _list_requested(session: AsyncSession, entity: LegalEntity) -> Sequence[Fapiao]:
    """Return a seller's requested fapiao, oldest first; locks their accounts' profiles."""
    requested = (
        col(Fapiao.legal_entity_id) == entity.id,
        col(Fapiao.status) == FapiaoStatus.REQUESTED.value,
    )
    account_ids = await session.scalars(select(Fapiao.account_id).where(*requested).distinct())
    await _lock_accounts(session, set(account_ids.all()))
    query = select(Fapiao).where(*requested).order_by(col(Fapiao.id))
    return (await session.scalars(query.execution_options(populate_existing=True))).all()


async def _lock_accounts(session: AsyncSession, account_ids: set[UUID]) -> None:
    """Lock billing profiles in the order of their ids, before any number series.

    Whoever needs both takes the profile first, so that no two transactions wait for each other.
    """
    for account_id in sorted(account_ids):
        await lock_profile(session, account_id)


async def _is_still_paid(session: AsyncSession, clock: Clock, row: Fapiao) -> bool:
    """Return whether the amount of a request is still paid; reject the request if not."""
    if row.colour == Colour.RED:
        return True
    invoice = await get_invoice(session, row.account_id, row.invoice_id)
    rows = await list_invoice_fapiaos(session, row.account_id, row.invoice_id)
    others = [one for one in fapiao_amounts(rows) if one.id != row.id]
    if row.total <= requestable_amount(await load_funds(session, invoice), others):
        return True
    await reject_fapiao(session, clock, row.account_id, row.id, NO_LONGER_PAID)
    return False


async def _send(
    session: AsyncSession, provider: FapiaoProvider, rows: Sequence[Fapiao]
) -> Sequence[ProviderFile]:
    """Hand fapiao to the provider; return the files for the tax platform."""
    blue = [await _issue_order(session, row) for row in rows if row.colour == Colour.BLUE]
    red = [await _red_order(session, row) for row in rows if row.colour == Colour.RED]
    return [*await provider.issue(blue), *await provider.red_letter(red)]


async def _issue_order(session: AsyncSession, row: Fapiao) -> IssueOrder:
    """Return the order of a stored fapiao; its remark has the invoice and the serial number."""
    invoice = await session.get_one(Invoice, row.invoice_id)
    entity = await session.get_one(LegalEntity, row.legal_entity_id)
    number = format_invoice_number(entity.code, invoice.number or 0)
    return IssueOrder(
        row.serial,
        TitleFields(**row.title),
        lines_from_json(row.lines),
        Tax(TaxTreatment(row.tax_treatment), row.tax_ppm),
        f"{number} {row.serial}",
    )


async def _red_order(session: AsyncSession, row: Fapiao) -> RedLetterOrder:
    """Return the order of a stored red letter, with the number and day of its original."""
    original = await session.get_one(Fapiao, row.original_id)
    if original.number is None or original.issued_on is None:  # a red letter is of an issued one
        raise InvalidFapiaoState("The original of a red letter was not issued.")
    order = await _issue_order(session, row)
    return RedLetterOrder(order, original.number, original.issued_on, row.reason)
