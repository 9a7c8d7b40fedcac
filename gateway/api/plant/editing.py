"""Run a change of the plant model through the API, once per Idempotency-Key."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api.actors import key_actor
from gateway.api.idempotency import idempotent_response
from gateway.call.values import Principal
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.imports.importing import PlantImporter
from gateway.plant.store.editing import Editing
from infra.clock import Clock
from infra.database.database import Database

Edit = Callable[[Editing], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class PlantChange:
    """Applies changes of one request in one transaction each."""

    principal: Principal
    database: Database
    clock: Clock
    request: Request[Any, Any, Any]
    limits: PlantLimits

    async def apply(self, edit: Edit) -> dict[str, Any]:
        """Apply a change and return its response."""
        async with self.database.transaction() as session:
            return await edit(self._editing(session))

    async def apply_once(self, key: str | None, edit: Edit) -> Response[bytes]:
        """Apply a change once per Idempotency-Key and return its response."""

        async def change(session: AsyncSession) -> dict[str, Any]:
            """Apply the change in the transaction of the key."""
            return await edit(self._editing(session))

        return await idempotent_response(self.database, self.principal, self.request, key, change)

    def _editing(self, session: AsyncSession) -> Editing:
        """Return the context of changes in a transaction."""
        actor = key_actor(self.principal, self.request)
        return Editing(session, self.clock, actor, self.principal.account_id, self.limits)


async def provide_plant_change(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    plant_importer: NamedDependency[PlantImporter],
    request: Request[Any, Any, Any],
) -> PlantChange:
    """Return what applies the changes of a request."""
    return PlantChange(principal, database, clock, request, plant_importer.limits)
