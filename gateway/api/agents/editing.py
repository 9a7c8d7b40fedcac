"""Run a change of an agent through the API, once per Idempotency-Key."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.store.agents import AgentChange
from gateway.agents.store.findings import warnings_json
from gateway.agents.store.owners import AgentOwner, Checked
from gateway.agents.views import agent_json
from gateway.api.actors import key_actor
from gateway.api.idempotency import idempotent_response
from gateway.call.values import Principal
from gateway.quota.request_limits import RequestLimits
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings
from models.catalog import Catalog

Edit = Callable[[AgentOwner], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class AgentEditing:
    """Applies changes of one request in one transaction each."""

    principal: Principal
    database: Database
    clock: Clock
    catalog: Catalog
    request: Request[Any, Any, Any]
    most: int

    async def apply(self, edit: Edit) -> dict[str, Any]:
        """Apply a change and return its response."""
        async with self.database.transaction() as session:
            return await edit(self._owner(session))

    async def apply_once(self, key: str | None, edit: Edit) -> Response[bytes]:
        """Apply a change once per Idempotency-Key and return its response."""

        async def change(session: AsyncSession) -> dict[str, Any]:
            """Apply the change in the transaction of the key."""
            return await edit(self._owner(session))

        return await idempotent_response(self.database, self.principal, self.request, key, change)

    def checked_json(self, checked: Checked) -> dict[str, Any]:
        """Return a changed agent with its warnings."""
        shown = agent_json(checked.agent, self.clock.now())
        return {**shown, "warnings": warnings_json(checked.warnings)}

    def _owner(self, session: AsyncSession) -> AgentOwner:
        """Return what makes the changes in a transaction."""
        actor = key_actor(self.principal, self.request)
        change = AgentChange(session, self.clock, actor, self.principal.account_id)
        return AgentOwner(change, self.catalog, self.most, self.principal)


async def provide_agent_editing(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    catalog: NamedDependency[Catalog],
    settings: NamedDependency[Settings],
    request_limits: NamedDependency[RequestLimits],
    request: Request[Any, Any, Any],
) -> AgentEditing:
    """Return what applies the changes of a request, which counts as one of its key.

    Raises RateLimited.
    """
    await request_limits.count_request(principal.quotas)
    most = settings.agents_per_account
    return AgentEditing(principal, database, clock, catalog, request, most)
