"""Passkeys of people: create, list, remove, and sign in.

A passkey needs the device and its fingerprint, face or PIN, which are two factors; no further code
is asked for.
"""

from collections.abc import Sequence
from hashlib import sha256

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.identity.audit_log import Actor, record_audit_event
from gateway.identity.client_origin import ClientOrigin
from gateway.identity.current_user import Viewer
from gateway.identity.links import Links
from gateway.identity.login import LoginService, SignInMethod
from gateway.identity.passkeys.ceremony import (
    Ceremonies,
    Ceremony,
    NewPasskey,
    PasskeyRefused,
    RelyingParty,
    credential_id,
)
from gateway.identity.sessions import NewSession
from gateway.identity.throttling.attempt_limits import login_attempts_by_network
from gateway.identity.throttling.lockout import count_attempt
from gateway.tables import Passkey, Person
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from infra.secrets.sealer import Sealer

_METHOD = SignInMethod("passkey", two_factors=True)
_MAX_PASSKEYS = 20
_MAX_NAME_LENGTH = 100


class PasskeysUnavailable(AppError):
    """The gateway's address allows no passkeys."""

    status = 404
    type = "invalid_request_error"
    code = "passkeys_unavailable"


class TooManyPasskeys(AppError):
    """The person has the most passkeys allowed."""

    status = 409
    type = "invalid_request_error"
    code = "too_many_passkeys"


class PasskeyService:
    """Creates passkeys, and signs people in with them."""

    def __init__(
        self, database: Database, clock: Clock, login: LoginService, sealer: Sealer, links: Links
    ) -> None:
        self._database = database
        self._clock = clock
        self._login = login
        party = RelyingParty.from_base_url(links.base)
        self._ceremonies = None if party is None else Ceremonies(party, sealer)

    @property
    def available(self) -> bool:
        """Whether browsers allow passkeys for the gateway's public address."""
        return self._ceremonies is not None

    async def begin_registration(self, viewer: Viewer) -> Ceremony:
        """Begin the creation of a passkey. Raises PasskeysUnavailable, TooManyPasskeys."""
        ceremonies = self._require()
        async with self._database.transaction() as session:
            known = [row.id for row in await list_passkeys(session, viewer)]
        if len(known) >= _MAX_PASSKEYS:
            raise TooManyPasskeys(f"A person can have {_MAX_PASSKEYS} passkeys. Remove one first.")
        return ceremonies.begin_registration(
            viewer.person_id, viewer.email, viewer.name, known, self._clock.now()
        )

    async def register(
        self, viewer: Viewer, actor: Actor, cookie: str | None, answer: bytes, name: str
    ) -> None:
        """Store the passkey of a device's answer. Raises PasskeysUnavailable, PasskeyRefused."""
        new = self._require().verify_registration(
            cookie, answer, viewer.person_id, self._clock.now()
        )
        label = " ".join(name.split())[:_MAX_NAME_LENGTH]
        async with self._database.transaction() as session:
            await self._insert(session, viewer, new, label)
            await record_audit_event(
                session, self._clock, actor, viewer.account_id, "passkey.created", label
            )

    async def _insert(
        self, session: AsyncSession, viewer: Viewer, new: NewPasskey, name: str
    ) -> None:
        """Store a passkey. Raises PasskeyRefused if the credential exists."""
        inserted = await session.execute(
            insert(Passkey)
            .values(
                id=new.credential_id,
                person_id=viewer.person_id,
                public_key=new.public_key,
                sign_count=new.sign_count,
                name=name,
                created_at=self._clock.now(),
            )
            .on_conflict_do_nothing()
            .returning(col(Passkey.id))
        )
        if inserted.scalar_one_or_none() is None:
            raise PasskeyRefused("This passkey exists already.")

    def begin_sign_in(self) -> Ceremony:
        """Begin a sign-in. Raises PasskeysUnavailable."""
        return self._require().begin_sign_in(self._clock.now())

    async def sign_in(self, cookie: str | None, answer: bytes, origin: ClientOrigin) -> NewSession:
        """Verify a device's answer and open a session.

        Raises PasskeysUnavailable, PasskeyRefused, LockedOut, NoAccount.
        """
        challenge = self._require().challenge_of(cookie, self._clock.now())
        async with self._database.transaction() as session:
            await count_attempt(session, self._clock, [login_attempts_by_network(origin)])
        async with self._database.transaction() as session:
            person = await self._verify(session, challenge, answer)
        return await self._login.sign_in_verified(person, origin, _METHOD)

    async def _verify(self, session: AsyncSession, challenge: bytes, answer: bytes) -> Person:
        """Return the person of the answer's passkey, and record its use. Raises PasskeyRefused."""
        row = await session.get(Passkey, credential_id(answer), with_for_update=True)
        if row is None:
            raise PasskeyRefused("This passkey is not known here.")
        digest = sha256(challenge).digest()
        if row.last_challenge == digest:
            raise PasskeyRefused("This answer was used already.")
        row.sign_count = self._require().verify_sign_in(
            challenge, answer, row.public_key, row.sign_count
        )
        row.last_challenge, row.used_at = digest, self._clock.now()
        return await session.get_one(Person, row.person_id)

    def _require(self) -> Ceremonies:
        """Return the ceremonies. Raises PasskeysUnavailable."""
        if self._ceremonies is None:
            raise PasskeysUnavailable(
                "Passkeys need a public address with a host name and HTTPS (MAAS_PUBLIC_URL)."
            )
        return self._ceremonies


async def list_passkeys(session: AsyncSession, viewer: Viewer) -> Sequence[Passkey]:
    """List the person's passkeys, oldest first."""
    query = (
        select(Passkey)
        .where(col(Passkey.person_id) == viewer.person_id)
        .order_by(col(Passkey.created_at))
    )
    return (await session.scalars(query)).all()


async def remove_passkey(
    session: AsyncSession, clock: Clock, viewer: Viewer, actor: Actor, passkey_id: bytes
) -> bool:
    """Remove one of the person's passkeys. Returns False if there is none of this id."""
    removed = await session.execute(
        delete(Passkey)
        .where(col(Passkey.id) == passkey_id, col(Passkey.person_id) == viewer.person_id)
        .returning(col(Passkey.name))
    )
    name = removed.scalar_one_or_none()
    if name is None:
        return False
    await record_audit_event(session, clock, actor, viewer.account_id, "passkey.removed", name)
    return True
