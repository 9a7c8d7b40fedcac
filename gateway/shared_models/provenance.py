"""List the examples that a version was trained on, and whether consent still holds."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.accounts import ACCOUNT_ID_PREFIX as ACCOUNT_PREFIX
from gateway.fine_tuning.jobs import JOB_ID_PREFIX as JOB_PREFIX
from gateway.shared_models import feedback
from gateway.shared_models.collector import Scrubber, collect_examples
from gateway.shared_models.examples import ExampleSource
from gateway.tables import ModelVersion, ModelVersionExample
from infra import ids

_PREFIXES = {
    ExampleSource.FEEDBACK.value: feedback.FEEDBACK_ID_PREFIX,
    ExampleSource.FILE.value: JOB_PREFIX,
}


async def list_provenance(
    session: AsyncSession, version: ModelVersion, scrub: Scrubber
) -> list[dict[str, Any]]:
    """Return each example's account, source and consent time as JSON.

    `now` says whether the example is still `given`, was `changed` since or is `withdrawn`.
    """
    current_digests = {
        (example.source.value, example.source_id, example.line): example.digest
        for example in await collect_examples(session, version.model, scrub)
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
    return [_render_example(row, current_digests) for row in (await session.scalars(query)).all()]


def _render_example(
    row: ModelVersionExample, current_digests: Mapping[tuple[str, UUID, int], bytes]
) -> dict[str, Any]:
    """Render an example's provenance, and whether the example was changed or withdrawn since."""
    digest = current_digests.get((row.source, row.source_id, row.line))
    state = "withdrawn" if digest is None else "given" if digest == row.digest else "changed"
    return {
        "account": ids.format_id(ACCOUNT_PREFIX, row.account_id),
        "source": ids.format_id(_PREFIXES[row.source], row.source_id),
        "line": row.line or None,
        "consented_at": row.consented_at.isoformat(),
        "digest": row.digest.hex(),
        "held_out": row.held_out,
        "now": state,
    }
