"""Impersonation: support staff view an account's pages read-only, for at most one hour.

The operator's own session shows the account; `Viewer.has_permission` then grants READ only. Start
and end are recorded in the account's audit log.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from billing.accounts.accounts import AccountNotFound
from billing.tables import Account
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.identity.current_user import Viewer
from gateway.identity.roles import Permission
from gateway.identity.sessions import is_active
from gateway.tables import LoginSession
from infra.clock import Clock
from infra.errors import AppError

MAX_DURATION = timedelta(hours=1)


class NotPermitted(AppError):
    """The signed-in person's role does not grant the permission."""

    status = 403
    type = "invalid_request_error"
    code = "not_permitted"


async def start_impersonation(
    session: AsyncSession,
    clock: Clock,
    viewer: Viewer,
    account_id: UUID,
    address: str,
    reason: str = "",
) -> datetime:
    """Show an account's pages to support staff. Returns when the impersonation expires.

    Raises NotPermitted, AccountNotFound.
    """
    if not viewer.has_permission(Permission.IMPERSONATE):
        raise NotPermitted("Only operators and support staff can view an account as customer.")
    if await session.get(Account, account_id) is None:
        raise AccountNotFound("Account not found.")
    until = clock.now() + MAX_DURATION
    await _set_shown_account(session, clock, viewer, account_id, until)
    actor = Actor(viewer.person_id, address, impersonated=True)
    details = {"until": until.isoformat(), "reason": reason}
    await record_audit_event(session, clock, actor, account_id, "impersonation.began", "", details)
    return until


async def end_impersonation(
    session: AsyncSession, clock: Clock, viewer: Viewer, address: str
) -> None:
    """Return to the platform's pages. Does nothing if the session is not impersonating."""
    if not viewer.impersonated:
        return
    await _set_shown_account(session, clock, viewer, None, None)
    actor = Actor(viewer.person_id, address, impersonated=True)
    await record_audit_event(session, clock, actor, viewer.account_id, "impersonation.ended")


async def _set_shown_account(
    session: AsyncSession,
    clock: Clock,
    viewer: Viewer,
    account_id: UUID | None,
    until: datetime | None,
) -> None:
    """Set the account that the session shows, and the end of impersonation (None: none)."""
    await session.execute(
        update(LoginSession)
        .where(col(LoginSession.id) == viewer.session_id, is_active(clock))
        .values(account_id=account_id, impersonating_until=until)
    )
