"""Invitations: a link by which somebody comes to an account, or to the platform."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import Account
from gateway.identity.audit_log import Actor, record
from gateway.identity.email_address import normal_email
from gateway.identity.links import Links
from gateway.identity.mail import Letter, send
from gateway.identity.one_time_tokens import Kind, digest_of, is_open, issue, new_secret
from gateway.identity.people import anybody, language_of, person_by_email
from gateway.identity.roles import Role
from gateway.identity.team import RoleInvalid, require_of_firm
from gateway.tables import Membership, OneTimeToken, Person
from infra.clock import Clock
from infra.errors import AppError
from infra.secrets.sealer import Sealer
from infra.secrets.secret_key import secret_key
from infra.settings import Settings

LASTS = timedelta(days=7)
_MOST_OPEN = 100
_PLATFORM = "MaaS"


class InvitationNotFound(AppError):
    """The account has no such invitation that is open."""

    status = 404
    type = "invalid_request_error"
    code = "invitation_not_found"


class AlreadyMember(AppError):
    """Somebody who belongs there already; the role is changed instead."""

    status = 409
    type = "invalid_request_error"
    code = "already_member"


class AlreadyInvited(AppError):
    """The same invitation is open; it is sent again instead."""

    status = 409
    type = "invalid_request_error"
    code = "already_invited"


class TooManyInvitations(AppError):
    """An account with very many open invitations."""

    status = 409
    type = "invalid_request_error"
    code = "too_many_invitations"


@dataclass(frozen=True, slots=True)
class Issued:
    """An invitation just made. `link` works once and is shown only now; it was mailed too."""

    id: UUID
    email: str
    link: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """An open invitation, as it is shown; it works no more from `expires_at` on."""

    id: UUID
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Inviting:
    """Invitations of one process. `account_id` None is the platform, in all of it."""

    clock: Clock
    sealer: Sealer
    links: Links

    @classmethod
    def of(cls, settings: Settings, clock: Clock) -> "Inviting":
        """Where no gateway process runs, as on the command line."""
        return cls(clock, Sealer(secret_key(settings)), Links.of(settings))

    async def invite_once(
        self, session: AsyncSession, by: Actor, account_id: UUID | None, email: str, role: Role
    ) -> Issued:
        """Invite an address, but leave an open invitation of it to the same role as it is.

        Raises AlreadyInvited, and what `invite` raises.
        """
        wanted, now = (normal_email(email), role), self.clock.now()
        for one in await self.pending(session, account_id):
            if (one.email, one.role) == wanted and one.expires_at > now:
                raise AlreadyInvited("This address is invited already.", param="email")
        return await self.invite(session, by, account_id, email, role)

    async def invite(
        self, session: AsyncSession, by: Actor, account_id: UUID | None, email: str, role: Role
    ) -> Issued:
        """Invite an address; an earlier invitation of it to the same account works no more.

        Raises EmailInvalid, RoleInvalid, AlreadyMember, TooManyInvitations.
        """
        _require_role(account_id, role)
        email = normal_email(email)
        if await _is_member(session, account_id, email):
            raise AlreadyMember("This person belongs to the team already.", param="email")
        await _withdraw(session, self.clock, _of(account_id), col(OneTimeToken.email) == email)
        if len(await self.pending(session, account_id)) >= _MOST_OPEN:
            raise TooManyInvitations(f"There are {_MOST_OPEN} open invitations. Withdraw some.")
        row, secret = await issue(
            session,
            self.clock,
            Kind.INVITATION,
            LASTS,
            email=email,
            account_id=account_id,
            role=role.value,
            made_by=by.person_id,
        )
        details = {"role": role.value}
        await record(session, self.clock, by, account_id, "invitation.made", email, details)
        return await self._sent(session, row, secret)

    async def resend(
        self, session: AsyncSession, by: Actor, account_id: UUID | None, invitation_id: UUID
    ) -> Issued:
        """Another link for the same invitation, for 7 days from now; the earlier one works no more.

        Raises InvitationNotFound.
        """
        row, secret = await self._own(session, account_id, invitation_id), new_secret()
        row.digest, row.expires_at = digest_of(secret), self.clock.now() + LASTS
        await session.flush()
        await record(session, self.clock, by, account_id, "invitation.sent_again", str(row.email))
        return await self._sent(session, row, secret)

    async def withdraw(
        self, session: AsyncSession, by: Actor, account_id: UUID | None, invitation_id: UUID
    ) -> None:
        """Its link works no more. Raises InvitationNotFound."""
        row = await self._own(session, account_id, invitation_id)
        row.withdrawn_at = self.clock.now()
        await session.flush()
        await record(session, self.clock, by, account_id, "invitation.withdrawn", str(row.email))

    async def pending(self, session: AsyncSession, account_id: UUID | None) -> list[Invitation]:
        """Those that are open or have expired of late, the oldest first."""
        query = select(OneTimeToken).where(_not_used(), _of(account_id))
        return [
            Invitation(row.id, row.email or "", role_of(row), row.created_at, row.expires_at)
            for row in (await session.scalars(query.order_by(col(OneTimeToken.id)))).all()
        ]

    async def first(self, session: AsyncSession, account_id: UUID | None) -> str | None:
        """A link by which the first operator comes, who then owns that account too; None where
        there are people already. An earlier one works no more."""
        if await anybody(session):
            return None
        await _withdraw(session, self.clock, col(OneTimeToken.kind) == Kind.FIRST.value)
        role = Role.OPERATOR.value
        _, secret = await issue(
            session, self.clock, Kind.FIRST, LASTS, account_id=account_id, role=role
        )
        return self.links.invitation(secret)

    async def _own(
        self, session: AsyncSession, account_id: UUID | None, invitation_id: UUID
    ) -> OneTimeToken:
        """One that was not used, locked."""
        query = select(OneTimeToken).where(
            col(OneTimeToken.id) == invitation_id, _not_used(), _of(account_id)
        )
        row = (await session.scalars(query.with_for_update())).one_or_none()
        if row is None:
            raise InvitationNotFound("There is no such open invitation.")
        return row

    async def _sent(self, session: AsyncSession, row: OneTimeToken, secret: str) -> Issued:
        email, link = str(row.email), self.links.invitation(secret)
        person = await person_by_email(session, email)
        account = await session.get(Account, row.account_id) if row.account_id else None
        letter = Letter(
            kind="invitation",
            to=email,
            language=await language_of(session, person, row.account_id),
            key=row.digest.hex(),
            account_id=row.account_id,
            secret=True,
            values={"account": account.name if account else _PLATFORM, "link": link},
        )
        await send(session, self.clock, self.sealer, letter)
        return Issued(row.id, email, link, row.expires_at)


def role_of(row: OneTimeToken) -> Role:
    """What an invitation makes of somebody."""
    return Role(row.role or "")


def _require_role(account_id: UUID | None, role: Role) -> None:
    if account_id is not None:
        require_of_firm(role)
    elif not role.of_platform:
        raise RoleInvalid("On the platform one is operator or support.", param="role")


async def _is_member(session: AsyncSession, account_id: UUID | None, email: str) -> bool:
    query = select(Person.platform_role).where(col(Person.email) == email)
    if account_id is not None:
        query = (
            select(Membership.role)
            .join(Person, col(Person.id) == col(Membership.person_id))
            .where(col(Person.email) == email, col(Membership.account_id) == account_id)
        )
    return await session.scalar(query) is not None


async def _withdraw(session: AsyncSession, clock: Clock, *which: ColumnElement[bool]) -> None:
    await session.execute(
        update(OneTimeToken).where(is_open(clock), *which).values(withdrawn_at=clock.now())
    )


def _of(account_id: UUID | None) -> ColumnElement[bool]:
    account = col(OneTimeToken.account_id)
    of_kind = col(OneTimeToken.kind) == Kind.INVITATION.value
    return of_kind & (account.is_(None) if account_id is None else account == account_id)


def _not_used() -> ColumnElement[bool]:
    return col(OneTimeToken.used_at).is_(None) & col(OneTimeToken.withdrawn_at).is_(None)
