"""Invitations: create, resend, withdraw and list links to join an account or the platform."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import Account
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.identity.email_address import normalize_email
from gateway.identity.links import Links
from gateway.identity.mail import IdentityEmail, enqueue_email
from gateway.identity.one_time_tokens import (
    TokenKind,
    generate_secret,
    is_usable,
    issue_token,
    secret_digest,
)
from gateway.identity.people import find_person_by_email, get_email_language, has_people
from gateway.identity.roles import Role
from gateway.identity.team import RoleInvalid, require_account_role
from gateway.tables import Membership, OneTimeToken, Person
from infra.clock import Clock
from infra.errors import AppError
from infra.secrets.sealer import Sealer
from infra.secrets.secret_key import secret_key
from infra.settings import Settings

LIFETIME = timedelta(days=7)
_MAX_OPEN = 100
_PLATFORM_NAME = "MaaS"


class InvitationNotFound(AppError):
    """The account has no open invitation with this id."""

    status = 404
    type = "invalid_request_error"
    code = "invitation_not_found"


class AlreadyMember(AppError):
    """The address belongs to a member already; change the member's role instead."""

    status = 409
    type = "invalid_request_error"
    code = "already_member"


class AlreadyInvited(AppError):
    """An open invitation with the same role exists; resend it instead."""

    status = 409
    type = "invalid_request_error"
    code = "already_invited"


class TooManyInvitations(AppError):
    """The account has reached the maximum number of open invitations."""

    status = 409
    type = "invalid_request_error"
    code = "too_many_invitations"


@dataclass(frozen=True, slots=True)
class IssuedInvitation:
    """A newly created invitation. `link` works once; it was e-mailed and cannot be shown again."""

    id: UUID
    email: str
    link: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """An unused invitation for display. Its link is invalid from `expires_at` on."""

    id: UUID
    email: str
    role: Role
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class InvitationService:
    """Creates and manages invitations. `account_id` None means the platform in all methods."""

    clock: Clock
    sealer: Sealer
    links: Links

    @classmethod
    def from_settings(cls, settings: Settings, clock: Clock) -> "InvitationService":
        """Build the service outside a gateway process, such as in the CLI."""
        return cls(clock, Sealer(secret_key(settings)), Links.from_settings(settings))

    async def invite_unless_pending(
        self, session: AsyncSession, actor: Actor, account_id: UUID | None, email: str, role: Role
    ) -> IssuedInvitation:
        """Invite an address unless it has an open invitation with the same role.

        Raises AlreadyInvited and the errors of `invite`.
        """
        requested, now = (normalize_email(email), role), self.clock.now()
        for invitation in await self.list_pending(session, account_id):
            same = (invitation.email, invitation.role) == requested
            if same and invitation.expires_at > now:
                raise AlreadyInvited("This address is already invited.", param="email")
        return await self.invite(session, actor, account_id, email, role)

    async def invite(
        self, session: AsyncSession, actor: Actor, account_id: UUID | None, email: str, role: Role
    ) -> IssuedInvitation:
        """Invite an address. Withdraws an earlier invitation of the address to the same account.

        Raises EmailInvalid, RoleInvalid, AlreadyMember, TooManyInvitations.
        """
        _require_invitable_role(account_id, role)
        email = normalize_email(email)
        if await _is_member(session, account_id, email):
            raise AlreadyMember("This person is already a member.", param="email")
        await _withdraw_open(
            session, self.clock, _is_invitation_to(account_id), col(OneTimeToken.email) == email
        )
        if len(await self.list_pending(session, account_id)) >= _MAX_OPEN:
            raise TooManyInvitations(
                f"There are {_MAX_OPEN} open invitations. Withdraw some first."
            )
        row, secret = await issue_token(
            session,
            self.clock,
            TokenKind.INVITATION,
            LIFETIME,
            email=email,
            account_id=account_id,
            role=role.value,
            made_by=actor.person_id,
        )
        details = {"role": role.value}
        await record_audit_event(
            session, self.clock, actor, account_id, "invitation.made", email, details
        )
        return await self._email_link(session, row, secret)

    async def resend(
        self, session: AsyncSession, actor: Actor, account_id: UUID | None, invitation_id: UUID
    ) -> IssuedInvitation:
        """E-mail a new link, valid for 7 days. The earlier link becomes invalid.

        Raises InvitationNotFound.
        """
        row, secret = await self._lock_unused(session, account_id, invitation_id), generate_secret()
        row.digest, row.expires_at = secret_digest(secret), self.clock.now() + LIFETIME
        await session.flush()
        await record_audit_event(
            session, self.clock, actor, account_id, "invitation.sent_again", str(row.email)
        )
        return await self._email_link(session, row, secret)

    async def withdraw(
        self, session: AsyncSession, actor: Actor, account_id: UUID | None, invitation_id: UUID
    ) -> None:
        """Withdraw an invitation; its link becomes invalid. Raises InvitationNotFound."""
        row = await self._lock_unused(session, account_id, invitation_id)
        row.withdrawn_at = self.clock.now()
        await session.flush()
        await record_audit_event(
            session, self.clock, actor, account_id, "invitation.withdrawn", str(row.email)
        )

    async def list_pending(
        self, session: AsyncSession, account_id: UUID | None
    ) -> list[Invitation]:
        """Return the unused invitations, recently expired ones too, oldest first."""
        query = select(OneTimeToken).where(_is_unused(), _is_invitation_to(account_id))
        return [
            Invitation(row.id, row.email or "", invited_role(row), row.created_at, row.expires_at)
            for row in (await session.scalars(query.order_by(col(OneTimeToken.id)))).all()
        ]

    async def create_first_operator_link(
        self, session: AsyncSession, account_id: UUID | None
    ) -> str | None:
        """Create a registration link for the first operator, who also becomes owner of the account.

        An earlier such link becomes invalid. Returns None if anybody is registered already.
        """
        if await has_people(session):
            return None
        await _withdraw_open(
            session, self.clock, col(OneTimeToken.kind) == TokenKind.FIRST_OPERATOR.value
        )
        role = Role.OPERATOR.value
        _, secret = await issue_token(
            session,
            self.clock,
            TokenKind.FIRST_OPERATOR,
            LIFETIME,
            account_id=account_id,
            role=role,
        )
        return self.links.invitation(secret)

    async def _lock_unused(
        self, session: AsyncSession, account_id: UUID | None, invitation_id: UUID
    ) -> OneTimeToken:
        """Lock and return an unused invitation. Raises InvitationNotFound."""
        query = select(OneTimeToken).where(
            col(OneTimeToken.id) == invitation_id, _is_unused(), _is_invitation_to(account_id)
        )
        row = (await session.scalars(query.with_for_update())).one_or_none()
        if row is None:
            raise InvitationNotFound("Open invitation not found.")
        return row

    async def _email_link(
        self, session: AsyncSession, row: OneTimeToken, secret: str
    ) -> IssuedInvitation:
        """Queue the e-mail with the link. Returns the invitation with its link and expiry."""
        email, link = str(row.email), self.links.invitation(secret)
        person = await find_person_by_email(session, email)
        account = await session.get(Account, row.account_id) if row.account_id else None
        message = IdentityEmail(
            kind="invitation",
            to=email,
            language=await get_email_language(session, person, row.account_id),
            key=row.digest.hex(),
            account_id=row.account_id,
            secret=True,
            values={"account": account.name if account else _PLATFORM_NAME, "link": link},
        )
        await enqueue_email(session, self.clock, self.sealer, message)
        return IssuedInvitation(row.id, email, link, row.expires_at)


