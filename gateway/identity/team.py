"""Team: who belongs to an account, changing roles and ending memberships.

An account always has an owner: changes of owners follow one another by locking the owners' rows.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.identity.audit_log import Actor, record
from gateway.identity.roles import Role
from gateway.identity.sessions import end_in_account
from gateway.tables import LoginSession, Membership, Person
from infra.clock import Clock
from infra.errors import AppError


class MemberNotFound(AppError):
    """Nobody of this account."""

    status = 404
    type = "invalid_request_error"
    code = "member_not_found"


class LastOwner(AppError):
    """The only owner can neither leave nor become something else."""

    status = 409
    type = "invalid_request_error"
    code = "last_owner"


class RoleInvalid(AppError):
    """A role of the platform in an account, or the other way round."""

    status = 400
    type = "invalid_request_error"
    code = "role_invalid"


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of an account. `seen_at` is None where no session is kept; `second_factor` tells
    whether a code is asked for."""

    person_id: UUID
    email: str
    name: str
    role: Role
    since: datetime
    seen_at: datetime | None
    second_factor: bool


async def members(session: AsyncSession, account_id: UUID) -> list[Member]:
    """Everybody of an account, the first one first."""
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
    return [_shown(*row) for row in (await session.execute(query)).all()]


async def change_role(
    session: AsyncSession,
    clock: Clock,
    by: Actor,
    account_id: UUID,
    person_id: UUID,
    role: Role,
    keep: UUID | None = None,
) -> None:
    """Make a member something else; its sessions there end, but the one to keep. The same role
    again changes nothing. Raises MemberNotFound, LastOwner, RoleInvalid."""
    require_of_firm(role)
    row = await _locked(session, account_id, person_id, still_owner=role is Role.OWNER)
    if row.role == role.value:
        return
    details = {"from": row.role, "to": role.value}
    row.role = role.value
    await session.flush()
    await end_in_account(session, clock, person_id, account_id, keep)
    await record(session, clock, by, account_id, "member.role_changed", str(person_id), details)


async def remove(
    session: AsyncSession, clock: Clock, by: Actor, account_id: UUID, person_id: UUID
) -> None:
    """End a membership, or leave; its sessions there end. Raises MemberNotFound, LastOwner."""
    row = await _locked(session, account_id, person_id, still_owner=False)
    await session.delete(row)
    await session.flush()
    await end_in_account(session, clock, person_id, account_id)
    details = {"role": row.role}
    await record(session, clock, by, account_id, "member.removed", str(person_id), details)


async def end_sessions(
    session: AsyncSession,
    clock: Clock,
    by: Actor,
    account_id: UUID,
    person_id: UUID,
    keep: UUID | None = None,
) -> int:
    """Sign a member out wherever the account is shown, but of the session to keep; gives of how
    many. Raises MemberNotFound."""
    await _locked(session, account_id, person_id, still_owner=True)
    ended = await end_in_account(session, clock, person_id, account_id, keep)
    if ended:
        details = {"sessions": ended}
        place = by, account_id, "member.sessions_ended", str(person_id), details
        await record(session, clock, *place)
    return ended


def require_of_firm(role: Role) -> None:
    """Raises RoleInvalid."""
    if role.of_platform:
        raise RoleInvalid("This role is held on the platform, not in an account.", param="role")


async def _locked(
    session: AsyncSession, account_id: UUID, person_id: UUID, *, still_owner: bool
) -> Membership:
    """The membership, locked together with those of all owners, in one order everywhere."""
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
    rows = (await session.scalars(query)).all()
    found = next((row for row in rows if row.person_id == person_id), None)
    if found is None:
        raise MemberNotFound("There is nobody like that in this account.")
    owners = [row.person_id for row in rows if row.role == Role.OWNER.value]
    if owners == [person_id] and not still_owner:
        raise LastOwner("An account has at least one owner. Make somebody else one first.")
    return found


def _shown(row: Membership, person: Person, seen_at: datetime | None) -> Member:
    return Member(
        person_id=person.id,
        email=person.email,
        name=person.name,
        role=Role(row.role),
        since=row.created_at,
        seen_at=seen_at,
        second_factor=person.totp_since is not None,
    )
