"""What a version learned from, example by example, and whether it could still be learned from."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.accounts import PREFIX as ACCOUNT_PREFIX
from gateway.fine_tuning.jobs import PREFIX as JOB_PREFIX
from gateway.shared_models import feedback
from gateway.shared_models.collector import Scrub, collect
from gateway.shared_models.examples import Source
from gateway.tables import ModelVersion, ModelVersionExample
from infra import ids

_PREFIXES = {Source.FEEDBACK.value: feedback.PREFIX, Source.FILE.value: JOB_PREFIX}


async def provenance(
    session: AsyncSession, version: ModelVersion, scrub: Scrub
) -> list[dict[str, Any]]:
    """Of each example: whose, of which feedback or job, since when it may be used; and whether it
    is still given, was changed since, or withdrawn."""
    given = {
        (one.source.value, one.source_id, one.line): one.digest
        for one in await collect(session, version.model, scrub)
    }
    query = (
        select(ModelVersionExample)
        .where(col(ModelVersionExample.version_id) == version.id)
        .order_by(
            col(ModelVersionExample.account_id),
            col(ModelVersionExample.source),
            col(ModelVersionExample.source_id),
            col(ModelVersionExample.line),
        )
    )
    return [_shown(row, given) for row in (await session.scalars(query)).all()]


def _shown(
    row: ModelVersionExample, given: Mapping[tuple[str, UUID, int], bytes]
) -> dict[str, Any]:
    now = given.get((row.source, row.source_id, row.line))
    state = "withdrawn" if now is None else "given" if now == row.digest else "changed"
    return {
        "account": ids.show(ACCOUNT_PREFIX, row.account_id),
        "source": ids.show(_PREFIXES[row.source], row.source_id),
        "line": row.line or None,
        "consented_at": row.consented_at.isoformat(),
        "digest": row.digest.hex(),
        "held_out": row.held_out,
        "now": state,
    }
