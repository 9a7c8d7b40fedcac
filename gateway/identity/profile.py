"""Their own: what people change of themselves, as name, language, password and second factor.

What would let somebody else in for good is asked the password for: a browser left open is not
enough.
"""

from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.identity.attempt_limits import by_email
from gateway.identity.audit_log import Actor, record
from gateway.identity.client_origin import Place
from gateway.identity.current_user import Viewer
from gateway.identity.links import Links
from gateway.identity.lockout import count, forget
from gateway.identity.mail import Letter, send
from gateway.identity.one_time_tokens import withdraw_all
from gateway.identity.passwords import Passwords, require_fit
from gateway.identity.people import language_of
from gateway.identity.sessions import end_others
from gateway.identity.totp import lock_person, turn_off
from gateway.tables import Person
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import collect
from infra.errors import AppError
from infra.secrets.sealer import Sealer


class PasswordWrong(AppError):
    """Not the password of the person who is signed in."""

    status = 403
    type = "invalid_request_error"
    code = "password_wrong"


class PersonInvalid(AppError):
    """A name or a language that cannot be."""

    status = 400
    type = "invalid_request_error"
    code = "person_invalid"


def _fail(error: AppError) -> None:
    raise error


def require_name(name: str) -> None:
    """Raises PersonInvalid."""
    if not 0 < len(name.strip()) <= 100 or not name.strip().isprintable():
        raise PersonInvalid("A name is 1 to 100 printable characters.", param="name")


def require_language(language: str | None) -> None:
    """Raises PersonInvalid."""
    if language not in (None, "zh", "en"):
        raise PersonInvalid("A language is zh or en.", param="language")


async def set_password(
    session: AsyncSession,
    clock: Clock,
    sealer: Sealer,
    links: Links,
    by: Actor,
    person_id: UUID,
    hashed: str,
    keep: UUID | None = None,
) -> None:
    """Change it, end all other sessions and open links, and tell the person."""
    person = await lock_person(session, person_id)
    person.password_hash = hashed
    await session.flush()
    await end_others(session, clock, person_id, keep)
    await withdraw_all(session, clock, person_id)
    await record(session, clock, by, None, "password.changed", person.email)
    values = {
        "at": f"{clock.now():%Y-%m-%d %H:%M} UTC",
        "address": by.address,
        "link": links.dashboard,
    }
    letter = Letter(
        kind="password_changed",
        to=person.email,
        language=await language_of(session, person, None),
        key=f"{person_id}:{clock.now().isoformat()}",
        values=values,
    )
    await send(session, clock, sealer, letter)


class Own:
    """Those changes, of one process."""

    def __init__(
        self, database: Database, clock: Clock, passwords: Passwords, sealer: Sealer, links: Links
    ) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._sealer = sealer
        self._links = links

    async def change_password(self, viewer: Viewer, old: str, new: str, place: Place) -> None:
        """All other sessions end. Raises PasswordWrong, LockedOut, PasswordUnfit, SignInBusy, or
        SeveralErrors where the old one is wrong and the new one unfit."""
        try:
            await self._require(viewer, old)
        except PasswordWrong as wrong:
            collect(partial(_fail, wrong), lambda: require_fit(new, viewer.email))
        require_fit(new, viewer.email)
        hashed = await self._passwords.hash(new)
        by = Actor.of(viewer, place.address)
        async with self._database.transaction() as session:
            change = (self._clock, self._sealer, self._links, by, viewer.person_id, hashed)
            await set_password(session, *change, keep=viewer.session_id)

    async def turn_second_factor_off(self, viewer: Viewer, password: str, place: Place) -> None:
        """No code is asked for any more. Raises PasswordWrong, LockedOut, SignInBusy."""
        await self._require(viewer, password)
        async with self._database.transaction() as session:
            by = Actor.of(viewer, place.address)
            await turn_off(session, self._clock, by, viewer.person_id)

    async def describe(
        self,
        session: AsyncSession,
        viewer: Viewer,
        name: str,
        language: str | None,
        address: str = "",
    ) -> None:
        """Change name and language; None follows the browser. Another name is written down, as
        others know the person by it. Raises PersonInvalid."""
        require_name(name)
        require_language(language)
        person = await lock_person(session, viewer.person_id)
        details = {"from": person.name, "to": name.strip()}
        person.name, person.language = name.strip(), language
        await session.flush()
        if details["from"] != details["to"]:
            by = Actor.of(viewer, address)
            await record(session, self._clock, by, None, "person.renamed", person.email, details)

    async def _require(self, viewer: Viewer, password: str) -> None:
        """Counted as signing in is: who found a browser open cannot guess here instead."""
        async with self._database.transaction() as session:
            await count(session, self._clock, (by_email(viewer.email),))
            known = (await session.get_one(Person, viewer.person_id)).password_hash
        if viewer.impersonated or not await self._passwords.fits(known, password):
            raise PasswordWrong("This is not your password.", param="password")
        async with self._database.transaction() as session:
            await forget(session, self._clock, by_email(viewer.email))