def invited_role(row: OneTimeToken) -> Role:
    """Return the role that an invitation grants."""
    return Role(row.role or "")


def _require_invitable_role(account_id: UUID | None, role: Role) -> None:
    """Raise RoleInvalid unless the role fits the account, or the platform if that is None."""
    if account_id is not None:
        require_account_role(role)
    elif not role.is_platform_role:
        raise RoleInvalid("A platform role must be operator or support.", param="role")


async def _is_member(session: AsyncSession, account_id: UUID | None, email: str) -> bool:
    """Whether the address has a role in the account, or on the platform if that is None."""
    query = select(Person.platform_role).where(col(Person.email) == email)
    if account_id is not None:
        query = (
            select(Membership.role)
            .join(Person, col(Person.id) == col(Membership.person_id))
            .where(col(Person.email) == email, col(Membership.account_id) == account_id)
        )
    return await session.scalar(query) is not None


async def _withdraw_open(
    session: AsyncSession, clock: Clock, *conditions: ColumnElement[bool]
) -> None:
    """Withdraw all usable tokens that meet the SQL conditions."""
    await session.execute(
        update(OneTimeToken).where(is_usable(clock), *conditions).values(withdrawn_at=clock.now())
    )


def _is_invitation_to(account_id: UUID | None) -> ColumnElement[bool]:
    """Return the SQL condition for invitations to an account, or to the platform if None."""
    account = col(OneTimeToken.account_id)
    of_kind = col(OneTimeToken.kind) == TokenKind.INVITATION.value
    return of_kind & (account.is_(None) if account_id is None else account == account_id)


def _is_unused() -> ColumnElement[bool]:
    """Return the SQL condition for tokens neither used nor withdrawn, expired ones included."""
    return col(OneTimeToken.used_at).is_(None) & col(OneTimeToken.withdrawn_at).is_(None)
