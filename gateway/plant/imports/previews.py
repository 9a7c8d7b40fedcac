"""Stored previews of imports: what was shown, to be applied when it is confirmed.

The model is stored, and the revision that it was compared with. As planning is deterministic, the
same revision gives the changes that were shown.
"""

import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.plant.assets.ids import IMPORT, not_found, parse_plant_id
from gateway.plant.assets.json_model import decode_model, encode_model
from gateway.plant.assets.values import PlantModel
from gateway.tables.plant import PlantImport
from infra import ids
from infra.database.paging import page_of
from models.problems import Problems
from models.sentences import restored

LIFETIME = timedelta(days=1)
PREVIEWED, APPLIED, READING, FAILED = "previewed", "applied", "reading", "failed"
# A file is read within fifteen minutes; after this its gateway process has ended.
_ABANDONED_AFTER = timedelta(minutes=30)
# The key of a summary with the sentences of its notes, in another language on pages.
NOTE_SENTENCES = "note_sentences"
# Open previews of an account; the oldest are deleted.
_MAX_OPEN = 10
_COMPRESSION = 6


def pack_model(model: PlantModel) -> bytes:
    """Return a model as it is stored."""
    return zlib.compress(encode_model(model), _COMPRESSION)


def unpack_model(content: bytes) -> PlantModel:
    """Return a model from what `pack_model` gave."""
    return decode_model(zlib.decompress(content), Problems())


async def delete_old_previews(session: AsyncSession, account_id: UUID, now: datetime) -> None:
    """Delete an account's previews that are a day old, and all but the newest ones."""
    is_open = (
        col(PlantImport.account_id) == account_id,
        col(PlantImport.status) == PREVIEWED,
    )
    newest = (select(PlantImport.id).where(*is_open).order_by(col(PlantImport.id).desc())).limit(
        _MAX_OPEN - 1
    )
    kept = list((await session.scalars(newest)).all())
    await session.execute(
        delete(PlantImport).where(
            *is_open,
            col(PlantImport.id).not_in(kept) | (col(PlantImport.created_at) < now - LIFETIME),
        )
    )
    await session.execute(
        delete(PlantImport).where(
            col(PlantImport.account_id) == account_id,
            col(PlantImport.status).in_((READING, FAILED)),
            col(PlantImport.created_at) < now - LIFETIME,
        )
    )


async def list_imports(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None = None
) -> list[PlantImport]:
    """Return a page of an account's imports, newest first."""
    query = select(PlantImport).where(col(PlantImport.account_id) == account_id)
    paged = page_of(query, col(PlantImport.id), limit, after)
    return list((await session.scalars(paged)).all())


async def find_import(
    session: AsyncSession, account_id: UUID, text: str, *, is_locked: bool = False
) -> PlantImport:
    """Return an import by its public id. Raises PlantNodeNotFound."""
    query = select(PlantImport).where(
        col(PlantImport.id) == parse_plant_id(IMPORT, text),
        col(PlantImport.account_id) == account_id,
    )
    row = (await session.scalars(query.with_for_update() if is_locked else query)).one_or_none()
    if row is None:
        raise not_found(IMPORT)
    return row


def import_notes(row: PlantImport) -> list[str]:
    """Return the notes of a preview; they are `sentence`s unless an earlier version wrote them."""
    texts, parts = row.summary.get("notes", []), row.summary.get(NOTE_SENTENCES)
    if parts is None:
        return list(texts)
    return [restored(text, part) for text, part in zip(texts, parts, strict=True)]


def status_of(row: PlantImport, now: datetime) -> str:
    """Return the status of an import: `failed` if the process that read its file has ended."""
    is_abandoned = row.status == READING and row.created_at + _ABANDONED_AFTER < now
    return FAILED if is_abandoned else row.status


def import_json(row: PlantImport, now: datetime | None = None) -> dict[str, Any]:
    """Return an import as JSON: counts, first changes and notes of its preview, or problems.

    `now` is needed for imports whose file may be read still.
    """
    summary: Mapping[str, Any] = {
        name: value for name, value in row.summary.items() if name != NOTE_SENTENCES
    }
    return {
        "id": ids.format_id(IMPORT, row.id),
        "object": "plant.import",
        "status": row.status if now is None else status_of(row, now),
        "mode": row.mode,
        "source": row.source,
        "file_name": row.file_name,
        "revision": row.revision,
        "created_at": int(row.created_at.timestamp()),
        "expires_at": int((row.created_at + LIFETIME).timestamp()),
        "applied_at": None if row.applied_at is None else int(row.applied_at.timestamp()),
        **summary,
    }
