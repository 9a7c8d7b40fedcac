"""One-time tokens: links in e-mails and the ticket between the two login steps.

Only hashes of tokens are stored.
"""

import hashlib
import secrets
from collections.abc import Collection
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.tables import OneTimeToken
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

_MAX_SECRET_LENGTH = 200
_RETENTION = timedelta(days=90)


class TokenKind(StrEnum):
    """The purpose of a one-time token."""

    INVITATION = "invitation"
    FIRST_OPERATOR = "first"
    RESET = "reset"
    SECOND_STEP = "second_step"


INVITATION_KINDS = (TokenKind.INVITATION, TokenKind.FIRST_OPERATOR)


class LinkUnusable(AppError):
    """The token is unknown, used, withdrawn or expired; the response does not reveal which."""

    status = 410
    type = "invalid_request_error"
    code = "link_unusable"

    def __init__(self) -> None:
        super().__init__("This link is no longer valid. Request a new one.")


def generate_secret() -> str:
    """Generate a secret of 256 random bits, safe for URLs and cookies."""
    return secrets.token_urlsafe(32)


def secret_digest(secret: str) -> bytes:
    """Return the SHA-256 of a secret. A fast hash suffices because the secret is random."""
    return hashlib.sha256(secret.encode(errors="replace")).digest()


async def issue_token(
    session: AsyncSession, clock: Clock, kind: TokenKind, lifetime: timedelta, **values: Any
) -> tuple[OneTimeToken, str]:
    """Create a token. Returns its row and its secret, which is not stored.

    Deletes tokens that expired before the retention period.
    """
    now, secret = clock.now(), generate_secret()
    await session.execute(
        delete(OneTimeToken).where(col(OneTimeToken.expires_at) < now - _RETENTION)
    )
    row = OneTimeToken(
        id=ids.new_id(),
        kind=kind.value,
        digest=secret_digest(secret),
        created_at=now,
        expires_at=now + lifetime,
        **values,
    )
    session.add(row)
    await session.flush()
    return row, secret


async def find_token(
    session: AsyncSession, clock: Clock, kinds: Collection[TokenKind], secret: str
) -> OneTimeToken:
    """Return the usable token of a secret without using it up. Raises LinkUnusable."""
    query = select(OneTimeToken).where(_matches(clock, kinds, secret))
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise LinkUnusable
    return row


async def use_token(
    session: AsyncSession, clock: Clock, kinds: Collection[TokenKind], secret: str
) -> OneTimeToken:
    """Use a token up and return it. Of concurrent calls, one succeeds. Raises LinkUnusable."""
    statement = (
        update(OneTimeToken)
        .where(_matches(clock, kinds, secret))
        .values(used_at=clock.now())
        .returning(OneTimeToken)
    )
    row = (await session.scalars(statement)).one_or_none()
    if row is None:
        raise LinkUnusable
    return row


async def withdraw_person_tokens(session: AsyncSession, clock: Clock, person_id: UUID) -> None:
    """Withdraw all unused password resets and login tickets of a person."""
    await session.execute(
        update(OneTimeToken)
        .where(
            col(OneTimeToken.person_id) == person_id,
            col(OneTimeToken.used_at).is_(None),
            col(OneTimeToken.withdrawn_at).is_(None),
        )
        .values(withdrawn_at=clock.now())
    )


def is_usable(clock: Clock) -> ColumnElement[bool]:
    """Return the SQL condition for tokens that are unused, not withdrawn and not expired."""
    return and_(
        col(OneTimeToken.used_at).is_(None),
        col(OneTimeToken.withdrawn_at).is_(None),
        col(OneTimeToken.expires_at) > clock.now(),
    )


def _matches(clock: Clock, kinds: Collection[TokenKind], secret: str) -> ColumnElement[bool]:
    """Return the SQL condition for the usable token of these kinds with this secret."""
    return and_(
        col(OneTimeToken.digest) == secret_digest(secret[:_MAX_SECRET_LENGTH]),
        col(OneTimeToken.kind).in_([kind.value for kind in kinds]),
        is_usable(clock),
    )
