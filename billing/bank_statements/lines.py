"""Stores the lines of a statement once, and matches all lines that are not confirmed.

For operators: reads and writes across accounts (account_id).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.bank_statements.camt053 import parse_camt053
from billing.bank_statements.columns import StatementColumns
from billing.bank_statements.csv_file import StatementDefaults, parse_csv
from billing.bank_statements.entries import BankEntry, ParsedStatement, hash_entries
from billing.bank_statements.errors import BankLineNotFound, BankStatementInvalid
from billing.bank_statements.matching import LineStatus, Matcher
from billing.bank_statements.open_invoices import list_codes, list_open_invoices
from billing.tables import BankLine, BankProposal
from infra import ids
from infra.clock import Clock

BANK_LINE_ID_PREFIX = "bkl"
MAX_STATEMENT_BYTES = 20 << 20
_MAX_TEXT_LENGTH = 2000
_ROWS_PER_STATEMENT = 500


@dataclass(frozen=True, slots=True)
class ImportedStatement:
    """What an import stored: new lines, lines known before, and what the file had besides."""

    new: int
    known: int
    skipped: int
    problems: Sequence[tuple[int, str]]


def parse_statement(
    content: bytes, names: StatementColumns, defaults: StatementDefaults
) -> ParsedStatement:
    """Read a statement as camt.053 if it is XML, else as CSV. Raises BankStatementInvalid."""
    if len(content) > MAX_STATEMENT_BYTES:
        raise BankStatementInvalid("The statement is too large: the maximum is 20 MiB.")
    if content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return parse_camt053(content)
    return parse_csv(content, names, defaults)


async def import_statement(
    session: AsyncSession, clock: Clock, statement: ParsedStatement, file_name: str
) -> ImportedStatement:
    """Store the lines that are not known yet, then match all that are not confirmed."""
    hashes = hash_entries(statement.entries)
    by_hash = dict(zip(hashes, statement.entries, strict=True))
    rows = [_line_values(clock, *one, file_name) for one in by_hash.items()]
    new = 0
    for first in range(0, len(rows), _ROWS_PER_STATEMENT):
        inserted = await session.execute(
            insert(BankLine)
            .values(rows[first : first + _ROWS_PER_STATEMENT])
            .on_conflict_do_nothing(index_elements=["line_hash"])
            .returning(col(BankLine.id))
        )
        new += len(inserted.all())
    await match_lines(session)
    known = len(statement.entries) - new
    return ImportedStatement(new, known, statement.skipped, statement.problems)


async def match_lines(session: AsyncSession) -> None:
    """Match all lines that are not confirmed, in the order of their days, with open invoices."""
    lines = await list_lines(session)
    rejected: dict[UUID, set[UUID]] = defaultdict(set)
    query = select(BankProposal.line_id, BankProposal.invoice_id).where(col(BankProposal.rejected))
    for line_id, invoice_id in (await session.execute(query)).all():
        rejected[line_id].add(invoice_id)
    open_ids = [line.id for line in lines]
    await session.execute(
        delete(BankProposal).where(
            col(BankProposal.line_id).in_(open_ids), col(BankProposal.rejected).is_(False)
        )
    )
    matcher = Matcher(await list_open_invoices(session), await list_codes(session))
    for line in lines:
        result = matcher.match(line_entry(line), rejected[line.id])
        flags = [flag.value for flag in result.flags]
        if (line.status, line.flags) != (result.status.value, flags):
            line.status, line.flags = result.status.value, flags
        session.add_all(
            BankProposal(
                line_id=line.id,
                invoice_id=part.invoice_id,
                account_id=part.account_id,
                minor=part.minor,
            )
            for part in result.parts
        )
    await session.flush()


async def list_lines(session: AsyncSession, status: LineStatus | None = None) -> Sequence[BankLine]:
    """List the lines with a status, or all that are not confirmed, by day."""
    condition = (
        col(BankLine.status) != LineStatus.CONFIRMED.value
        if status is None
        else col(BankLine.status) == status.value
    )
    query = select(BankLine).where(condition)
    return (await session.scalars(query.order_by(col(BankLine.booked_on), col(BankLine.id)))).all()


async def list_proposals(session: AsyncSession, line_id: UUID) -> Sequence[BankProposal]:
    """List the proposals of a line that were not rejected, by invoice (of any account_id)."""
    query = select(BankProposal).where(
        col(BankProposal.line_id) == line_id, col(BankProposal.rejected).is_(False)
    )
    return (await session.scalars(query.order_by(col(BankProposal.invoice_id)))).all()


async def lock_line(session: AsyncSession, line_id: UUID) -> BankLine:
    """Return a line, locked until the transaction ends. Raises BankLineNotFound."""
    query = select(BankLine).where(col(BankLine.id) == line_id).with_for_update()
    line = (await session.scalars(query)).one_or_none()
    if line is None:
        raise BankLineNotFound("There is no such line of a bank statement.", param="line")
    return line


def line_entry(line: BankLine) -> BankEntry:
    """Return the entry of a stored line."""
    return BankEntry(
        line.bank_account,
        line.reference,
        line.booked_on,
        line.minor,
        line.currency,
        line.payer_name,
        line.payer_account,
        line.text,
    )


def _line_values(
    clock: Clock, line_hash: str, entry: BankEntry, file_name: str
) -> dict[str, object]:
    """Return the values of a new line's row."""
    texts = {
        "bank_account": entry.account,
        "reference": entry.reference,
        "payer_name": entry.payer_name,
        "payer_account": entry.payer_account,
        "text": entry.text,
        "file_name": file_name,
    }
    return {
        "id": ids.new_id(),
        "line_hash": line_hash,
        "booked_on": entry.booked_on,
        "minor": entry.minor,
        "currency": entry.currency,
        "status": LineStatus.UNMATCHED.value,
        "flags": [],
        "imported_at": clock.now(),
        **{name: _storable(text) for name, text in texts.items()},
    }


def _storable(text: str) -> str:
    """Return a text that PostgreSQL can hold, cut to 2,000 characters."""
    return text[:_MAX_TEXT_LENGTH].replace("\x00", "")
