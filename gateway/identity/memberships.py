"""Account memberships: list a person's accounts and roles, and add members."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import Account
from gateway.identity.roles import Role
from gateway.tables import LoginSession, Membership, Person
from infra.clock import Clock
from infra.errors import AppError


class NotAMember(AppError):
    """The person is not a member of this account, or the account does not exist."""

    status = 404
    type = "invalid_request_error"
    code = "not_a_member"

    def __init__(self) -> None:
        super().__init__("You are not a member of this account.")


class NoAccount(AppError):
    """The person has neither a membership nor a platform role, so there is no page to show."""

    status = 403
    type = "invalid_request_error"
    code = "no_account"

    def __init__(self) -> None:
        super().__init__("You are not a member of any account. Ask an owner to invite you again.")


@dataclass(frozen=True, slots=True)
class MembershipView:
    """A person's role in an account, or on the platform (id and name are None)."""

    account_id: UUID | None
    account_name: str | None
    role: Role


async def list_memberships(session: AsyncSession, person_id: UUID) -> list[MembershipView]:
    """Return where a person has a role: the platform first, then accounts by name."""
    platform = await session.scalar(select(Person.platform_role).where(col(Person.id) == person_id))
    query = (
        select(Membership.account_id, Account.name, Membership.role)
        .join(Account, col(Account.id) == col(Membership.account_id))
        .where(col(Membership.person_id) == person_id)
        .order_by(col(Account.name))
    )
    accounts = [
        MembershipView(id_, name, Role(role)) for id_, name, role in await session.execute(query)
    ]
    return ([MembershipView(None, None, Role(platform))] if platform else []) + accounts


async def get_initial_account(session: AsyncSession, person: Person) -> UUID | None:
    """Return the account to show after login: the last shown one, if still permitted.

    Returns None for the platform. Raises NoAccount if the person has no role anywhere.
    """
    memberships = await list_memberships(session, person.id)
    if not memberships:
        raise NoAccount
    last = await session.execute(
        select(LoginSession.account_id)
        .where(
            col(LoginSession.person_id) == person.id,
            col(LoginSession.impersonating_until).is_(None),
        )
        .order_by(col(LoginSession.id).desc())
        .limit(1)
    )
    last_shown: list[UUID | None] = [row.account_id for row in last]
    permitted = [membership.account_id for membership in memberships]
    if last_shown and last_shown[0] is not None and last_shown[0] in permitted:
        return last_shown[0]
    return permitted[0]


async def add_member(
    session: AsyncSession, clock: Clock, person_id: UUID, account_id: UUID, role: Role
) -> bool:
    """Add a membership. Returns False, unchanged, if the person is a member already."""
    inserted = await session.execute(
        insert(Membership)
        .values(person_id=person_id, account_id=account_id, role=role.value, created_at=clock.now())
        .on_conflict_do_nothing()
        .returning(col(Membership.role))
    )
    return inserted.one_or_none() is not None
