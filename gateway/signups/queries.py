"""Sign-ups as operators see them: list, find, count, and as JSON. Reads all sign-ups."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from gateway.signups.errors import SignupNotFound
from gateway.signups.opening import SIGNUP_ID_PREFIX
from gateway.tables import Signup
from infra import ids

STATUSES = ("unverified", "review", "opened", "refused")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SignupCounts:
    """Sign-ups of the last day by outcome (or status, if there is none yet), and the oldest that
    waits for a review."""

    by_outcome: dict[str, int]
    oldest_review: datetime | None


async def list_signups(
    session: AsyncSession, status: str | None = "review", limit: int = 100
) -> list[Signup]:
    """List sign-ups of a status, or all if None: those in review oldest first, others newest."""
    query = select(Signup)
    if status is not None:
        query = query.where(col(Signup.status) == status)
    is_queue = status == "review"
    order = col(Signup.verified_at).asc() if is_queue else col(Signup.created_at).desc()
    return list((await session.scalars(query.order_by(order, col(Signup.id)).limit(limit))).all())


async def page_signups(
    session: AsyncSession, status: str | None, limit: int, before: UUID | None
) -> list[Signup]:
    """List sign-ups of a status, or all if None, newest first; older than `before` if given."""
    query = select(Signup).order_by(col(Signup.id).desc()).limit(limit)
    if status is not None:
        query = query.where(col(Signup.status) == status)
    if before is not None:
        query = query.where(col(Signup.id) < before)
    return list((await session.scalars(query)).all())


async def find_signup(session: AsyncSession, name: str, *, lock: bool = False) -> Signup:
    """Find a sign-up by its id (signup_…). Raises SignupNotFound."""
    identity = ids.parse_id(SIGNUP_ID_PREFIX, name)
    row = None
    if identity is not None:
        row = await session.get(Signup, identity, with_for_update=lock or None)
    if row is None:
        raise SignupNotFound
    return row


async def count_signups(session: AsyncSession, now: datetime) -> SignupCounts:
    """Count the sign-ups of the last day, and find the oldest that waits for a review."""
    kind = func.coalesce(col(Signup.outcome), col(Signup.status))
    counting = select(kind, func.count()).where(col(Signup.created_at) > now - _DAY).group_by(kind)
    counts: Sequence[tuple[str, int]] = [
        (name, number) for name, number in (await session.execute(counting)).all()
    ]
    oldest = select(func.min(col(Signup.verified_at))).where(col(Signup.status) == "review")
    return SignupCounts(dict(counts), (await session.execute(oldest)).scalar_one())


def signup_json(row: Signup) -> dict[str, Any]:
    """Return a sign-up for operators, without secrets."""
    return {
        "id": ids.format_id(SIGNUP_ID_PREFIX, row.id),
        "object": "signup",
        "status": row.status,
        "outcome": row.outcome,
        "reasons": row.reasons,
        "company_name": row.company_name,
        "credit_code": row.credit_code,
        "contact_name": row.contact_name,
        "email": row.email,
        "plan": row.plan,
        "language": row.language,
        "address": row.address,
        "network": row.network,
        "created_at": row.created_at.isoformat(),
        "verified_at": row.verified_at and row.verified_at.isoformat(),
        "appealed": row.appealed,
        "decided_at": row.decided_at and row.decided_at.isoformat(),
        "decided_by": row.decided_by,
        "note": row.note,
        "account": row.account_id and ids.format_id(ACCOUNT_ID_PREFIX, row.account_id),
        "granted": row.grant_id is not None,
        "grant_revoked_at": row.revoked_at and row.revoked_at.isoformat(),
        "texts": row.texts,
        "facts": row.facts,
    }
