"""Start, stop and promote shadow deployments, each with an audit entry.

The caller waits until all gateways know the change.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.call.errors import ParameterInvalid
from gateway.fine_tuning.versions import activate
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.observations.shadows import NewShadow, end_shadow, start_shadow
from gateway.registry.activations import VersionChange
from gateway.registry.variants import parse_public_id
from gateway.tables import ShadowDeployment, ShadowStatus
from gateway.wire.own_models.shadows import ShadowRequest
from infra.clock import Clock
from models.catalog import SPECIALIST_TASKS, Catalog


async def start(
    session: AsyncSession,
    clock: Clock,
    catalog: Catalog,
    actor: Actor,
    account_id: UUID,
    model: str,
    request: ShadowRequest,
) -> ShadowDeployment:
    """Start a shadow deployment of a model.

    Raises ModelNotFound, ShadowRunning, and ParameterInvalid for a language model.
    """
    base = catalog.models.get(parse_public_id(account_id, model)[0])
    if base is not None and base.task not in SPECIALIST_TASKS:
        raise ParameterInvalid("Shadow deployments are for specialist models only.", param="model")
    new = NewShadow(request.version, request.share, request.max_rows, request.days)
    row = await start_shadow(session, clock, account_id, model, new, actor.public_id)
    details = {"version": row.candidate_version, "share": row.share, "max_rows": row.max_rows}
    await record_audit_event(
        session, clock, actor, account_id, "model.shadow_started", row.name, details
    )
    return row


async def stop(
    session: AsyncSession, clock: Clock, actor: Actor, account_id: UUID, model: str
) -> ShadowDeployment:
    """Stop a shadow deployment; its report is kept. Raises ShadowNotFound, ShadowOver."""
    row = await end_shadow(session, clock, account_id, model, ShadowStatus.STOPPED)
    details = {"version": row.candidate_version}
    await record_audit_event(
        session, clock, actor, account_id, "model.shadow_stopped", row.name, details
    )
    return row


async def promote(
    session: AsyncSession, clock: Clock, actor: Actor, account_id: UUID, model: str
) -> VersionChange:
    """Let the candidate answer calls. Raises ModelNotFound, ShadowNotFound, ShadowOver."""
    row = await end_shadow(session, clock, account_id, model, ShadowStatus.PROMOTED)
    return await activate(session, clock, actor, account_id, model, row.candidate_version)
