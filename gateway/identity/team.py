"""Team management of an account: list members, change roles, remove members.

An account always has at least one owner. Every change locks the rows of all owners, so concurrent
changes cannot remove the last one.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.identity.audit_log import Actor, record_audit_event
from gateway.identity.roles import Role
from gateway.identity.sessions import end_account_sessions
from gateway.tables import LoginSession, Membership, Person, ProjectMember
from infra.clock import Clock
from infra.errors import AppError


class MemberNotFound(AppError):
    """The person is not a member of this account."""

    status = 404
    type = "invalid_request_error"
    code = "member_not_found"


class LastOwner(AppError):
    """The only owner of an account can neither leave nor change role."""

    status = 409
    type = "invalid_request_error"
    code = "last_owner"


class RoleInvalid(AppError):
    """A platform role was given for an account, or an account role for the platform."""

    status = 400
    type = "invalid_request_error"
    code = "role_invalid"


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an account.

    `seen_at` is None if the member has no stored session for this account. `second_factor` says
    whether TOTP is enabled.
    """

    person_id: UUID
    email: str
    name: str
    role: Role
    since: datetime
    seen_at: datetime | None
    second_factor: bool


async def list_members(session: AsyncSession, account_id: UUID) -> list[Member]:
    """Return the members of an account, the oldest membership first."""
    seen = (
        select(func.max(LoginSession.seen_at))
        .where(
            col(LoginSession.person_id) == col(Membership.person_id),
            col(LoginSession.account_id) == account_id,
        )
        .scalar_subquery()
    )
    query = (
        select(Membership, Person, seen)
        .join(Person, col(Person.id) == col(Membership.person_id))
        .where(col(Membership.account_id) == account_id)
        .order_by(col(Membership.created_at), col(Person.email))
    )
    return [_to_member(*row) for row in (await session.execute(query)).all()]


async def change_role(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    person_id: UUID,
    role: Role,
    kept_session_id: UUID | None = None,
) -> None:
    """Change a member's role and end the member's sessions in the account, except the kept one.

    Does nothing if the member has the role already. Raises MemberNotFound, LastOwner, RoleInvalid.
    """
    require_account_role(role)
    row = await _lock_membership(session, account_id, person_id, stays_owner=role is Role.OWNER)
    if row.role == role.value:
        return
    details = {"from": row.role, "to": role.value}
    row.role = role.value
    await session.flush()
    await end_account_sessions(session, clock, person_id, account_id, kept_session_id)
    await record_audit_event(
        session, clock, actor, account_id, "member.role_changed", str(person_id), details
    )


async def remove_member(
    session: AsyncSession, clock: Clock, actor: Actor, account_id: UUID, person_id: UUID
) -> None:
    """Remove a member from the account and its projects, and end the member's sessions there.

    Raises MemberNotFound, LastOwner.
    """
    row = await _lock_membership(session, account_id, person_id, stays_owner=False)
    await session.delete(row)
    await session.execute(
        delete(ProjectMember).where(
            col(ProjectMember.account_id) == account_id, col(ProjectMember.person_id) == person_id
        )
    )
    await session.flush()
    await end_account_sessions(session, clock, person_id, account_id)
    details = {"role": row.role}
    await record_audit_event(
        session, clock, actor, account_id, "member.removed", str(person_id), details
    )


async def end_member_sessions(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    person_id: UUID,
    kept_session_id: UUID | None = None,
) -> int:
    """End a member's sessions in the account, except the kept one. Returns how many were ended.

    Raises MemberNotFound.
    """
    await _lock_membership(session, account_id, person_id, stays_owner=True)
    ended = await end_account_sessions(session, clock, person_id, account_id, kept_session_id)
    if ended:
        details = {"sessions": ended}
        subject = str(person_id)
        await record_audit_event(
            session, clock, actor, account_id, "member.sessions_ended", subject, details
        )
    return ended


def require_account_role(role: Role) -> None:
    """Raise RoleInvalid if `role` is a platform role."""
    if role.is_platform_role:
        raise RoleInvalid("This is a platform role. Choose an account role.", param="role")


async def _lock_membership(
    session: AsyncSession, account_id: UUID, person_id: UUID, *, stays_owner: bool
) -> Membership:
    """Lock and return a membership. Raises LastOwner for the only owner, unless `stays_owner`.

    Also locks those of all owners, ordered by id: the fixed order prevents deadlocks. Raises
    MemberNotFound.
    """
    query = (
        select(Membership)
        .where(
            col(Membership.account_id) == account_id,
            (col(Membership.role) == Role.OWNER.value) | (col(Membership.person_id) == person_id),
        )
        .order_by(col(Membership.person_id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    memberships = (await session.scalars(query)).all()
    membership = next((row for row in memberships if row.person_id == person_id), None)
    if membership is None:
        raise MemberNotFound("Member not found in this account.")
    owners = [row.person_id for row in memberships if row.role == Role.OWNER.value]
    if owners == [person_id] and not stays_owner:
        raise LastOwner("An account must have an owner. Make another member an owner first.")
    return membership


def _to_member(row: Membership, person: Person, seen_at: datetime | None) -> Member:
    """Build a member from the membership, the person and the last use (None: never)."""
    return Member(
        person_id=person.id,
        email=person.email,
        name=person.name,
        role=Role(row.role),
        since=row.created_at,
        seen_at=seen_at,
        second_factor=person.totp_since is not None,
    )
