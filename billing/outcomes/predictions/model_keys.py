"""Keys of models that sign prediction records: one active key per model, rotation, revocation.

Private keys are derived from the installation's secret key, the model and the generation
(infra/secrets/signing_key.py), so that every process signs with the same key and none is stored.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.outcomes.predictions.content import instant_text
from billing.outcomes.predictions.errors import ModelKeyNotFound, ModelKeyRevoked
from billing.outcomes.predictions.tokens import public_jwk
from billing.tables import PredictionKey
from infra.clock import Clock
from infra.secrets.signing_key import SigningKey

_MAX_REASON = 500


class ModelSigner:
    """Derives the private keys of models from the installation's secret key."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def key(self, model: str, generation: int) -> SigningKey:
        """Return the key pair of a model's generation."""
        return SigningKey(self._secret, f"predictions {generation} {model}")


async def active_key(
    session: AsyncSession, clock: Clock, signer: ModelSigner, model: str
) -> tuple[PredictionKey, SigningKey]:
    """Return the key with which a model signs now; the first use of a model creates it.

    A stored key that the secret key no longer derives, as after a change of it, is replaced.
    """
    row = await _find_active(session, model)
    if row is not None:
        key = signer.key(model, row.generation)
        if key.public_key == row.public_key:
            return row, key
    return await rotate_key(session, clock, signer, model)


async def rotate_key(
    session: AsyncSession, clock: Clock, signer: ModelSigner, model: str
) -> tuple[PredictionKey, SigningKey]:
    """Retire a model's active key, if it has one, and activate the next generation."""
    now = clock.now()
    # Of two processes that make the same generation, the second finds the first one's row.
    query = select(PredictionKey).where(col(PredictionKey.model) == model).with_for_update()
    rows = list((await session.scalars(query)).all())
    for row in rows:
        row.retired_at = row.retired_at or now
    await session.flush()
    generation = max((row.generation for row in rows), default=0) + 1
    key = signer.key(model, generation)
    values = {
        "kid": key.key_id,
        "model": model,
        "generation": generation,
        "public_key": key.public_key,
        "created_at": now,
    }
    await session.execute(insert(PredictionKey).values(**values).on_conflict_do_nothing())
    made = (
        await session.scalars(
            select(PredictionKey).where(col(PredictionKey.kid) == key.key_id).with_for_update()
        )
    ).one()
    return made, key


async def revoke_key(
    session: AsyncSession,
    clock: Clock,
    signer: ModelSigner,
    kid: str,
    reason: str,
    invalid_from: datetime | None = None,
) -> PredictionKey:
    """Revoke a key from a time on, by default now, and activate the model's next one if needed.

    Revoking again from the same time changes nothing. Raises ModelKeyNotFound, ModelKeyRevoked.
    """
    query = select(PredictionKey).where(col(PredictionKey.kid) == kid).with_for_update()
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise ModelKeyNotFound("No key with this id signs prediction records.", param="kid")
    if row.revoked_at is not None:
        if invalid_from is None or invalid_from == row.invalid_from:
            return row
        raise ModelKeyRevoked(f"The key was revoked from {row.invalid_from} on.", param="kid")
    was_active, now = row.retired_at is None, clock.now()
    row.retired_at, row.revoked_at = row.retired_at or now, now
    row.invalid_from, row.reason = invalid_from or now, reason.strip()[:_MAX_REASON]
    await session.flush()
    if was_active:
        await rotate_key(session, clock, signer, row.model)
    return row


async def list_keys(
    session: AsyncSession, kids: Iterable[str] | None = None
) -> Sequence[PredictionKey]:
    """List the keys of all models, or those with these ids, by model and generation."""
    query = select(PredictionKey)
    if kids is not None:
        query = query.where(col(PredictionKey.kid).in_(set(kids)))
    ordered = query.order_by(col(PredictionKey.model), col(PredictionKey.generation))
    return (await session.scalars(ordered)).all()


def key_json(key: PredictionKey) -> dict[str, Any]:
    """Return a key as a JWK with model, generation and times, as it is published."""
    return {
        **public_jwk(key.kid, key.public_key),
        "model": key.model,
        "generation": key.generation,
        "created_at": instant_text(key.created_at),
        "retired_at": _text(key.retired_at),
        "revoked_at": _text(key.revoked_at),
        "invalid_from": _text(key.invalid_from),
        "reason": key.reason,
    }


def _text(at: datetime | None) -> str | None:
    """Return a time as text, None for None."""
    return None if at is None else instant_text(at)


async def _find_active(session: AsyncSession, model: str) -> PredictionKey | None:
    """Return a model's active key, or None."""
    query = select(PredictionKey).where(
        col(PredictionKey.model) == model, col(PredictionKey.retired_at).is_(None)
    )
    return (await session.scalars(query)).one_or_none()
