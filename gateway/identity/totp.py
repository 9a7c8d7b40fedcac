"""The second factor: codes of an authenticator app, and recovery codes for when it is lost.

A code is of 30 seconds; the one before and the one after are taken too, for clocks that differ. No
code is taken twice. The secret is sealed; of recovery codes there are hashes.
"""

import hashlib
import hmac
import secrets
import unicodedata
from base64 import b32encode
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import pyotp
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.identity.audit_log import Actor, record
from gateway.tables import Person
from infra.clock import Clock
from infra.errors import AppError
from infra.secrets.sealer import Sealer

_ISSUER = "MaaS"
_STEP_S = 30
_DRIFT = (-1, 0, 1)
_RECOVERY_CODES = 10
_LONGEST = 100


class CodeWrong(AppError):
    """A code that is not the present one, or that was taken already."""

    status = 401
    type = "invalid_request_error"
    code = "code_wrong"

    def __init__(self) -> None:
        super().__init__("This code is wrong, or was used already. Wait for the next one.")


class SecondFactorOn(AppError):
    """A second factor is set up already."""

    status = 409
    type = "invalid_request_error"
    code = "second_factor_on"


class SecondFactorOff(AppError):
    """None was begun to be set up."""

    status = 409
    type = "invalid_request_error"
    code = "second_factor_off"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app takes: the secret in base 32, or `uri` as a QR code."""

    secret: str
    uri: str


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """How somebody's stands: since when codes are asked for, None where they are not; whether it
    was begun to be set up; and how many recovery codes are left."""

    since: datetime | None
    begun: bool
    recovery_left: int


async def second_factor_of(session: AsyncSession, person_id: UUID) -> SecondFactor:
    """As it is now."""
    person = await session.get_one(Person, person_id, populate_existing=True)
    begun = person.totp_since is None and person.totp_secret is not None
    return SecondFactor(person.totp_since, begun, len(person.recovery))


async def enrol(session: AsyncSession, sealer: Sealer, person_id: UUID) -> Enrolment:
    """Begin: codes are asked for once one was confirmed. Begun again, there is another secret.

    Raises SecondFactorOn.
    """
    person = await lock_person(session, person_id)
    _require_off(person)
    secret = pyotp.random_base32()
    person.totp_secret = sealer.seal(secret, _purpose(person))
    await session.flush()
    return _enrolment(person, secret)


async def enrolling(session: AsyncSession, sealer: Sealer, person_id: UUID) -> Enrolment:
    """What was begun and is not confirmed yet, as often as it is asked for.

    Raises SecondFactorOn, SecondFactorOff.
    """
    person = await lock_person(session, person_id)
    _require_off(person)
    return _enrolment(person, sealer.open(_begun(person), _purpose(person)))


async def confirm(
    session: AsyncSession, clock: Clock, sealer: Sealer, by: Actor, person_id: UUID, code: str
) -> list[str]:
    """From now on a code is asked for; gives the recovery codes, which are shown once.

    Raises CodeWrong, SecondFactorOn, SecondFactorOff.
    """
    person = await lock_person(session, person_id)
    _require_off(person)
    _begun(person)
    if not _take_code(clock, sealer, person, _digits(code)):
        raise CodeWrong
    codes = [_recovery_code() for _ in range(_RECOVERY_CODES)]
    person.totp_since, person.recovery = clock.now(), [_hashed(one) for one in codes]
    await session.flush()
    await record(session, clock, by, None, "second_factor.on", person.email)
    return codes


def spend_code(clock: Clock, sealer: Sealer, person: Person, code: str) -> bool:
    """Whether it is the code, or a recovery code that is left; either is then used up.

    The person's row is locked by the caller.
    """
    digits = _digits(code)
    return _take_code(clock, sealer, person, digits) or _take_recovery(person, digits)


async def turn_off(session: AsyncSession, clock: Clock, by: Actor, person_id: UUID) -> None:
    """No code is asked for any more; where none was, it changes nothing."""
    person = await lock_person(session, person_id)
    was_on = person.totp_since is not None
    person.totp_secret, person.totp_since, person.recovery = None, None, []
    await session.flush()
    if was_on:
        await record(session, clock, by, None, "second_factor.off", person.email)


async def lock_person(session: AsyncSession, person_id: UUID) -> Person:
    """The row as it is now; others who change it wait."""
    query = select(Person).where(col(Person.id) == person_id).with_for_update()
    return (await session.scalars(query, execution_options={"populate_existing": True})).one()


def _require_off(person: Person) -> None:
    if person.totp_since is not None:
        raise SecondFactorOn("A second factor is set up. Turn it off to set up another.")


def _begun(person: Person) -> bytes:
    """The sealed secret."""
    if person.totp_secret is None:
        raise SecondFactorOff("Begin to set up a second factor first.")
    return person.totp_secret


def _enrolment(person: Person, secret: str) -> Enrolment:
    uri = pyotp.TOTP(secret).provisioning_uri(name=person.email, issuer_name=_ISSUER)
    return Enrolment(secret, uri)


def _take_code(clock: Clock, sealer: Sealer, person: Person, digits: str) -> bool:
    if person.totp_secret is None or len(digits) != 6:
        return False
    codes = pyotp.TOTP(sealer.open(person.totp_secret, _purpose(person)))
    now = int(clock.now().timestamp()) // _STEP_S
    for step in (now + drift for drift in _DRIFT):
        fits = hmac.compare_digest(codes.generate_otp(step).encode(), digits.encode())
        if fits and step > person.totp_step:
            person.totp_step = step
            return True
    return False


def _take_recovery(person: Person, digits: str) -> bool:
    hashed = _hashed(digits)
    if hashed not in person.recovery:
        return False
    person.recovery = [one for one in person.recovery if one != hashed]
    return True


def _recovery_code() -> str:
    text = b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def _hashed(code: str) -> str:
    return hashlib.sha256(_digits(code).encode()).hexdigest()


def _digits(code: str) -> str:
    """As people type codes: with spaces and hyphens, in wide digits, in capitals."""
    plain = unicodedata.normalize("NFKC", code[:_LONGEST]).casefold()
    return "".join(letter for letter in plain if letter.isalnum() and letter.isascii())


def _purpose(person: Person) -> str:
    return f"totp:{person.id}"
