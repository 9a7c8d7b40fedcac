"""Store form input that was sent after session expiry, and restore it after the next login.

Input is stored only if the form has the CSRF token of one of the person's own sessions, so other
sites cannot inject any. It is encrypted for one person, account and page, returned once, and
expires.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import and_, delete, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.identity.current_user import Viewer
from gateway.identity.one_time_tokens import generate_secret, secret_digest
from gateway.identity.sessions import is_active
from gateway.tables import KeptInput, LoginSession
from infra import ids
from infra.clock import Clock
from infra.secrets.sealer import SealBroken, Sealer

LIFETIME = timedelta(minutes=30)
MAX_BYTES = 16 << 10
_MAX_ROWS_PER_PERSON = 5
_MAX_SECRET_LENGTH = 200
_TOO_LARGE = "null"


@dataclass(frozen=True, slots=True)
class InputOwner:
    """The person, account and page that stored input belongs to."""

    person_id: UUID
    account_id: UUID | None
    page: str


@dataclass(frozen=True, slots=True)
class RestoredInput:
    """Restored form values. `lost` is true if the input was too large to store."""

    values: Mapping[str, str]
    lost: bool = False


async def find_expired_session_owner(
    session: AsyncSession, clock: Clock, cookie: str, csrf_token: str, page: str
) -> InputOwner | None:
    """Return the owner of a form by the cookie and CSRF token of an expired session.

    Returns None if the session is unknown, still active, was ended explicitly or impersonating, or
    if the token does not match.
    """
    if len(cookie) > _MAX_SECRET_LENGTH:
        return None
    query = select(LoginSession).where(
        col(LoginSession.digest) == secret_digest(cookie),
        col(LoginSession.ended_at).is_(None),
        col(LoginSession.impersonating_until).is_(None),
        ~is_active(clock),
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None or not _is_same_token(row.csrf, csrf_token):
        return None
    return InputOwner(row.person_id, row.account_id, page)


async def find_earlier_session_owner(
    session: AsyncSession, viewer: Viewer, csrf_token: str, page: str
) -> InputOwner | None:
    """Return the viewer as owner if the CSRF token is of an earlier session in the same account.

    Returns None otherwise, and while impersonating.
    """
    if viewer.impersonated:
        return None
    query = select(LoginSession.csrf).where(
        col(LoginSession.person_id) == viewer.person_id,
        col(LoginSession.account_id).is_not_distinct_from(viewer.account_id),
        col(LoginSession.impersonating_until).is_(None),
    )
    if not any(_is_same_token(csrf, csrf_token) for csrf in (await session.scalars(query)).all()):
        return None
    return InputOwner(viewer.person_id, viewer.account_id, page)


async def store_input(
    session: AsyncSession,
    clock: Clock,
    sealer: Sealer,
    owner: InputOwner,
    values: Mapping[str, str],
) -> str:
    """Encrypt and store form values. Returns the secret for the browser's cookie.

    Input above `MAX_BYTES` is not stored; only the fact that it was lost is.
    """
    await _delete_old_rows(session, clock, owner.person_id)
    secret, row_id = generate_secret(), ids.new_id()
    text = json.dumps(dict(values), ensure_ascii=False)
    if len(text.encode(errors="replace")) > MAX_BYTES:
        text = _TOO_LARGE
    session.add(
        KeptInput(
            id=row_id,
            digest=secret_digest(secret),
            person_id=owner.person_id,
            account_id=owner.account_id,
            page=owner.page,
            sealed=sealer.seal(text, _seal_purpose(row_id, owner)),
            expires_at=clock.now() + LIFETIME,
        )
    )
    await session.flush()
    return secret


async def restore_input(
    session: AsyncSession, clock: Clock, sealer: Sealer, owner: InputOwner, secret: str
) -> RestoredInput | None:
    """Delete and return the stored input of this person, account and page.

    Returns None if there is none, or if it was encrypted with another installation's secret.
    """
    if len(secret) > _MAX_SECRET_LENGTH:
        return None
    deleted = await session.scalars(
        delete(KeptInput)
        .where(
            col(KeptInput.digest) == secret_digest(secret),
            col(KeptInput.person_id) == owner.person_id,
            col(KeptInput.account_id).is_not_distinct_from(owner.account_id),
            col(KeptInput.page) == owner.page,
            col(KeptInput.expires_at) > clock.now(),
        )
        .returning(KeptInput)
    )
    row = deleted.one_or_none()
    if row is None:
        return None
    try:
        values = json.loads(sealer.open(row.sealed, _seal_purpose(row.id, owner)))
    except SealBroken:
        return None
    return RestoredInput({}, lost=True) if values is None else RestoredInput(values)


async def _delete_old_rows(session: AsyncSession, clock: Clock, person_id: UUID) -> None:
    """Delete all expired rows and the person's oldest rows above the maximum."""
    newest = (
        select(KeptInput.id)
        .where(col(KeptInput.person_id) == person_id)
        .order_by(col(KeptInput.id).desc())
        .limit(_MAX_ROWS_PER_PERSON - 1)
    )
    old = and_(col(KeptInput.person_id) == person_id, col(KeptInput.id).not_in(newest))
    await session.execute(
        delete(KeptInput).where(or_(col(KeptInput.expires_at) <= clock.now(), old))
    )


def _seal_purpose(row_id: UUID, owner: InputOwner) -> str:
    """Return the encryption context that binds the input to its row, person, account and page."""
    account = owner.account_id.hex if owner.account_id else "platform"
    return f"kept-input:{row_id.hex}:{owner.person_id.hex}:{account}:{owner.page}"


def _is_same_token(expected: str, submitted: str) -> bool:
    """Whether two CSRF tokens are equal, compared in constant time."""
    return hmac.compare_digest(expected.encode(), submitted.encode(errors="replace"))
