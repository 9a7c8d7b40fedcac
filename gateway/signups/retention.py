"""Deletes sign-ups that led nowhere. Those of accounts are kept: they hold the accepted terms."""

from datetime import timedelta

from sqlalchemy import and_, delete, or_, update
from sqlmodel import col, select

from gateway.identity.throttling.lockout import delete_old_attempts
from gateway.tables import Signup
from infra.clock import Clock
from infra.database.database import Database

UNVERIFIED_RETENTION = timedelta(days=2)
REFUSED_RETENTION = timedelta(days=180)
# Who was refused can ask for a review within a day, with the password of the form.
_PASSWORD_RETENTION = timedelta(days=2)
_BATCH = 1_000
_COUNTER_BATCHES = 10  # of 100 each


async def delete_old_signups(database: Database, clock: Clock) -> int:
    """Delete unverified and refused sign-ups past their retention; returns how many.

    Forgets passwords of refused sign-ups, which nobody can review any more, and old counters.
    """
    now = clock.now()
    old = or_(
        and_(
            col(Signup.status) == "unverified",
            col(Signup.created_at) < now - UNVERIFIED_RETENTION,
        ),
        and_(col(Signup.status) == "refused", col(Signup.created_at) < now - REFUSED_RETENTION),
    )
    async with database.transaction() as session:
        due = select(col(Signup.id)).where(old).order_by(col(Signup.created_at)).limit(_BATCH)
        deleted = await session.scalars(
            delete(Signup)
            .where(col(Signup.id).in_(due.with_for_update(skip_locked=True)))
            .returning(col(Signup.id))
        )
        number = len(deleted.all())
        await session.execute(
            update(Signup)
            .where(
                col(Signup.status) == "refused",
                col(Signup.password_hash).is_not(None),
                col(Signup.created_at) < now - _PASSWORD_RETENTION,
            )
            .values(password_hash=None)
        )
        for _ in range(_COUNTER_BATCHES):
            await delete_old_attempts(session, clock)
    return number
