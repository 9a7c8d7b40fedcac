"""`/v1/plant/alignment`: propose mappings of new points in the background, and learn from them."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, delete, get, put
from litestar.di import NamedDependency

from gateway.alignment.settings import delete_alignment, find_alignment, set_alignment
from gateway.alignment.views import alignment_json
from gateway.api.actors import key_actor
from gateway.call.values import Principal
from gateway.wire.own_models.plant_alignment import AlignmentRequest, parse_alignment_settings
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog

BODIES: Mapping[str, type[msgspec.Struct]] = {"/v1/plant/alignment": AlignmentRequest}
_MAX_BODY_BYTES = 64 << 10


class PlantAlignmentRoutes(Controller):
    """The account's settings of plant alignment."""

    path = "/v1/plant/alignment"
    request_max_body_size = _MAX_BODY_BYTES

    @put(
        "/", summary="Propose mappings of new points in the background, and train on confirmations"
    )
    async def set_settings(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Set model and budgets; the key of this request pays. Returns the settings."""
        parsed = parse_alignment_settings(await request.body())
        actor, account_id = key_actor(principal, request), principal.account_id
        async with database.transaction() as session:
            row = await set_alignment(
                session, clock, catalog, actor, account_id, principal.key_id, parsed
            )
            return await alignment_json(session, clock, row)

    @get("/", summary="Retrieve the settings and the status of plant alignment")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> dict[str, Any]:
        """Return the settings, what was proposed and spent, and the newest trainings."""
        async with database.transaction() as session:
            row = await find_alignment(session, principal.account_id)
            return await alignment_json(session, clock, row)

    @delete("/", status_code=200, summary="Stop to propose mappings in the background")
    async def erase(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Delete the settings; proposals, confirmations and trained versions stay."""
        actor = key_actor(principal, request)
        async with database.transaction() as session:
            await delete_alignment(session, clock, actor, principal.account_id)
        return {"object": "plant.alignment.deleted", "deleted": True}
