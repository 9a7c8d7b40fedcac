"""Login with password and, if enabled, a second factor; opens a session.

Each attempt is counted before it is checked (throttling/lockout.py). The password is verified
outside any transaction, and takes equally long whether or not the address is registered.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.identity.audit_log import Actor, record_audit_event
from gateway.identity.client_origin import ClientOrigin
from gateway.identity.email_address import EmailInvalid, normalize_email
from gateway.identity.links import Links
from gateway.identity.mail import IdentityEmail, enqueue_email
from gateway.identity.memberships import get_initial_account
from gateway.identity.one_time_tokens import TokenKind, find_token, issue_token, use_token
from gateway.identity.passwords import Passwords
from gateway.identity.people import find_person_by_email, get_email_language
from gateway.identity.sessions import NewSession, create_session
from gateway.identity.throttling.attempt_limits import (
    login_attempts_by_email,
    login_attempts_by_network,
)
from gateway.identity.throttling.lockout import count_attempt, reset_attempts, uncount_attempt
from gateway.identity.totp import CodeWrong, lock_person, redeem_code
from gateway.tables import LoginSession, Person
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from infra.secrets.sealer import Sealer

TICKET_LIFETIME = timedelta(minutes=10)


class CredentialsWrong(AppError):
    """Unknown address or wrong password; the response does not reveal which."""

    status = 401
    type = "invalid_request_error"
    code = "credentials_wrong"

    def __init__(self) -> None:
        super().__init__("Incorrect e-mail address or password.")


class SecondFactorRequired(AppError):
    """The password is correct and a second factor is required.

    `ticket` authorizes the second step for ten minutes.
    """

    status = 401
    type = "invalid_request_error"
    code = "second_factor_wanted"

    def __init__(self, ticket: str) -> None:
        self.ticket = ticket
        super().__init__("Enter the code of your authenticator app.")


@dataclass(frozen=True, slots=True)
class SignInMethod:
    """How a person proved who they are, and whether this proves two factors."""

    name: str
    two_factors: bool = False


class LoginService:
    """Verifies passwords and second factors and opens login sessions."""

    def __init__(
        self, database: Database, clock: Clock, passwords: Passwords, sealer: Sealer, links: Links
    ) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._sealer = sealer
        self._links = links

    async def sign_in(self, email: str, password: str, origin: ClientOrigin) -> NewSession:
        """Verify the password and open a session.

        Raises LockedOut, CredentialsWrong, SecondFactorRequired, NoAccount, SignInBusy.
        """
        person = await self._count_and_find_person(email, origin)
        password_hash = None if person is None else person.password_hash
        if not await self._passwords.verify(password_hash, password) or person is None:
            raise CredentialsWrong
        new_hash = await self._passwords.rehash_if_outdated(person.password_hash, password)
        async with self._database.transaction() as session:
            person = await self._lock_if_unchanged(session, person, new_hash)
            if person.totp_since is None:
                return await self._open_session(session, person, origin)
            # Attempts at the second step are counted separately.
            await uncount_attempt(
                session, (login_attempts_by_email(person.email), login_attempts_by_network(origin))
            )
            _, ticket = await issue_token(
                session, self._clock, TokenKind.SECOND_STEP, TICKET_LIFETIME, person_id=person.id
            )
        raise SecondFactorRequired(ticket)

    async def sign_in_verified(
        self, person: Person, origin: ClientOrigin, method: SignInMethod
    ) -> NewSession:
        """Open a session of a person whom an identity provider or a passkey has verified.

        A second factor is asked for unless the method has two. Raises SecondFactorRequired,
        NoAccount.
        """
        async with self._database.transaction() as session:
            person = await lock_person(session, person.id)
            if person.totp_since is None or method.two_factors:
                return await self._open_session(session, person, origin, method.name)
            _, ticket = await issue_token(
                session, self._clock, TokenKind.SECOND_STEP, TICKET_LIFETIME, person_id=person.id
            )
        raise SecondFactorRequired(ticket)

    async def verify_second_factor(
        self, ticket: str, code: str, origin: ClientOrigin
    ) -> NewSession:
        """Verify a TOTP or recovery code and open a session.

        Raises LinkUnusable, LockedOut, CodeWrong, NoAccount.
        """
        async with self._database.transaction() as session:
            row = await find_token(session, self._clock, [TokenKind.SECOND_STEP], ticket)
            person = await session.get_one(Person, row.person_id)
            await count_attempt(
                session,
                self._clock,
                (login_attempts_by_email(person.email), login_attempts_by_network(origin)),
            )
        async with self._database.transaction() as session:
            person = await lock_person(session, person.id)
            if not redeem_code(self._clock, self._sealer, person, code):
                raise CodeWrong
            await use_token(session, self._clock, [TokenKind.SECOND_STEP], ticket)
            return await self._open_session(session, person, origin)

    async def _count_and_find_person(self, email: str, origin: ClientOrigin) -> Person | None:
        """Count the attempt, commit, and return the person with this address, or None."""
        async with self._database.transaction() as session:
            await count_attempt(
                session,
                self._clock,
                (login_attempts_by_email(email), login_attempts_by_network(origin)),
            )
            try:
                return await find_person_by_email(session, normalize_email(email))
            except EmailInvalid:
                return None

    async def _lock_if_unchanged(
        self, session: AsyncSession, verified: Person, new_hash: str | None
    ) -> Person:
        """Lock and return the person if the password is as verified; store `new_hash` if not None.

        Raises CredentialsWrong if the password was changed since it was verified.
        """
        person = await lock_person(session, verified.id)
        if person.password_hash != verified.password_hash:
            raise CredentialsWrong
        if new_hash is not None:
            person.password_hash = new_hash
        return person

    async def _open_session(
        self, session: AsyncSession, person: Person, origin: ClientOrigin, method: str = ""
    ) -> NewSession:
        """Open a session: clear the attempts, audit the login, e-mail a notice of a new origin.

        `method` is the identity provider or `passkey`, empty for a password.
        """
        await uncount_attempt(session, (login_attempts_by_network(origin),))
        await reset_attempts(session, self._clock, login_attempts_by_email(person.email))
        shown = await get_initial_account(session, person)
        is_new_origin = await self._is_new_origin(session, person, origin)
        new_session = await create_session(session, self._clock, person.id, shown, origin)
        actor = Actor(person.id, origin.address)
        details = {"agent": origin.agent} | ({"method": method} if method else {})
        await record_audit_event(session, self._clock, actor, shown, "session.opened", "", details)
        if is_new_origin:
            await self._mail_new_origin(session, person, new_session, origin)
        return new_session

    async def _is_new_origin(
        self, session: AsyncSession, person: Person, origin: ClientOrigin
    ) -> bool:
        """Whether the person has signed in before, but never from this network or this browser."""
        query = (
            select(LoginSession.address, LoginSession.agent)
            .where(col(LoginSession.person_id) == person.id)
            .distinct()
            .limit(500)
        )
        earlier = [ClientOrigin(*row) for row in (await session.execute(query)).all()]
        return bool(earlier) and (
            origin.network not in {known.network for known in earlier}
            or origin.browser not in {known.browser for known in earlier}
        )

    async def _mail_new_origin(
        self, session: AsyncSession, person: Person, new_session: NewSession, origin: ClientOrigin
    ) -> None:
        """E-mail the person that a session was opened from a new network or browser."""
        email = IdentityEmail(
            kind="new_place",
            to=person.email,
            language=await get_email_language(session, person, new_session.account_id),
            key=str(new_session.session_id),
            account_id=new_session.account_id,
            values={
                "at": f"{self._clock.now():%Y-%m-%d %H:%M} UTC",
                "address": origin.address,
                "agent": origin.agent,
                "link": self._links.dashboard,
            },
        )
        await enqueue_email(session, self._clock, self._sealer, email)
