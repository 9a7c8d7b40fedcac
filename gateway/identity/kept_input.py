"""Kept input: what a form said whose session had expired, for the same person after signing in.

Input is kept only where the form carries the CSRF token of one of the person's own sessions, so no
other site can leave any. It is sealed for one person, account and page, shown once, and expires.
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
from gateway.identity.one_time_tokens import digest_of, new_secret
from gateway.identity.sessions import is_open
from gateway.tables import KeptInput, LoginSession
from infra import ids
from infra.clock import Clock
from infra.secrets.sealer import SealBroken, Sealer

LASTS = timedelta(minutes=30)
MOST_BYTES = 16 << 10
_MOST_ROWS = 5  # of one person
_LONGEST_SECRET = 200
_LOST = "null"


@dataclass(frozen=True, slots=True)
class KeptFor:
    """Who may see the input, and on which page."""

    person_id: UUID
    account_id: UUID | None
    page: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What a form said; `lost` where it was too large to be kept."""

    values: Mapping[str, str]
    lost: bool = False


async def expired_owner(
    session: AsyncSession, clock: Clock, cookie: str, token: str, page: str
) -> KeptFor | None:
    """Whose form this is: the cookie is of a session that has expired, and the form carries that
    session's token. None for a session that somebody ended, and for support's looks."""
    if len(cookie) > _LONGEST_SECRET:
        return None
    query = select(LoginSession).where(
        col(LoginSession.digest) == digest_of(cookie),
        col(LoginSession.ended_at).is_(None),
        col(LoginSession.impersonating_until).is_(None),
        ~is_open(clock),
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None or not _same(row.csrf, token):
        return None
    return KeptFor(row.person_id, row.account_id, page)


async def earlier_owner(
    session: AsyncSession, viewer: Viewer, token: str, page: str
) -> KeptFor | None:
    """The viewer, where the form's token is of an earlier session of theirs in this account."""
    if viewer.impersonated:
        return None
    query = select(LoginSession.csrf).where(
        col(LoginSession.person_id) == viewer.person_id,
        col(LoginSession.account_id).is_not_distinct_from(viewer.account_id),
        col(LoginSession.impersonating_until).is_(None),
    )
    if not any(_same(csrf, token) for csrf in (await session.scalars(query)).all()):
        return None
    return KeptFor(viewer.person_id, viewer.account_id, page)


async def keep_input(
    session: AsyncSession, clock: Clock, sealer: Sealer, owner: KeptFor, values: Mapping[str, str]
) -> str:
    """Store what a form said; gives the secret for the browser's cookie. Of too large an input it
    stores only that it was lost."""
    await _make_room(session, clock, owner.person_id)
    secret, row_id = new_secret(), ids.new_id()
    text = json.dumps(dict(values), ensure_ascii=False)
    if len(text.encode(errors="replace")) > MOST_BYTES:
        text = _LOST
    session.add(
        KeptInput(
            id=row_id,
            digest=digest_of(secret),
            person_id=owner.person_id,
            account_id=owner.account_id,
            page=owner.page,
            sealed=sealer.seal(text, _purpose(row_id, owner)),
            expires_at=clock.now() + LASTS,
        )
    )
    await session.flush()
    return secret


async def take_input(
    session: AsyncSession, clock: Clock, sealer: Sealer, owner: KeptFor, secret: str
) -> Kept | None:
    """What was kept for this person, account and page, once; None where nothing was, or where it
    was sealed under another installation's secret."""
    if len(secret) > _LONGEST_SECRET:
        return None
    taken = await session.scalars(
        delete(KeptInput)
        .where(
            col(KeptInput.digest) == digest_of(secret),
            col(KeptInput.person_id) == owner.person_id,
            col(KeptInput.account_id).is_not_distinct_from(owner.account_id),
            col(KeptInput.page) == owner.page,
            col(KeptInput.expires_at) > clock.now(),
        )
        .returning(KeptInput)
    )
    row = taken.one_or_none()
    if row is None:
        return None
    try:
        values = json.loads(sealer.open(row.sealed, _purpose(row.id, owner)))
    except SealBroken:
        return None
    return Kept({}, lost=True) if values is None else Kept(values)


async def _make_room(session: AsyncSession, clock: Clock, person_id: UUID) -> None:
    """Delete what has expired, of anybody, and this person's oldest beyond a few."""
    newest = (
        select(KeptInput.id)
        .where(col(KeptInput.person_id) == person_id)
        .order_by(col(KeptInput.id).desc())
        .limit(_MOST_ROWS - 1)
    )
    old = and_(col(KeptInput.person_id) == person_id, col(KeptInput.id).not_in(newest))
    await session.execute(
        delete(KeptInput).where(or_(col(KeptInput.expires_at) <= clock.now(), old))
    )


def _purpose(row_id: UUID, owner: KeptFor) -> str:
    account = owner.account_id.hex if owner.account_id else "platform"
    return f"kept-input:{row_id.hex}:{owner.person_id.hex}:{account}:{owner.page}"


def _same(known: str, said: str) -> bool:
    return hmac.compare_digest(known.encode(), said.encode(errors="replace"))
