"""Password reset by an e-mailed link.

A reset opens no session and leaves the second factor enabled.
"""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.identity.audit_log import Actor
from gateway.identity.client_origin import ClientOrigin
from gateway.identity.email_address import EmailInvalid, normalize_email
from gateway.identity.links import Links
from gateway.identity.mail import IdentityEmail, enqueue_email
from gateway.identity.one_time_tokens import TokenKind, find_token, issue_token, use_token
from gateway.identity.passwords import Passwords, validate_password
from gateway.identity.people import find_person_by_email, get_email_language
from gateway.identity.profile import set_password
from gateway.identity.throttling.attempt_limits import (
    login_attempts_by_email,
    password_reset_requests_by_email,
    password_reset_requests_by_network,
)
from gateway.identity.throttling.lockout import LockedOut, count_attempt, reset_attempts
from gateway.identity.totp import lock_person
from gateway.tables import Person
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.sealer import Sealer

LIFETIME = timedelta(hours=1)


class PasswordResets:
    """Requests and completes password resets."""

    def __init__(
        self, database: Database, clock: Clock, passwords: Passwords, sealer: Sealer, links: Links
    ) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._sealer = sealer
        self._links = links

    async def request_link(self, email: str, origin: ClientOrigin) -> None:
        """E-mail a reset link if the address is registered and not throttled.

        Call it after the response was sent: its duration reveals whether the address is registered.
        """
        try:
            async with self._database.transaction() as session:
                counters = (
                    password_reset_requests_by_email(email),
                    password_reset_requests_by_network(origin),
                )
                await count_attempt(session, self._clock, counters)
                person = await find_person_by_email(session, normalize_email(email))
                if person is not None:
                    await self._send_link(session, person)
        except (LockedOut, EmailInvalid):
            return

    async def require_valid_link(self, secret: str) -> None:
        """Raise LinkUnusable unless the link is valid. Does not use it up."""
        async with self._database.transaction() as session:
            await find_token(session, self._clock, [TokenKind.RESET], secret)

    async def reset_password(self, secret: str, password: str, origin: ClientOrigin) -> None:
        """Set a new password, end all sessions of the person and clear the lockout.

        Raises LinkUnusable, PasswordInvalid, SignInBusy.
        """
        async with self._database.transaction() as session:
            row = await find_token(session, self._clock, [TokenKind.RESET], secret)
            person = await session.get_one(Person, row.person_id)
        validate_password(password, person.email)
        password_hash = await self._passwords.hash(password)
        async with self._database.transaction() as session:
            # Lock the person before the token: two links of one person would deadlock otherwise.
            person = await lock_person(session, person.id)
            await use_token(session, self._clock, [TokenKind.RESET], secret)
            actor = Actor(person.id, origin.address)
            await set_password(
                session, self._clock, self._sealer, self._links, actor, person.id, password_hash
            )
            await reset_attempts(session, self._clock, login_attempts_by_email(person.email))

    async def _send_link(self, session: AsyncSession, person: Person) -> None:
        """Issue a reset token and queue the e-mail with its link."""
        row, secret = await issue_token(
            session, self._clock, TokenKind.RESET, LIFETIME, person_id=person.id
        )
        message = IdentityEmail(
            kind="reset",
            to=person.email,
            language=await get_email_language(session, person, None),
            key=str(row.id),
            secret=True,
            values={"link": self._links.password_reset(secret)},
        )
        await enqueue_email(session, self._clock, self._sealer, message)
