"""Resets: a new password for somebody who forgot it, by a link in a mail.

A second factor stays: after a reset one signs in as always.
"""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.identity.attempt_limits import by_email, resets_by_email, resets_by_place
from gateway.identity.audit_log import Actor
from gateway.identity.client_origin import Place
from gateway.identity.email_address import EmailInvalid, normal_email
from gateway.identity.links import Links
from gateway.identity.lockout import LockedOut, count, forget
from gateway.identity.mail import Letter, send
from gateway.identity.one_time_tokens import Kind, issue, look, take
from gateway.identity.passwords import Passwords, require_fit
from gateway.identity.people import language_of, person_by_email
from gateway.identity.profile import set_password
from gateway.identity.totp import lock_person
from gateway.tables import Person
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.sealer import Sealer

LASTS = timedelta(hours=1)


class Resets:
    """Both ends, of one process."""

    def __init__(
        self, database: Database, clock: Clock, passwords: Passwords, sealer: Sealer, links: Links
    ) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._sealer = sealer
        self._links = links

    async def ask(self, email: str, place: Place) -> None:
        """Have a link mailed, if anybody has the address and not too many were asked for.

        Nothing tells whether it was: call it after the answer was sent, as a mail takes longer.
        """
        try:
            async with self._database.transaction() as session:
                counted = (resets_by_email(email), resets_by_place(place))
                await count(session, self._clock, counted)
                person = await person_by_email(session, normal_email(email))
                if person is not None:
                    await self._mail(session, person)
        except (LockedOut, EmailInvalid):
            return

    async def look(self, secret: str) -> None:
        """Whether the link still works, without using it. Raises LinkUnusable."""
        async with self._database.transaction() as session:
            await look(session, self._clock, [Kind.RESET], secret)

    async def use(self, secret: str, password: str, place: Place) -> None:
        """Set another password; all sessions end, and nobody is locked out any more.

        Raises LinkUnusable, PasswordUnfit, SignInBusy.
        """
        async with self._database.transaction() as session:
            row = await look(session, self._clock, [Kind.RESET], secret)
            person = await session.get_one(Person, row.person_id)
        require_fit(password, person.email)
        hashed = await self._passwords.hash(password)
        async with self._database.transaction() as session:
            # The person first: two links of one person would else wait for each other.
            person = await lock_person(session, person.id)
            await take(session, self._clock, [Kind.RESET], secret)
            by = Actor(person.id, place.address)
            change = (self._clock, self._sealer, self._links, by, person.id, hashed)
            await set_password(session, *change)
            await forget(session, self._clock, by_email(person.email))

    async def _mail(self, session: AsyncSession, person: Person) -> None:
        row, secret = await issue(session, self._clock, Kind.RESET, LASTS, person_id=person.id)
        letter = Letter(
            kind="reset",
            to=person.email,
            language=await language_of(session, person, None),
            key=str(row.id),
            secret=True,
            values={"link": self._links.reset(secret)},
        )
        await send(session, self._clock, self._sealer, letter)
