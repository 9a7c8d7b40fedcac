"""Second factor: TOTP codes (RFC 6238) and recovery codes.

A code is valid for its 30-second step and one step before and after, for clock drift, and can be
used once. The secret is stored encrypted, recovery codes as hashes.
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

from gateway.identity.audit_log import Actor, record_audit_event
from gateway.tables import Person
from infra.clock import Clock
from infra.errors import AppError
from infra.secrets.sealer import Sealer

_ISSUER = "MaaS"
_TIME_STEP_S = 30
_ACCEPTED_STEPS = (-1, 0, 1)
_RECOVERY_CODE_COUNT = 10
_MAX_CODE_LENGTH = 100


class CodeWrong(AppError):
    """The code is wrong, expired or used already."""

    status = 401
    type = "invalid_request_error"
    code = "code_wrong"

    def __init__(self) -> None:
        super().__init__("This code is incorrect or was already used. Enter the next code.")


class SecondFactorAlreadyOn(AppError):
    """The second factor is enabled already."""

    status = 409
    type = "invalid_request_error"
    code = "second_factor_on"


class SecondFactorNotStarted(AppError):
    """No enrolment of a second factor was started."""

    status = 409
    type = "invalid_request_error"
    code = "second_factor_off"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Input for an authenticator app: the secret in base 32, or the `uri` as a QR code."""

    secret: str
    uri: str


@dataclass(frozen=True, slots=True)
class SecondFactorStatus:
    """The state of a person's second factor.

    `since` is when it was enabled, None if it is not. `recovery_left` is the number of unused
    recovery codes.
    """

    since: datetime | None
    is_enrolment_pending: bool
    recovery_left: int


async def get_second_factor_status(session: AsyncSession, person_id: UUID) -> SecondFactorStatus:
    """Read the state of a person's second factor from the database."""
    person = await session.get_one(Person, person_id, populate_existing=True)
    is_pending = person.totp_since is None and person.totp_secret is not None
    return SecondFactorStatus(person.totp_since, is_pending, len(person.recovery))


async def start_enrolment(session: AsyncSession, sealer: Sealer, person_id: UUID) -> Enrolment:
    """Start an enrolment with a new secret. It takes effect with `confirm_enrolment`.

    Raises SecondFactorAlreadyOn.
    """
    person = await lock_person(session, person_id)
    _require_not_enabled(person)
    secret = pyotp.random_base32()
    person.totp_secret = sealer.seal(secret, _seal_purpose(person))
    await session.flush()
    return _to_enrolment(person, secret)


async def get_pending_enrolment(
    session: AsyncSession, sealer: Sealer, person_id: UUID
) -> Enrolment:
    """Return the started enrolment that is not confirmed yet.

    Raises SecondFactorAlreadyOn, SecondFactorNotStarted.
    """
    person = await lock_person(session, person_id)
    _require_not_enabled(person)
    return _to_enrolment(person, sealer.open(_require_sealed_secret(person), _seal_purpose(person)))


async def confirm_enrolment(
    session: AsyncSession, clock: Clock, sealer: Sealer, actor: Actor, person_id: UUID, code: str
) -> list[str]:
    """Enable the second factor. Returns the recovery codes, which cannot be shown again.

    Raises CodeWrong, SecondFactorAlreadyOn, SecondFactorNotStarted.
    """
    person = await lock_person(session, person_id)
    _require_not_enabled(person)
    _require_sealed_secret(person)
    if not _redeem_totp_code(clock, sealer, person, _normalize_code(code)):
        raise CodeWrong
    codes = [_generate_recovery_code() for _ in range(_RECOVERY_CODE_COUNT)]
    person.totp_since, person.recovery = clock.now(), [_hash_recovery_code(item) for item in codes]
    await session.flush()
    await record_audit_event(session, clock, actor, None, "second_factor.on", person.email)
    return codes


def redeem_code(clock: Clock, sealer: Sealer, person: Person, code: str) -> bool:
    """Use up a valid TOTP or recovery code. Returns False if the code is neither.

    The caller must hold the lock of the person's row.
    """
    digits = _normalize_code(code)
    return _redeem_totp_code(clock, sealer, person, digits) or _redeem_recovery_code(person, digits)


async def disable_second_factor(
    session: AsyncSession, clock: Clock, actor: Actor, person_id: UUID
) -> None:
    """Disable the second factor and delete its secret and recovery codes."""
    person = await lock_person(session, person_id)
    was_on = person.totp_since is not None
    person.totp_secret, person.totp_since, person.recovery = None, None, []
    await session.flush()
    if was_on:
        await record_audit_event(session, clock, actor, None, "second_factor.off", person.email)


async def lock_person(session: AsyncSession, person_id: UUID) -> Person:
    """Lock the person's row (`SELECT … FOR UPDATE`) and return its current state."""
    query = select(Person).where(col(Person.id) == person_id).with_for_update()
    return (await session.scalars(query, execution_options={"populate_existing": True})).one()


def _require_not_enabled(person: Person) -> None:
    """Raise SecondFactorAlreadyOn if the person has a confirmed second factor."""
    if person.totp_since is not None:
        raise SecondFactorAlreadyOn(
            "Two-step verification is already on. Turn it off to set it up again."
        )


def _require_sealed_secret(person: Person) -> bytes:
    """Return the encrypted secret. Raises SecondFactorNotStarted."""
    if person.totp_secret is None:
        raise SecondFactorNotStarted("Start setting up two-step verification first.")
    return person.totp_secret


def _to_enrolment(person: Person, secret: str) -> Enrolment:
    """Return the secret with its `otpauth://` URI for authenticator apps."""
    uri = pyotp.TOTP(secret).provisioning_uri(name=person.email, issuer_name=_ISSUER)
    return Enrolment(secret, uri)


def _redeem_totp_code(clock: Clock, sealer: Sealer, person: Person, digits: str) -> bool:
    """Use up a 6-digit TOTP code. Returns False if it is wrong or was used already."""
    if person.totp_secret is None or len(digits) != 6:
        return False
    codes = pyotp.TOTP(sealer.open(person.totp_secret, _seal_purpose(person)))
    now = int(clock.now().timestamp()) // _TIME_STEP_S
    for step in (now + drift for drift in _ACCEPTED_STEPS):
        matches = hmac.compare_digest(codes.generate_otp(step).encode(), digits.encode())
        if matches and step > person.totp_step:
            person.totp_step = step
            return True
    return False


def _redeem_recovery_code(person: Person, digits: str) -> bool:
    """Remove the recovery code from the person. Returns False if it is none of them."""
    hashed = _hash_recovery_code(digits)
    if hashed not in person.recovery:
        return False
    person.recovery = [item for item in person.recovery if item != hashed]
    return True


def _generate_recovery_code() -> str:
    """Generate a recovery code of 80 random bits: 16 base-32 characters in groups of 4."""
    text = b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def _hash_recovery_code(code: str) -> str:
    """Return the SHA-256 of a normalized recovery code in hexadecimal."""
    return hashlib.sha256(_normalize_code(code).encode()).hexdigest()


def _normalize_code(code: str) -> str:
    """Normalize a typed code: drop spaces and hyphens, fold full-width digits and capitals."""
    plain = unicodedata.normalize("NFKC", code[:_MAX_CODE_LENGTH]).casefold()
    return "".join(letter for letter in plain if letter.isalnum() and letter.isascii())


def _seal_purpose(person: Person) -> str:
    """Return the encryption context that binds a TOTP secret to its person."""
    return f"totp:{person.id}"
