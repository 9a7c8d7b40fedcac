"""Accept invitations: register a new person, or add a signed-in person to the account.

A person who already has a password must sign in to accept: others may have read the link.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.tables import Account
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.identity.client_origin import ClientOrigin
from gateway.identity.current_user import Viewer
from gateway.identity.email_address import normalize_email
from gateway.identity.invitations import invited_role
from gateway.identity.memberships import add_member, get_initial_account
from gateway.identity.one_time_tokens import (
    INVITATION_KINDS,
    LinkUnusable,
    TokenKind,
    find_token,
    use_token,
)
from gateway.identity.passwords import Passwords, validate_password
from gateway.identity.people import create_person, find_person_by_email, has_people
from gateway.identity.profile import validate_language, validate_name
from gateway.identity.roles import Role
from gateway.identity.sessions import NewSession, create_session
from gateway.identity.totp import lock_person
from gateway.tables import OneTimeToken, Person
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import collect
from infra.errors import AppError


class PersonAlreadyExists(AppError):
    """The address belongs to a registered person, who must sign in to accept the invitation."""

    status = 409
    type = "invalid_request_error"
    code = "person_known"


class InvitationEmailMismatch(AppError):
    """The invitation was sent to another address than the signed-in person's."""

    status = 403
    type = "invalid_request_error"
    code = "invitation_for_another"


@dataclass(frozen=True, slots=True)
class InvitationPreview:
    """The data that an invitation's page shows.

    `email` is None for the first operator, who enters an address; `account_name` is then the
    account that the operator will also own. `known`: the address is registered, so the person must
    sign in to accept.
    """

    email: str | None
    account_name: str | None
    role: Role
    known: bool
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Registration:
    """The registration form of a new person. `email` is used only if the invitation has none."""

    name: str
    password: str
    language: str | None = None
    email: str | None = None


class InvitationAcceptance:
    """Previews and accepts invitations."""

    def __init__(self, database: Database, clock: Clock, passwords: Passwords) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords

    async def preview(self, secret: str) -> InvitationPreview:
        """Return what the link invites to, without using it up. Raises LinkUnusable."""
        async with self._database.transaction() as session:
            row = await self._find_usable(session, secret)
            account = await session.get(Account, row.account_id) if row.account_id else None
            registered = row.email and await find_person_by_email(session, row.email)
            name = account.name if account else None
            return InvitationPreview(
                row.email, name, invited_role(row), bool(registered), row.expires_at
            )

    async def accept(
        self, secret: str, registration: Registration, origin: ClientOrigin
    ) -> NewSession:
        """Register the invited person and open a login session.

        Raises LinkUnusable, PersonAlreadyExists, EmailInvalid, PersonInvalid, PasswordInvalid,
        SignInBusy, SeveralErrors.
        """
        async with self._database.transaction() as session:
            row = await self._find_usable(session, secret)
        email_input = row.email or registration.email or ""
        email, *_ = collect(
            lambda: row.email or normalize_email(email_input),
            lambda: validate_name(registration.name),
            lambda: validate_language(registration.language),
            lambda: validate_password(registration.password, email_input.strip().casefold()),
        )
        password_hash = await self._passwords.hash(registration.password)
        async with self._database.transaction() as session:
            await self._find_usable(session, secret)
            row = await use_token(session, self._clock, INVITATION_KINDS, secret)
            person = await self._create_person(session, email, registration, password_hash)
            await self._grant_role(session, person, row, Actor(person.id, origin.address))
            shown = await get_initial_account(session, person)
            return await create_session(session, self._clock, person.id, shown, origin)

    async def join(
        self, session: AsyncSession, viewer: Viewer, secret: str, address: str
    ) -> UUID | None:
        """Add the signed-in person to the inviting account, or give them the platform role.

        Returns the account's id, None for the platform.

        Raises LinkUnusable, InvitationEmailMismatch.
        """
        row = await find_token(session, self._clock, [TokenKind.INVITATION], secret)
        if row.email != viewer.email or viewer.impersonated:
            raise InvitationEmailMismatch(
                f"This invitation is not for {viewer.email}. Sign out first."
            )
        row = await use_token(session, self._clock, [TokenKind.INVITATION], secret)
        person = await lock_person(session, viewer.person_id)
        await self._grant_role(session, person, row, Actor(person.id, address))
        return row.account_id

    async def _find_usable(self, session: AsyncSession, secret: str) -> OneTimeToken:
        """Return the invitation of a link. Raises LinkUnusable.

        The first operator's link is valid only while nobody is registered.
        """
        row = await find_token(session, self._clock, INVITATION_KINDS, secret)
        if row.kind == TokenKind.FIRST_OPERATOR.value and await has_people(session):
            raise LinkUnusable
        return row

    async def _create_person(
        self, session: AsyncSession, email: str, registration: Registration, password_hash: str
    ) -> Person:
        """Store a new person. Raises PersonAlreadyExists if the e-mail address is registered."""
        person = await create_person(
            session, self._clock, email, registration.name, password_hash, registration.language
        )
        if person is None:
            raise PersonAlreadyExists("This address already has a password. Sign in to join.")
        return person

    async def _grant_role(
        self, session: AsyncSession, person: Person, row: OneTimeToken, actor: Actor
    ) -> None:
        """Grant the role of an invitation. An existing membership keeps its role."""
        role = invited_role(row)
        if role.is_platform_role:
            person.platform_role = role.value
            await session.flush()
        if row.account_id is not None:
            account_role = Role.OWNER if role.is_platform_role else role
            await add_member(session, self._clock, person.id, row.account_id, account_role)
        details = {"role": role.value}
        await record_audit_event(
            session,
            self._clock,
            actor,
            row.account_id,
            "invitation.accepted",
            person.email,
            details,
        )
