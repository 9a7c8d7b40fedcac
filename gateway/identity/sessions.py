"""Login sessions: create, list and end them, and switch the account that a session shows.

The cookie holds a random token, the table its SHA-256. A session ends after 12 hours without a
request, after 30 days, or when it is ended explicitly.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, true, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.identity.client_origin import ClientOrigin
from gateway.identity.current_user import Viewer
from gateway.identity.memberships import NotAMember, list_memberships
from gateway.identity.one_time_tokens import generate_secret, secret_digest
from gateway.tables import LoginSession
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

IDLE_TIMEOUT = timedelta(hours=12)
MAX_LIFETIME = timedelta(days=30)
_RETENTION = timedelta(days=90)


class SessionNotFound(AppError):
    """The person has no active session with this id."""

    status = 404
    type = "invalid_request_error"
    code = "session_not_found"


@dataclass(frozen=True, slots=True)
class NewSession:
    """A newly created session. `token` is the cookie value until `expires_at`; it is not stored."""

    token: str
    session_id: UUID
    person_id: UUID
    account_id: UUID | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SessionView:
    """One of a person's sessions for display. `current` marks the session of the request."""

    id: UUID
    created_at: datetime
    seen_at: datetime
    address: str
    agent: str
    current: bool


async def create_session(
    session: AsyncSession,
    clock: Clock,
    person_id: UUID,
    account_id: UUID | None,
    origin: ClientOrigin,
) -> NewSession:
    """Create a session that shows the account, or the platform's pages if `account_id` is None.

    The caller has checked that the person may see the account. Deletes the person's sessions older
    than 90 days.
    """
    now, token = clock.now(), generate_secret()
    await session.execute(
        delete(LoginSession).where(
            col(LoginSession.person_id) == person_id,
            col(LoginSession.created_at) < now - _RETENTION,
        )
    )
    row = LoginSession(
        id=ids.new_id(),
        digest=secret_digest(token),
        person_id=person_id,
        account_id=account_id,
        csrf=generate_secret(),
        address=origin.address,
        agent=origin.agent,
        created_at=now,
        seen_at=now,
        expires_at=now + MAX_LIFETIME,
    )
    session.add(row)
    await session.flush()
    return NewSession(token, row.id, person_id, account_id, row.expires_at)


async def list_sessions(session: AsyncSession, clock: Clock, viewer: Viewer) -> list[SessionView]:
    """Return the viewer's own active sessions, most recently used first."""
    query = (
        select(LoginSession)
        .where(col(LoginSession.person_id) == viewer.person_id, is_active(clock))
        .order_by(col(LoginSession.seen_at).desc())
    )
    return [
        SessionView(
            row.id,
            row.created_at,
            row.seen_at,
            row.address,
            row.agent,
            row.id == viewer.session_id,
        )
        for row in (await session.scalars(query)).all()
    ]


async def end_session(
    session: AsyncSession, clock: Clock, viewer: Viewer, session_id: UUID
) -> None:
    """End one of the viewer's own sessions; ending the current one signs out.

    Raises SessionNotFound.
    """
    if not await _end_matching(
        session, clock, viewer.person_id, col(LoginSession.id) == session_id
    ):
        raise SessionNotFound("Session not found, or it has ended.")


async def end_other_sessions(
    session: AsyncSession, clock: Clock, person_id: UUID, kept_session_id: UUID | None = None
) -> int:
    """End all sessions of a person except the kept one. Returns how many were ended."""
    return await _end_matching(session, clock, person_id, _is_other_than(kept_session_id))


async def end_account_sessions(
    session: AsyncSession,
    clock: Clock,
    person_id: UUID,
    account_id: UUID,
    kept_session_id: UUID | None = None,
) -> int:
    """End a person's sessions that show an account, except the kept one. Returns how many."""
    shown = and_(col(LoginSession.account_id) == account_id, _is_other_than(kept_session_id))
    return await _end_matching(session, clock, person_id, shown)


async def switch_account(
    session: AsyncSession, clock: Clock, viewer: Viewer, account_id: UUID | None
) -> None:
    """Switch the session to another account of the person, or to the platform with None.

    Takes effect with the next request. Raises NotAMember, also if the account does not exist or the
    session is impersonating.
    """
    memberships = await list_memberships(session, viewer.person_id)
    if viewer.impersonated or account_id not in [item.account_id for item in memberships]:
        raise NotAMember
    await session.execute(
        update(LoginSession)
        .where(col(LoginSession.id) == viewer.session_id, is_active(clock))
        .values(account_id=account_id)
    )


def is_active(clock: Clock) -> ColumnElement[bool]:
    """Return the SQL condition for sessions that are neither ended, expired nor idle too long."""
    now = clock.now()
    return and_(
        col(LoginSession.ended_at).is_(None),
        col(LoginSession.expires_at) > now,
        col(LoginSession.seen_at) > now - IDLE_TIMEOUT,
    )


def _is_other_than(session_id: UUID | None) -> ColumnElement[bool]:
    """Return the SQL condition for all sessions except this one; for None, all."""
    return true() if session_id is None else col(LoginSession.id) != session_id


async def _end_matching(
    session: AsyncSession, clock: Clock, person_id: UUID, condition: ColumnElement[bool]
) -> int:
    """End a person's active sessions that meet the SQL condition. Returns how many."""
    ended = await session.execute(
        update(LoginSession)
        .where(col(LoginSession.person_id) == person_id, is_active(clock), condition)
        .values(ended_at=clock.now())
        .returning(col(LoginSession.id))
    )
    return len(ended.all())
