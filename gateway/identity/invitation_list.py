"""All invitations of an account that were not withdrawn, accepted and expired ones included."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.identity.invitations import InvitationNotFound, invited_role
from gateway.identity.one_time_tokens import TokenKind
from gateway.identity.roles import Role
from gateway.tables import OneTimeToken
from infra import ids

INVITATION_ID_PREFIX = "invite"


@dataclass(frozen=True, slots=True)
class SentInvitation:
    """An invitation; `accepted_at` is None until somebody has used its link."""

    id: UUID
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None


async def list_invitations(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None = None
) -> list[SentInvitation]:
    """Return a page of an account's invitations, newest first."""
    query = select(OneTimeToken).where(_is_sent(account_id))
    if after is not None:
        query = query.where(col(OneTimeToken.id) < after)
    rows = await session.scalars(query.order_by(col(OneTimeToken.id).desc()).limit(limit))
    return [_to_invitation(row) for row in rows.all()]


async def get_invitation(session: AsyncSession, account_id: UUID, public_id: str) -> SentInvitation:
    """Return an invitation by its public id (`invite_…`). Raises InvitationNotFound."""
    invitation_id = ids.parse_id(INVITATION_ID_PREFIX, public_id)
    query = select(OneTimeToken).where(_is_sent(account_id), col(OneTimeToken.id) == invitation_id)
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise InvitationNotFound("The account has no such invitation.", param="invite_id")
    return _to_invitation(row)


def _to_invitation(row: OneTimeToken) -> SentInvitation:
    """Build an invitation from its row."""
    return SentInvitation(
        row.id, row.email or "", invited_role(row), row.created_at, row.expires_at, row.used_at
    )


def _is_sent(account_id: UUID) -> ColumnElement[bool]:
    """Return the SQL condition for the account's invitations that were not withdrawn."""
    return (
        (col(OneTimeToken.kind) == TokenKind.INVITATION.value)
        & (col(OneTimeToken.account_id) == account_id)
        & col(OneTimeToken.withdrawn_at).is_(None)
    )
