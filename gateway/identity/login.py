"""Signing in: a password, then a code where the person has set one up, then a session.

Each attempt is counted before it is judged (lockout.py). The password is compared with no
transaction open, and in the same time whether or not anybody has the address.
"""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.identity.attempt_limits import by_email, by_place
from gateway.identity.audit_log import Actor, record
from gateway.identity.client_origin import Place
from gateway.identity.email_address import EmailInvalid, normal_email
from gateway.identity.links import Links
from gateway.identity.lockout import count, forget, give_back
from gateway.identity.mail import Letter, send
from gateway.identity.memberships import first_shown
from gateway.identity.one_time_tokens import Kind, issue, look, take
from gateway.identity.passwords import Passwords
from gateway.identity.people import language_of, person_by_email
from gateway.identity.sessions import Opened, open_session
from gateway.identity.totp import CodeWrong, lock_person, spend_code
from gateway.tables import LoginSession, Person
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from infra.secrets.sealer import Sealer

TICKET_LASTS = timedelta(minutes=10)


class CredentialsWrong(AppError):
    """No such person, or another password: nobody is told which."""

    status = 401
    type = "invalid_request_error"
    code = "credentials_wrong"

    def __init__(self) -> None:
        super().__init__("The e-mail address or the password is wrong.")


class SecondFactorWanted(AppError):
    """The password is right, and a code is wanted: `ticket` goes with it, for ten minutes."""

    status = 401
    type = "invalid_request_error"
    code = "second_factor_wanted"

    def __init__(self, ticket: str) -> None:
        self.ticket = ticket
        super().__init__("Enter the code of your authenticator app.")


class SigningIn:
    """Both steps, of one process."""

    def __init__(
        self, database: Database, clock: Clock, passwords: Passwords, sealer: Sealer, links: Links
    ) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._sealer = sealer
        self._links = links

    async def sign_in(self, email: str, password: str, place: Place) -> Opened:
        """Raises LockedOut, CredentialsWrong, SecondFactorWanted, NoAccount, SignInBusy."""
        person = await self._counted(email, place)
        known = None if person is None else person.password_hash
        if not await self._passwords.fits(known, password) or person is None:
            raise CredentialsWrong
        renewed = await self._passwords.renewed(person.password_hash, password)
        async with self._database.transaction() as session:
            person = await self._unchanged(session, person, renewed)
            if person.totp_since is None:
                return await self._open(session, person, place)
            # The ticket leads to a step that counts for itself.
            await give_back(session, (by_email(person.email), by_place(place)))
            _, ticket = await issue(
                session, self._clock, Kind.SECOND_STEP, TICKET_LASTS, person_id=person.id
            )
        raise SecondFactorWanted(ticket)

    async def second_step(self, ticket: str, code: str, place: Place) -> Opened:
        """A code of the app, or a recovery code. Raises LinkUnusable, LockedOut, CodeWrong,
        NoAccount."""
        async with self._database.transaction() as session:
            row = await look(session, self._clock, [Kind.SECOND_STEP], ticket)
            person = await session.get_one(Person, row.person_id)
            await count(session, self._clock, (by_email(person.email), by_place(place)))
        async with self._database.transaction() as session:
            person = await lock_person(session, person.id)
            if not spend_code(self._clock, self._sealer, person, code):
                raise CodeWrong
            await take(session, self._clock, [Kind.SECOND_STEP], ticket)
            return await self._open(session, person, place)

    async def _counted(self, email: str, place: Place) -> Person | None:
        """The person of the address, after the attempt has been counted for good."""
        async with self._database.transaction() as session:
            await count(session, self._clock, (by_email(email), by_place(place)))
            try:
                return await person_by_email(session, normal_email(email))
            except EmailInvalid:
                return None

    async def _unchanged(self, session: AsyncSession, known: Person, renewed: str | None) -> Person:
        """The row, locked, if the password that was compared is still the one."""
        person = await lock_person(session, known.id)
        if person.password_hash != known.password_hash:
            raise CredentialsWrong
        if renewed is not None:
            person.password_hash = renewed
        return person

    async def _open(self, session: AsyncSession, person: Person, place: Place) -> Opened:
        await give_back(session, (by_place(place),))
        await forget(session, self._clock, by_email(person.email))
        shown = await first_shown(session, person)
        is_new = await self._is_new(session, person, place)
        opened = await open_session(session, self._clock, person.id, shown, place)
        by = Actor(person.id, place.address)
        await record(session, self._clock, by, shown, "session.opened", "", {"agent": place.agent})
        if is_new:
            await self._tell(session, person, opened, place)
        return opened

    async def _is_new(self, session: AsyncSession, person: Person, place: Place) -> bool:
        """Whether the person was seen before, and never from this network or this browser."""
        query = (
            select(LoginSession.address, LoginSession.agent)
            .where(col(LoginSession.person_id) == person.id)
            .distinct()
            .limit(500)
        )
        seen = [Place(*row) for row in (await session.execute(query)).all()]
        return bool(seen) and (
            place.network not in {one.network for one in seen}
            or place.browser not in {one.browser for one in seen}
        )

    async def _tell(
        self, session: AsyncSession, person: Person, opened: Opened, place: Place
    ) -> None:
        letter = Letter(
            kind="new_place",
            to=person.email,
            language=await language_of(session, person, opened.account_id),
            key=str(opened.session_id),
            account_id=opened.account_id,
            values={
                "at": f"{self._clock.now():%Y-%m-%d %H:%M} UTC",
                "address": place.address,
                "agent": place.agent,
                "link": self._links.dashboard,
            },
        )
        await send(session, self._clock, self._sealer, letter)
