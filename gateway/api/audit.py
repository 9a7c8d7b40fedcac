"""Who changes what through the API: the actor, the account and the audit log of a request."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from litestar import Request
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api.actors import key_actor
from gateway.call.values import Principal
from gateway.identity.audit_log import Actor, record_audit_event
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class RequestAudit:
    """Records the changes of one request in the account's audit log; `actor` is its API key."""

    account_id: UUID
    actor: Actor
    clock: Clock

    async def record(
        self,
        session: AsyncSession,
        action: str,
        subject: str,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Record a change of a subject in the transaction of the change."""
        await record_audit_event(
            session, self.clock, self.actor, self.account_id, action, subject, details
        )


async def provide_audit(
    principal: NamedDependency[Principal],
    clock: NamedDependency[Clock],
    request: Request[Any, Any, Any],
) -> RequestAudit:
    """Return the audit log of a request."""
    return RequestAudit(principal.account_id, key_actor(principal, request), clock)
