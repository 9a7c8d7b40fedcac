"""`/v1/plant/points` and `/v1/plant/mappings`: points, their mappings and history."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from gateway.alignment.views import proposed_assets, queued_json
from gateway.api.idempotency import IdempotencyKey
from gateway.api.pagination import PageLimit, bidirectional_page_json, page_json, parse_cursor
from gateway.api.plant.bodies import (
    PATH,
    MappingsRequest,
    PointChangeRequest,
    PointReplacementRequest,
    PointRequest,
    changes_of,
)
from gateway.api.plant.editing import PlantChange, provide_plant_change
from gateway.call.values import Principal
from gateway.plant.assets.ids import POINT
from gateway.plant.assets.values import MappingStatus
from gateway.plant.store.editing import Editing
from gateway.plant.store.mappings import confirm_mappings, count_mappings, list_history
from gateway.plant.store.node_names import load_names
from gateway.plant.store.point_editing import (
    create_point,
    replace_point,
    retire_point,
    update_point,
)
from gateway.plant.store.proposals import QueueOrder, list_queue
from gateway.plant.store.queries import PointFilter, find_point, list_points
from gateway.plant.store.views import mapping_json, point_json
from gateway.wire.body import decode_body_strict
from infra.database.database import Database

_NEW = msgspec.json.Decoder(PointRequest)
_CHANGE = msgspec.json.Decoder(PointChangeRequest)
_REPLACEMENT = msgspec.json.Decoder(PointReplacementRequest)
_MAPPINGS = msgspec.json.Decoder(MappingsRequest)


class PlantPointRoutes(Controller):
    """The account's points, by id `pt_…`, or by tag if that has no slash."""

    path = f"{PATH}/points"
    dependencies = {"plant_change": Provide(provide_plant_change)}  # noqa: RUF012  # Litestar's

    @get("/", summary="List points in the order of their creation")
    async def points(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
        asset: FromQuery[str | None] = None,
        tag: FromQuery[str | None] = None,
        text: FromQuery[str | None] = None,
        concept: FromQuery[str | None] = None,
        mapping_status: FromQuery[MappingStatus | None] = None,
        include_retired: FromQuery[bool] = False,
    ) -> dict[str, Any]:
        """Return a page of points; `asset` empty lists those without an asset."""
        wanted = PointFilter(asset, tag, text, concept, mapping_status, include_retired)
        cursor = parse_cursor(POINT, after)
        async with database.transaction() as session:
            rows = await list_points(session, principal.account_id, wanted, limit + 1, cursor)
        return bidirectional_page_json(rows, limit, point_json, backwards=False)

    @post("/", status_code=200, summary="Create a point")
    async def create(
        self,
        plant_change: NamedDependency[PlantChange],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Create a point and return it."""
        point = decode_body_strict(_NEW, await request.body()).to_value()

        async def edit(editing: Editing) -> dict[str, Any]:
            """Create the point."""
            return point_json(await create_point(editing, point))

        return await plant_change.apply_once(idempotency_key, edit)

    @get("/{point:str}", summary="Retrieve a point")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        point: FromPath[str],
    ) -> dict[str, Any]:
        """Return a point with its current mapping."""
        async with database.transaction() as session:
            return point_json(await find_point(session, principal.account_id, point))

    @post("/{point:str}", status_code=200, summary="Change a point")
    async def change(
        self,
        plant_change: NamedDependency[PlantChange],
        request: Request[Any, Any, Any],
        point: FromPath[str],
    ) -> dict[str, Any]:
        """Change fields of a point and return it."""
        changes = changes_of(decode_body_strict(_CHANGE, await request.body()))

        async def edit(editing: Editing) -> dict[str, Any]:
            """Change the point."""
            return point_json(await update_point(editing, point, changes))

        return await plant_change.apply(edit)

    @post("/{point:str}/replace", status_code=200, summary="Replace a sensor under the same tag")
    async def replace(
        self,
        plant_change: NamedDependency[PlantChange],
        request: Request[Any, Any, Any],
        point: FromPath[str],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Retire a point, create one with its tag, and return the new one."""
        changes = changes_of(decode_body_strict(_REPLACEMENT, await request.body()))

        async def edit(editing: Editing) -> dict[str, Any]:
            """Replace the point."""
            return point_json(await replace_point(editing, point, changes))

        return await plant_change.apply_once(idempotency_key, edit)

    @get("/{point:str}/mappings", summary="List the mapping history of a point")
    async def history(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        point: FromPath[str],
        limit: PageLimit = 100,
    ) -> dict[str, Any]:
        """Return the newest mappings of the point, and of earlier points under its tag."""
        async with database.transaction() as session:
            rows = await list_history(session, principal.account_id, point, limit + 1)
        return page_json(rows, limit, mapping_json)

    @delete("/{point:str}", status_code=200, summary="Retire a point")
    async def retire(
        self, plant_change: NamedDependency[PlantChange], point: FromPath[str]
    ) -> dict[str, Any]:
        """Retire a point and return it; readings and history stay."""

        async def edit(editing: Editing) -> dict[str, Any]:
            """Retire the point."""
            return point_json(await retire_point(editing, point))

        return await plant_change.apply(edit)


class PlantMappingRoutes(Controller):
    """Mappings of points to concepts."""

    path = f"{PATH}/mappings"
    dependencies = {"plant_change": Provide(provide_plant_change)}  # noqa: RUF012  # Litestar's

    @get("/", summary="Count points by mapping status")
    async def counts(
        self, principal: NamedDependency[Principal], database: NamedDependency[Database]
    ) -> dict[str, Any]:
        """Return the number of active points by mapping status."""
        async with database.transaction() as session:
            counts = await count_mappings(session, principal.account_id)
        return {"object": "plant.mappings", **counts}

    @get("/queue", summary="List proposed mappings in the order in which to confirm them")
    async def queue(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 50,
        order: FromQuery[QueueOrder] = QueueOrder.INFORMATIVE,
    ) -> dict[str, Any]:
        """Return the points to confirm next, with proposed concept, unit and asset.

        `informative` points stand for the most points like them; `uncertain` and `certain` order by
        probability.
        """
        account_id = principal.account_id
        async with database.transaction() as session:
            queue = await list_queue(session, account_id, limit + 1, order)
            codes = await load_names(session, account_id, proposed_assets(queue))
        return page_json(queue, limit, lambda one: queued_json(one, codes))

    @post("/", status_code=200, summary="Confirm or correct the concepts of points")
    async def confirm(
        self,
        plant_change: NamedDependency[PlantChange],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Confirm mappings in one transaction and return how many points changed."""
        body = decode_body_strict(_MAPPINGS, await request.body())
        confirmations = [one.to_value() for one in body.mappings]

        async def edit(editing: Editing) -> dict[str, Any]:
            """Confirm the concepts."""
            changed = await confirm_mappings(editing, confirmations)
            return {"object": "plant.mappings", "changed": changed}

        return await plant_change.apply_once(idempotency_key, edit)
