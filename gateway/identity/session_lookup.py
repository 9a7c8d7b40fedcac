"""Viewing: who looks at a page, from the token in the cookie.

Owns that one query, which each page begins with, and noting now and then that a session is in use.
Rights are read anew for each page: a role that was changed or ended holds from the next click on.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from billing.tables import Account
from gateway.identity.audit_log import Actor, record
from gateway.identity.current_user import Viewer
from gateway.identity.one_time_tokens import digest_of
from gateway.identity.roles import Role
from gateway.identity.sessions import is_open
from gateway.tables import LoginSession, Membership, Person
from infra.clock import Clock

_NOTED_EVERY = timedelta(minutes=1)
_LONGEST = 200


async def find_viewer(session: AsyncSession, clock: Clock, token: str) -> Viewer | None:
    """Whose session a cookie's token is; None where it is none, has ended, or shows an account that
    the person does not belong to any more."""
    if len(token) > _LONGEST:
        return None
    query = _query().where(col(LoginSession.digest) == digest_of(token), is_open(clock))
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    await _note(session, clock, row[0])
    return _viewer(row, clock.now())


def _query() -> Any:
    every = aliased(Membership)  # whatever account_id it is of
    places = (
        select(func.count())
        .select_from(every)
        .where(col(every.person_id) == col(LoginSession.person_id))
        .scalar_subquery()
    )
    return (
        select(
            LoginSession,
            col(Person.email),
            col(Person.name),
            col(Person.language),
            col(Person.platform_role),
            col(Membership.role).label("firm_role"),
            col(Account.name).label("account_name"),
            places.label("places"),
        )
        .join(Person, col(Person.id) == col(LoginSession.person_id))
        .join(Account, col(Account.id) == col(LoginSession.account_id), isouter=True)
        .join(
            Membership,
            and_(
                col(Membership.person_id) == col(LoginSession.person_id),
                col(Membership.account_id) == col(LoginSession.account_id),
            ),
            isouter=True,
        )
    )


def _viewer(row: Row[Any], now: datetime) -> Viewer | None:
    found: LoginSession = row[0]
    until = found.impersonating_until
    looks = until is not None and until > now
    of_platform = until is not None or found.account_id is None
    role = row.platform_role if of_platform else row.firm_role
    if role is None:
        return None
    return Viewer(
        session_id=found.id,
        person_id=found.person_id,
        email=row.email,
        name=row.name,
        role=Role(role),
        account_id=found.account_id if looks or not of_platform else None,
        account_name=row.account_name if looks or not of_platform else None,
        language=row.language,
        csrf=found.csrf,
        impersonated=looks,
        elsewhere=not looks and row.places + (row.platform_role is not None) > 1,
    )


async def _note(session: AsyncSession, clock: Clock, found: LoginSession) -> None:
    """That it was seen, at most once a minute; and that a look at an account is over, once."""
    now = clock.now()
    if found.impersonating_until is not None and found.impersonating_until <= now:
        await _lapse(session, clock, found)
    # Also where the clock was set back: else a session would seem in use until it came there again.
    elif abs(now - found.seen_at) >= _NOTED_EVERY:
        await session.execute(
            update(LoginSession).where(col(LoginSession.id) == found.id).values(seen_at=now)
        )


async def _lapse(session: AsyncSession, clock: Clock, found: LoginSession) -> None:
    lapsed = await session.execute(
        update(LoginSession)
        .where(
            col(LoginSession.id) == found.id,
            col(LoginSession.impersonating_until) == found.impersonating_until,
        )
        .values(account_id=None, impersonating_until=None, seen_at=clock.now())
        .returning(col(LoginSession.id))
        .execution_options(synchronize_session=False)
    )
    if lapsed.one_or_none() is not None:
        by = Actor(found.person_id, found.address, impersonated=True)
        details = {"lapsed": True}
        await record(session, clock, by, found.account_id, "impersonation.ended", "", details)
