"""Changes of fapiao by customers and operators, each with its audit log entry.

API, pages and CLI call the same functions.
"""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.fapiao.categories import remove_category, set_category
from billing.fapiao.errors import FapiaoNotFound
from billing.fapiao.files import store_file
from billing.fapiao.issuing import (
    BATCH_ID_PREFIX,
    ExportedBatch,
    ImportReport,
    apply_results,
    export_batch,
    reject_fapiao,
)
from billing.fapiao.lines import Category
from billing.fapiao.provider import FapiaoProvider
from billing.fapiao.requests import FAPIAO_ID_PREFIX, request_fapiao, request_reissue
from billing.fapiao.title_fields import TitleFields
from billing.fapiao.titles import TITLE_ID_PREFIX, create_title, remove_title, set_default_title
from billing.invoices.lifecycle import INVOICE_ID_PREFIX
from billing.money import minor_text
from billing.tables import Fapiao, FapiaoTitle
from gateway.identity.audit_log import Actor, record_audit_event
from infra import ids
from infra.clock import Clock

_NUMBER = re.compile(r"(?<!\d)\d{20}(?!\d)", re.ASCII)


async def add_buyer_title(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    fields: TitleFields,
    *,
    is_default: bool = False,
) -> FapiaoTitle:
    """Add a buyer title of the account. Raises FapiaoTitleInvalid."""
    title = await create_title(session, clock, account_id, fields, is_default=is_default)
    await _record_title(session, clock, actor, title, "fapiao.title_added")
    return title


async def choose_default_title(
    session: AsyncSession, clock: Clock, actor: Actor, account_id: UUID, title_id: UUID
) -> FapiaoTitle:
    """Make a title the account's default. Raises FapiaoTitleNotFound."""
    title = await set_default_title(session, account_id, title_id)
    await _record_title(session, clock, actor, title, "fapiao.title_default")
    return title


async def remove_buyer_title(
    session: AsyncSession, clock: Clock, actor: Actor, account_id: UUID, title_id: UUID
) -> FapiaoTitle:
    """Remove a title of the account. Raises FapiaoTitleNotFound."""
    title = await remove_title(session, clock, account_id, title_id)
    await _record_title(session, clock, actor, title, "fapiao.title_removed")
    return title


async def request_invoice_fapiao(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    invoice_id: UUID,
    by: str,
    title_id: UUID | None = None,
) -> Fapiao:
    """Request a fapiao over what was paid on an invoice. Raises the errors of `request_fapiao`."""
    row = await request_fapiao(session, clock, account_id, invoice_id, by, title_id)
    details = {
        "invoice": ids.format_id(INVOICE_ID_PREFIX, invoice_id),
        "amount": minor_text(row.total, "CNY"),
        "name": row.title["name"],
    }
    await _record(session, clock, actor, row, "fapiao.requested", details)
    return row


async def request_other_title(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    fapiao_id: UUID,
    by: str,
    title_id: UUID | None = None,
) -> Fapiao:
    """Request a red letter and then a fapiao with another title. Raises as `request_reissue`."""
    red = await request_reissue(session, clock, account_id, fapiao_id, by, title_id)
    details = {"of": ids.format_id(FAPIAO_ID_PREFIX, fapiao_id)}
    await _record(session, clock, actor, red, "fapiao.reissue_requested", details)
    return red


async def export_requested(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    provider: FapiaoProvider,
    by: str,
    seller: str | None = None,
) -> ExportedBatch:
    """Export the requested fapiao of a seller as a batch. Raises as `export_batch`."""
    done = await export_batch(session, clock, provider, by, seller)
    subject = ids.format_id(BATCH_ID_PREFIX, done.batch.id)
    await record_audit_event(
        session, clock, actor, None, "fapiao.exported", subject, {"fapiao": len(done.rows)}
    )
    return done


async def import_results(
    session: AsyncSession, clock: Clock, actor: Actor, provider: FapiaoProvider
) -> ImportReport:
    """Record the results of a list. Raises FapiaoFileInvalid."""
    report = await apply_results(session, clock, provider)
    for row in report.issued:
        await _record(session, clock, actor, row, "fapiao.issued", {"number": row.number})
    for row in report.rejected:
        await _record(session, clock, actor, row, "fapiao.rejected", {"reason": row.reason})
    return report


async def reject_request(
    session: AsyncSession, clock: Clock, actor: Actor, row: Fapiao, reason: str
) -> Fapiao:
    """Reject a fapiao that was not issued. Raises InvalidFapiaoState."""
    rejected = await reject_fapiao(session, clock, row.account_id, row.id, reason)
    await _record(session, clock, actor, rejected, "fapiao.rejected", {"reason": reason})
    return rejected


async def attach_file(
    session: AsyncSession, clock: Clock, actor: Actor, row: Fapiao, content: bytes
) -> str:
    """Store the OFD or PDF file of an issued fapiao; return its format.

    Raises InvalidFapiaoState, FapiaoFileInvalid.
    """
    stored = await store_file(session, clock, row.account_id, row.id, content)
    await _record(session, clock, actor, row, "fapiao.file_stored", {"file": stored.value})
    return stored.value


async def change_category(
    session: AsyncSession, clock: Clock, actor: Actor, product: str, category: Category | None
) -> None:
    """Set the service category of a product; None restores the default.

    Raises FapiaoCategoryInvalid.
    """
    if category is None:
        await remove_category(session, product)
    else:
        await set_category(session, product, category)
    details = {} if category is None else {"code": category.code, "name": category.item}
    await record_audit_event(
        session, clock, actor, None, "fapiao.category_changed", product, details
    )


async def find_any_fapiao(session: AsyncSession, name: str) -> Fapiao:
    """Find a fapiao of any account by ID, serial number or number, also within a file name.

    For operators: all accounts (account_id). Raises FapiaoNotFound.
    """
    number = _NUMBER.search(name)
    identity = ids.parse_id(FAPIAO_ID_PREFIX, name)
    if identity is not None:
        condition = col(Fapiao.id) == identity
    elif number is not None:
        condition = col(Fapiao.number) == number[0]
    else:
        condition = col(Fapiao.serial) == name.strip()[:40].replace("\x00", "")
    row = (await session.scalars(select(Fapiao).where(condition))).one_or_none()
    if row is None:
        raise FapiaoNotFound(
            f"Fapiao not found: {name[:60]!r}. Use its serial number, number or ID (fp_…)."
        )
    return row


async def _record(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    row: Fapiao,
    action: str,
    details: Mapping[str, Any],
) -> None:
    """Record a change of a fapiao in the account's audit log."""
    subject = ids.format_id(FAPIAO_ID_PREFIX, row.id)
    await record_audit_event(session, clock, actor, row.account_id, action, subject, details)


async def _record_title(
    session: AsyncSession, clock: Clock, actor: Actor, title: FapiaoTitle, action: str
) -> None:
    """Record a change of a buyer title in the account's audit log."""
    subject = ids.format_id(TITLE_ID_PREFIX, title.id)
    details = {"name": title.name}
    await record_audit_event(session, clock, actor, title.account_id, action, subject, details)
