"""Find the signed-in person of a request by the session cookie.

Every page runs this query first, so a changed or revoked role takes effect with the next request.
Also updates the session's last-seen time and ends expired impersonations.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from billing.tables import Account
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.identity.current_user import Viewer
from gateway.identity.one_time_tokens import secret_digest
from gateway.identity.roles import Role
from gateway.identity.sessions import is_active
from gateway.tables import LoginSession, Membership, Person
from infra.clock import Clock

_SEEN_UPDATE_INTERVAL = timedelta(minutes=1)
_MAX_TOKEN_LENGTH = 200


async def find_viewer(session: AsyncSession, clock: Clock, token: str) -> Viewer | None:
    """Return the person signed in by a session cookie's token, or None.

    Returns None if the session is unknown or has ended, or if the person no longer has a role in
    the account that it shows.
    """
    if len(token) > _MAX_TOKEN_LENGTH:
        return None
    query = _session_query().where(
        col(LoginSession.digest) == secret_digest(token), is_active(clock)
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    await _update_last_seen(session, clock, row[0])
    return _to_viewer(row, clock.now())


def _session_query() -> Any:
    """Return the query of a session with its person, roles, account and membership count."""
    any_membership = aliased(Membership)  # not joined on the session's account_id
    membership_count = (
        select(func.count())
        .select_from(any_membership)
        .where(col(any_membership.person_id) == col(LoginSession.person_id))
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
            membership_count.label("membership_count"),
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


def _to_viewer(row: Row[Any], now: datetime) -> Viewer | None:
    """Build the viewer of a session row. Returns None if the person has no role there."""
    login: LoginSession = row[0]
    until = login.impersonating_until
    is_impersonating = until is not None and until > now
    uses_platform_role = until is not None or login.account_id is None
    role = row.platform_role if uses_platform_role else row.firm_role
    if role is None:
        return None
    return Viewer(
        session_id=login.id,
        person_id=login.person_id,
        email=row.email,
        name=row.name,
        role=Role(role),
        account_id=login.account_id if is_impersonating or not uses_platform_role else None,
        account_name=row.account_name if is_impersonating or not uses_platform_role else None,
        language=row.language,
        csrf=login.csrf,
        impersonated=is_impersonating,
        elsewhere=not is_impersonating
        and row.membership_count + (row.platform_role is not None) > 1,
    )


async def _update_last_seen(session: AsyncSession, clock: Clock, login: LoginSession) -> None:
    """Update the session's last-seen time at most once a minute; end an expired impersonation."""
    now = clock.now()
    if login.impersonating_until is not None and login.impersonating_until <= now:
        await _end_expired_impersonation(session, clock, login)
    # abs(): if the clock was set back, the last-seen time would otherwise stay in the future.
    elif abs(now - login.seen_at) >= _SEEN_UPDATE_INTERVAL:
        await session.execute(
            update(LoginSession).where(col(LoginSession.id) == login.id).values(seen_at=now)
        )


async def _end_expired_impersonation(
    session: AsyncSession, clock: Clock, login: LoginSession
) -> None:
    """End an expired impersonation and audit it; concurrent requests audit it once."""
    updated = await session.execute(
        update(LoginSession)
        .where(
            col(LoginSession.id) == login.id,
            col(LoginSession.impersonating_until) == login.impersonating_until,
        )
        .values(account_id=None, impersonating_until=None, seen_at=clock.now())
        .returning(col(LoginSession.id))
        .execution_options(synchronize_session=False)
    )
    if updated.one_or_none() is not None:
        actor = Actor(login.person_id, login.address, impersonated=True)
        details = {"lapsed": True}
        await record_audit_event(
            session, clock, actor, login.account_id, "impersonation.ended", "", details
        )
