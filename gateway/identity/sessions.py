"""Sessions: the browsers in which people are signed in.

A cookie holds a random token, the table its hash. A session ends after 12 hours without a request,
after 30 days in any case, or when somebody ends it. Owns opening, finding, listing and ending them,
and which account is shown.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, true, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.identity.client_origin import Place
from gateway.identity.current_user import Viewer
from gateway.identity.memberships import NotAMember, belongings
from gateway.identity.one_time_tokens import digest_of, new_secret
from gateway.tables import LoginSession
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

IDLE = timedelta(hours=12)
LONGEST = timedelta(days=30)
_KEPT = timedelta(days=90)


class SessionNotFound(AppError):
    """The person has no such session, or it has ended."""

    status = 404
    type = "invalid_request_error"
    code = "session_not_found"


@dataclass(frozen=True, slots=True)
class Opened:
    """A session just opened. `token` is for the cookie, until `expires_at`; it is nowhere else."""

    token: str
    session_id: UUID
    person_id: UUID
    account_id: UUID | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One of a person's sessions, as it is shown; `current` is the one that asks."""

    id: UUID
    created_at: datetime
    seen_at: datetime
    address: str
    agent: str
    current: bool


async def open_session(
    session: AsyncSession, clock: Clock, person_id: UUID, account_id: UUID | None, place: Place
) -> Opened:
    """Sign a person in, with that account shown; None shows the platform's pages. The caller knows
    that the person may see it. Sessions of three months ago are erased."""
    now, token = clock.now(), new_secret()
    await session.execute(
        delete(LoginSession).where(
            col(LoginSession.person_id) == person_id, col(LoginSession.created_at) < now - _KEPT
        )
    )
    row = LoginSession(
        id=ids.new_id(),
        digest=digest_of(token),
        person_id=person_id,
        account_id=account_id,
        csrf=new_secret(),
        address=place.address,
        agent=place.agent,
        created_at=now,
        seen_at=now,
        expires_at=now + LONGEST,
    )
    session.add(row)
    await session.flush()
    return Opened(token, row.id, person_id, account_id, row.expires_at)


async def my_sessions(session: AsyncSession, clock: Clock, viewer: Viewer) -> list[OpenSession]:
    """The viewer's own that are open, the one that was used last first."""
    query = (
        select(LoginSession)
        .where(col(LoginSession.person_id) == viewer.person_id, is_open(clock))
        .order_by(col(LoginSession.seen_at).desc())
    )
    return [
        OpenSession(
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
    """End one of the viewer's own; its own is to sign out. Raises SessionNotFound."""
    if not await _end(session, clock, viewer.person_id, col(LoginSession.id) == session_id):
        raise SessionNotFound("There is no such session, or it has ended.")


async def end_others(
    session: AsyncSession, clock: Clock, person_id: UUID, keep: UUID | None = None
) -> int:
    """End all of a person's sessions but one; gives how many."""
    return await _end(session, clock, person_id, _not(keep))


async def end_in_account(
    session: AsyncSession, clock: Clock, person_id: UUID, account_id: UUID, keep: UUID | None = None
) -> int:
    """End those of a person's sessions that show an account, but one; gives how many."""
    shown = and_(col(LoginSession.account_id) == account_id, _not(keep))
    return await _end(session, clock, person_id, shown)


async def show_account(
    session: AsyncSession, clock: Clock, viewer: Viewer, account_id: UUID | None
) -> None:
    """Show another of the person's accounts from the next request on, or the platform's pages with
    None. Raises NotAMember, also of an account that does not exist and while support looks."""
    belongs = await belongings(session, viewer.person_id)
    if viewer.impersonated or account_id not in [one.account_id for one in belongs]:
        raise NotAMember
    await session.execute(
        update(LoginSession)
        .where(col(LoginSession.id) == viewer.session_id, is_open(clock))
        .values(account_id=account_id)
    )


def is_open(clock: Clock) -> ColumnElement[bool]:
    """Of sessions that have not ended, by whatever."""
    now = clock.now()
    return and_(
        col(LoginSession.ended_at).is_(None),
        col(LoginSession.expires_at) > now,
        col(LoginSession.seen_at) > now - IDLE,
    )


def _not(keep: UUID | None) -> ColumnElement[bool]:
    return true() if keep is None else col(LoginSession.id) != keep


async def _end(
    session: AsyncSession, clock: Clock, person_id: UUID, which: ColumnElement[bool]
) -> int:
    ended = await session.execute(
        update(LoginSession)
        .where(col(LoginSession.person_id) == person_id, is_open(clock), which)
        .values(ended_at=clock.now())
        .returning(col(LoginSession.id))
    )
    return len(ended.all())
