"""Impersonating: support reads an account's pages as its people see them, for an hour at most.

It is the same session with the account shown, and everything but reading is refused (`Viewer.may`).
Start and end are in the account's audit log.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from billing.accounts.accounts import AccountNotFound
from billing.tables import Account
from gateway.identity.audit_log import Actor, record
from gateway.identity.current_user import Viewer
from gateway.identity.roles import Permission
from gateway.identity.sessions import is_open
from gateway.tables import LoginSession
from infra.clock import Clock
from infra.errors import AppError

LASTS = timedelta(hours=1)


class NotPermitted(AppError):
    """The viewer's role does not allow it."""

    status = 403
    type = "invalid_request_error"
    code = "not_permitted"


async def begin(
    session: AsyncSession,
    clock: Clock,
    viewer: Viewer,
    account_id: UUID,
    address: str,
    reason: str = "",
) -> datetime:
    """Show an account to its viewer of the platform; gives until when.

    Raises NotPermitted, AccountNotFound.
    """
    if not viewer.may(Permission.IMPERSONATE):
        raise NotPermitted("Only the platform's own people may look at others' pages.")
    if await session.get(Account, account_id) is None:
        raise AccountNotFound("There is no such account.")
    until = clock.now() + LASTS
    await _show(session, clock, viewer, account_id, until)
    by = Actor(viewer.person_id, address, impersonated=True)
    details = {"until": until.isoformat(), "reason": reason}
    await record(session, clock, by, account_id, "impersonation.began", "", details)
    return until


async def end(session: AsyncSession, clock: Clock, viewer: Viewer, address: str) -> None:
    """Back to the platform's pages; where nobody looks, it changes nothing."""
    if not viewer.impersonated:
        return
    await _show(session, clock, viewer, None, None)
    by = Actor(viewer.person_id, address, impersonated=True)
    await record(session, clock, by, viewer.account_id, "impersonation.ended")


async def _show(
    session: AsyncSession,
    clock: Clock,
    viewer: Viewer,
    account_id: UUID | None,
    until: datetime | None,
) -> None:
    await session.execute(
        update(LoginSession)
        .where(col(LoginSession.id) == viewer.session_id, is_open(clock))
        .values(account_id=account_id, impersonating_until=until)
    )
