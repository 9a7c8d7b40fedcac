"""Accepting an invitation: somebody new gets a name and a password, somebody known joins.

A link alone makes nobody who is known here a member: it may have been read by others, so they sign
in and join.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import Account
from gateway.identity.audit_log import Actor, record
from gateway.identity.client_origin import Place
from gateway.identity.current_user import Viewer
from gateway.identity.email_address import normal_email
from gateway.identity.invitations import role_of
from gateway.identity.memberships import first_shown, join
from gateway.identity.one_time_tokens import INVITATIONS, Kind, LinkUnusable, look, take
from gateway.identity.passwords import Passwords, require_fit
from gateway.identity.people import anybody, person_by_email
from gateway.identity.profile import require_language, require_name
from gateway.identity.roles import Role
from gateway.identity.sessions import Opened, open_session
from gateway.identity.totp import lock_person
from gateway.tables import OneTimeToken, Person
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import collect
from infra.errors import AppError


class PersonKnown(AppError):
    """The address has a password already: its person signs in and joins."""

    status = 409
    type = "invalid_request_error"
    code = "person_known"


class InvitationForAnother(AppError):
    """The invitation is for another address than that of the person who is signed in."""

    status = 403
    type = "invalid_request_error"
    code = "invitation_for_another"


@dataclass(frozen=True, slots=True)
class Invited:
    """What an invitation's page shows. `email` None: the first operator, who says one; then
    `account_name` is the account that is owned besides. `known`: sign in and join."""

    email: str | None
    account_name: str | None
    role: Role
    known: bool
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What somebody new says; `email` counts only where the invitation names none."""

    name: str
    password: str
    language: str | None = None
    email: str | None = None


class Accepting:
    """Invitations' other end, of one process."""

    def __init__(self, database: Database, clock: Clock, passwords: Passwords) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords

    async def look(self, secret: str) -> Invited:
        """What it is an invitation to, unused. Raises LinkUnusable."""
        async with self._database.transaction() as session:
            row = await self._usable(session, secret)
            account = await session.get(Account, row.account_id) if row.account_id else None
            known = row.email and await person_by_email(session, row.email)
            name = account.name if account else None
            return Invited(row.email, name, role_of(row), bool(known), row.expires_at)

    async def accept(self, secret: str, newcomer: Newcomer, place: Place) -> Opened:
        """Make the person, and sign in.

        Raises LinkUnusable, PersonKnown, EmailInvalid, PersonInvalid, PasswordUnfit, SignInBusy,
        SeveralErrors.
        """
        async with self._database.transaction() as session:
            row = await self._usable(session, secret)
        said = row.email or newcomer.email or ""
        email, *_ = collect(
            lambda: row.email or normal_email(said),
            lambda: require_name(newcomer.name),
            lambda: require_language(newcomer.language),
            lambda: require_fit(newcomer.password, said.strip().casefold()),
        )
        hashed = await self._passwords.hash(newcomer.password)
        async with self._database.transaction() as session:
            await self._usable(session, secret)
            row = await take(session, self._clock, INVITATIONS, secret)
            person = await self._made(session, email, newcomer, hashed)
            await self._enter(session, person, row, Actor(person.id, place.address))
            shown = await first_shown(session, person)
            return await open_session(session, self._clock, person.id, shown, place)

    async def join(
        self, session: AsyncSession, viewer: Viewer, secret: str, address: str
    ) -> UUID | None:
        """Let the person who is signed in join; gives the account, None for the platform.

        Raises LinkUnusable, InvitationForAnother.
        """
        row = await look(session, self._clock, [Kind.INVITATION], secret)
        if row.email != viewer.email or viewer.impersonated:
            raise InvitationForAnother(
                f"This invitation is for another address than {viewer.email}. Sign out first."
            )
        row = await take(session, self._clock, [Kind.INVITATION], secret)
        person = await lock_person(session, viewer.person_id)
        await self._enter(session, person, row, Actor(person.id, address))
        return row.account_id

    async def _usable(self, session: AsyncSession, secret: str) -> OneTimeToken:
        """The first operator's link works only while there is nobody."""
        row = await look(session, self._clock, INVITATIONS, secret)
        if row.kind == Kind.FIRST.value and await anybody(session):
            raise LinkUnusable
        return row

    async def _made(
        self, session: AsyncSession, email: str, newcomer: Newcomer, hashed: str
    ) -> Person:
        made = await session.execute(
            insert(Person)
            .values(
                id=ids.new_id(),
                email=email,
                name=newcomer.name.strip(),
                password_hash=hashed,
                language=newcomer.language,
                totp_step=0,
                recovery=[],
                created_at=self._clock.now(),
            )
            .on_conflict_do_nothing(index_elements=["email"])
            .returning(col(Person.id))
        )
        if made.one_or_none() is None:
            raise PersonKnown("This address has a password already. Sign in to join.")
        query = select(Person).where(col(Person.email) == email)
        return (await session.scalars(query)).one()

    async def _enter(
        self, session: AsyncSession, person: Person, row: OneTimeToken, by: Actor
    ) -> None:
        """Give what the invitation gives; a membership that there is already stays as it is."""
        role = role_of(row)
        if role.of_platform:
            person.platform_role = role.value
            await session.flush()
        if row.account_id is not None:
            firm = Role.OWNER if role.of_platform else role
            await join(session, self._clock, person.id, row.account_id, firm)
        details = {"role": role.value}
        place = (by, row.account_id, "invitation.accepted", person.email, details)
        await record(session, self._clock, *place)
