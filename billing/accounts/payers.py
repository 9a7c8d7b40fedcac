"""Payers of accounts, as hashes: who paid by WeChat Pay, Alipay, a card or bank transfer.

Used to find accounts of one payer, never to show who paid.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import AccountPayer, BankLine, BankProposal

_BANK = "bank"
_BATCH = 1_000


def payer_digest(kind: str, identity: str) -> bytes:
    """Return the SHA-256 of a payer's kind and identity."""
    return hashlib.sha256(f"{kind}:{identity}".encode(errors="replace")).digest()


async def record_payer(
    session: AsyncSession, account_id: UUID, kind: str, identity: str, paid_at: datetime
) -> None:
    """Record who paid for an account, once; an empty identity is not recorded."""
    if not identity.strip():
        return
    await session.execute(
        insert(AccountPayer)
        .values(
            kind=kind,
            digest=payer_digest(kind, identity.strip()),
            account_id=account_id,
            first_paid_at=paid_at,
        )
        .on_conflict_do_nothing()
    )


async def record_bank_payers(session: AsyncSession, since: datetime) -> int:
    """Record the payers of bank lines that were confirmed since then. Returns how many lines.

    For the worker: reads confirmed lines of all accounts (account_id).
    """
    query = (
        select(
            BankProposal.account_id,
            BankLine.payer_account,
            BankLine.payer_name,
            BankLine.decided_at,
        )
        .join(BankLine, col(BankLine.id) == col(BankProposal.line_id))
        .where(
            col(BankLine.status) == "confirmed",
            col(BankLine.decided_at) >= since,
            col(BankProposal.rejected).is_(False),
        )
        .order_by(col(BankLine.decided_at))
        .limit(_BATCH)
    )
    rows: Sequence[tuple[UUID, str, str, datetime]] = [
        (account_id, account, name, decided_at)
        for account_id, account, name, decided_at in (await session.execute(query)).all()
    ]
    for account_id, account, name, decided_at in rows:
        await record_payer(session, account_id, _BANK, account or name, decided_at)
    return len(rows)
