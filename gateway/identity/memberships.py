"""Where people belong: which accounts' pages somebody may see, and as what."""

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
    """The person does not belong to this account; the same where there is no such account."""

    status = 404
    type = "invalid_request_error"
    code = "not_a_member"

    def __init__(self) -> None:
        super().__init__("There is no such account among those that you belong to.")


class NoAccount(AppError):
    """Somebody whose last membership has ended: there is no page to show."""

    status = 403
    type = "invalid_request_error"
    code = "no_account"

    def __init__(self) -> None:
        super().__init__("You belong to no account any more. Ask its owner to invite you again.")


@dataclass(frozen=True, slots=True)
class Belonging:
    """An account, or the platform with neither id nor name, and what the person is there."""

    account_id: UUID | None
    account_name: str | None
    role: Role


async def belongings(session: AsyncSession, person_id: UUID) -> list[Belonging]:
    """Where a person may go: the platform first, then accounts by name."""
    platform = await session.scalar(select(Person.platform_role).where(col(Person.id) == person_id))
    query = (
        select(Membership.account_id, Account.name, Membership.role)
        .join(Account, col(Account.id) == col(Membership.account_id))
        .where(col(Membership.person_id) == person_id)
        .order_by(col(Account.name))
    )
    accounts = [
        Belonging(id_, name, Role(role)) for id_, name, role in await session.execute(query)
    ]
    return ([Belonging(None, None, Role(platform))] if platform else []) + accounts


async def first_shown(session: AsyncSession, person: Person) -> UUID | None:
    """The account that is shown after signing in: the one shown last, where the person still
    belongs to it; None is the platform. Raises NoAccount."""
    belongs = await belongings(session, person.id)
    if not belongs:
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
    shown = [row.account_id for row in last]
    known = [one.account_id for one in belongs]
    return shown[0] if shown and shown[0] in known else known[0]


async def join(
    session: AsyncSession, clock: Clock, person_id: UUID, account_id: UUID, role: Role
) -> bool:
    """Make a person a member; False where it is one already, which changes nothing."""
    made = await session.execute(
        insert(Membership)
        .values(person_id=person_id, account_id=account_id, role=role.value, created_at=clock.now())
        .on_conflict_do_nothing()
        .returning(col(Membership.role))
    )
    return made.one_or_none() is not None
