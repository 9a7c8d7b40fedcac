"""One-time tokens: links in e-mails, and the ticket between the two steps of signing in.

Stored is a hash only.
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

_LONGEST = 200
_KEPT = timedelta(days=90)


class Kind(StrEnum):
    """What a token is for."""

    INVITATION = "invitation"
    FIRST = "first"  # the first operator's invitation
    RESET = "reset"
    SECOND_STEP = "second_step"


INVITATIONS = (Kind.INVITATION, Kind.FIRST)


class LinkUnusable(AppError):
    """A link that is none, was used or withdrawn, or has expired: nobody is told which."""

    status = 410
    type = "invalid_request_error"
    code = "link_unusable"

    def __init__(self) -> None:
        super().__init__("This link works no more. Ask for a new one.")


def new_secret() -> str:
    """256 random bits, as URLs and cookies may carry them."""
    return secrets.token_urlsafe(32)


def digest_of(secret: str) -> bytes:
    """SHA-256, 32 bytes; enough for what is random."""
    return hashlib.sha256(secret.encode(errors="replace")).digest()


async def issue(
    session: AsyncSession, clock: Clock, kind: Kind, lasts: timedelta, **values: Any
) -> tuple[OneTimeToken, str]:
    """Make a token; its secret is nowhere else. Old ones of nobody's use any more are erased."""
    now, secret = clock.now(), new_secret()
    await session.execute(delete(OneTimeToken).where(col(OneTimeToken.expires_at) < now - _KEPT))
    row = OneTimeToken(
        id=ids.new_id(),
        kind=kind.value,
        digest=digest_of(secret),
        created_at=now,
        expires_at=now + lasts,
        **values,
    )
    session.add(row)
    await session.flush()
    return row, secret


async def look(
    session: AsyncSession, clock: Clock, kinds: Collection[Kind], secret: str
) -> OneTimeToken:
    """What a token is for, without using it. Raises LinkUnusable."""
    query = select(OneTimeToken).where(_works(clock, kinds, secret))
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise LinkUnusable
    return row


async def take(
    session: AsyncSession, clock: Clock, kinds: Collection[Kind], secret: str
) -> OneTimeToken:
    """Use it up: of several at once, one gets it. Raises LinkUnusable."""
    statement = (
        update(OneTimeToken)
        .where(_works(clock, kinds, secret))
        .values(used_at=clock.now())
        .returning(OneTimeToken)
    )
    row = (await session.scalars(statement)).one_or_none()
    if row is None:
        raise LinkUnusable
    return row


async def withdraw_all(session: AsyncSession, clock: Clock, person_id: UUID) -> None:
    """None of a person's resets and tickets works any more."""
    await session.execute(
        update(OneTimeToken)
        .where(
            col(OneTimeToken.person_id) == person_id,
            col(OneTimeToken.used_at).is_(None),
            col(OneTimeToken.withdrawn_at).is_(None),
        )
        .values(withdrawn_at=clock.now())
    )


def is_open(clock: Clock) -> ColumnElement[bool]:
    """Of tokens that still work."""
    return and_(
        col(OneTimeToken.used_at).is_(None),
        col(OneTimeToken.withdrawn_at).is_(None),
        col(OneTimeToken.expires_at) > clock.now(),
    )


def _works(clock: Clock, kinds: Collection[Kind], secret: str) -> ColumnElement[bool]:
    return and_(
        col(OneTimeToken.digest) == digest_of(secret[:_LONGEST]),
        col(OneTimeToken.kind).in_([kind.value for kind in kinds]),
        is_open(clock),
    )
