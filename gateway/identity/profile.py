"""A person's own profile: change name, language and password, disable the second factor.

Changes that could give another person permanent access require the password: an unattended browser
must not be enough.
"""

from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.identity.audit_log import Actor, record_audit_event
from gateway.identity.client_origin import ClientOrigin
from gateway.identity.current_user import Viewer
from gateway.identity.links import Links
from gateway.identity.mail import IdentityEmail, enqueue_email
from gateway.identity.one_time_tokens import withdraw_person_tokens
from gateway.identity.passwords import Passwords, validate_password
from gateway.identity.people import get_email_language
from gateway.identity.sessions import end_other_sessions
from gateway.identity.throttling.attempt_limits import login_attempts_by_email
from gateway.identity.throttling.lockout import count_attempt, reset_attempts
from gateway.identity.totp import disable_second_factor, lock_person
from gateway.tables import Person
from infra.clock import Clock
from infra.database.database import Database
from infra.error_collection import collect
from infra.errors import AppError
from infra.secrets.sealer import Sealer


class PasswordWrong(AppError):
    """The given password is not the signed-in person's."""

    status = 403
    type = "invalid_request_error"
    code = "password_wrong"


class PersonInvalid(AppError):
    """The name or the language is invalid."""

    status = 400
    type = "invalid_request_error"
    code = "person_invalid"


def _raise_error(error: AppError) -> None:
    """Raise the error: a check for `collect`, which reports the errors of several checks."""
    raise error


def validate_name(name: str) -> None:
    """Raise PersonInvalid unless the name is 1 to 100 printable characters."""
    if not 0 < len(name.strip()) <= 100 or not name.strip().isprintable():
        raise PersonInvalid("Enter a name of 1 to 100 printable characters.", param="name")


def validate_language(language: str | None) -> None:
    """Raise PersonInvalid unless the language is zh, en or None."""
    if language not in (None, "zh", "en"):
        raise PersonInvalid("The language must be zh or en.", param="language")


async def set_password(
    session: AsyncSession,
    clock: Clock,
    sealer: Sealer,
    links: Links,
    actor: Actor,
    person_id: UUID,
    password_hash: str,
    kept_session_id: UUID | None = None,
) -> None:
    """Store a new password hash, end other sessions, withdraw open links and e-mail a notice."""
    person = await lock_person(session, person_id)
    person.password_hash = password_hash
    await session.flush()
    await end_other_sessions(session, clock, person_id, kept_session_id)
    await withdraw_person_tokens(session, clock, person_id)
    await record_audit_event(session, clock, actor, None, "password.changed", person.email)
    values = {
        "at": f"{clock.now():%Y-%m-%d %H:%M} UTC",
        "address": actor.address,
        "link": links.dashboard,
    }
    message = IdentityEmail(
        kind="password_changed",
        to=person.email,
        language=await get_email_language(session, person, None),
        key=f"{person_id}:{clock.now().isoformat()}",
        values=values,
    )
    await enqueue_email(session, clock, sealer, message)


class ProfileService:
    """Changes that people make to their own profile."""

    def __init__(
        self, database: Database, clock: Clock, passwords: Passwords, sealer: Sealer, links: Links
    ) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._sealer = sealer
        self._links = links

    async def change_password(
        self, viewer: Viewer, old: str, new: str, origin: ClientOrigin
    ) -> None:
        """Change the password and end all other sessions.

        Raises PasswordWrong, LockedOut, PasswordInvalid, SignInBusy, or SeveralErrors if the old
        password is wrong and the new one invalid.
        """
        try:
            await self._verify_password(viewer, old)
        except PasswordWrong as wrong:
            collect(partial(_raise_error, wrong), lambda: validate_password(new, viewer.email))
        validate_password(new, viewer.email)
        password_hash = await self._passwords.hash(new)
        actor = Actor.from_viewer(viewer, origin.address)
        async with self._database.transaction() as session:
            await set_password(
                session,
                self._clock,
                self._sealer,
                self._links,
                actor,
                viewer.person_id,
                password_hash,
                kept_session_id=viewer.session_id,
            )

    async def disable_second_factor(
        self, viewer: Viewer, password: str, origin: ClientOrigin
    ) -> None:
        """Disable the second factor. Raises PasswordWrong, LockedOut, SignInBusy."""
        await self._verify_password(viewer, password)
        async with self._database.transaction() as session:
            actor = Actor.from_viewer(viewer, origin.address)
            await disable_second_factor(session, self._clock, actor, viewer.person_id)

    async def update_profile(
        self,
        session: AsyncSession,
        viewer: Viewer,
        name: str,
        language: str | None,
        address: str = "",
    ) -> None:
        """Change name and language; language None follows the browser.

        A change of name is audited, because others identify the person by it. Raises PersonInvalid.
        """
        validate_name(name)
        validate_language(language)
        person = await lock_person(session, viewer.person_id)
        details = {"from": person.name, "to": name.strip()}
        person.name, person.language = name.strip(), language
        await session.flush()
        if details["from"] != details["to"]:
            actor = Actor.from_viewer(viewer, address)
            await record_audit_event(
                session, self._clock, actor, None, "person.renamed", person.email, details
            )

    async def _verify_password(self, viewer: Viewer, password: str) -> None:
        """Raise PasswordWrong unless the password is the viewer's. Counted like a login attempt.

        Otherwise the password could be guessed here in an unattended browser. Raises LockedOut.
        """
        async with self._database.transaction() as session:
            await count_attempt(session, self._clock, (login_attempts_by_email(viewer.email),))
            person = await session.get_one(Person, viewer.person_id)
            password_hash = person.password_hash
        if viewer.impersonated or not await self._passwords.verify(password_hash, password):
            raise PasswordWrong("Incorrect password.", param="password")
        async with self._database.transaction() as session:
            await reset_attempts(session, self._clock, login_attempts_by_email(viewer.email))
