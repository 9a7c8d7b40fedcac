"""Which versions of an account's own models answer calls of another version, unseen."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.call.values import ShadowPlan
from gateway.tables import ShadowDeployment, ShadowStatus


async def list_shadow_plans(
    session: AsyncSession, account_id: UUID
) -> Mapping[tuple[str, str], ShadowPlan]:
    """Return an account's running shadow deployments, by base model and name of the variant."""
    query = select(ShadowDeployment).where(
        col(ShadowDeployment.account_id) == account_id,
        col(ShadowDeployment.status) == ShadowStatus.RUNNING,
    )
    return {
        (row.base, row.name): ShadowPlan(
            row.id, row.current_id, row.candidate_id, row.candidate_version, row.share, row.ends_at
        )
        for row in await session.scalars(query)
    }
