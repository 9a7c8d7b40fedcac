"""`/v1/plant/work-orders`: work orders for a maintenance system (CMMS), and their status."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api.pagination import PageLimit, bidirectional_page_json, parse_cursor
from gateway.api.plant.bodies import PATH as PLANT_PATH
from gateway.api.plant.editing import PlantChange, provide_plant_change
from gateway.call.values import Principal
from gateway.plant.assets.ids import ENTITY
from gateway.plant.assets.values import EntityKind
from gateway.plant.maintenance.work_orders import (
    MAX_EXPORTED,
    StatusReport,
    WorkOrderStatus,
    load_assets,
    render_work_orders,
    report_status,
    require_work_order,
    work_order_json,
)
from gateway.plant.store.editing import Editing
from gateway.plant.store.queries import find_entity, list_entities
from gateway.tables.plant import PlantEntity
from gateway.wire.body import decode_body_strict
from infra.database.database import Database

PATH = f"{PLANT_PATH}/work-orders"
_Text = Annotated[str, msgspec.Meta(max_length=200)]


class WorkOrderStatusRequest(msgspec.Struct, kw_only=True):
    """The status of a work order in the maintenance system, with its number there.

    `at` is when it became so: an older report than the last one changes nothing.
    """

    status: WorkOrderStatus
    external_id: _Text = ""
    external_status: _Text = ""
    note: Annotated[str, msgspec.Meta(max_length=2_000)] = ""
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


_DECODER = msgspec.json.Decoder(WorkOrderStatusRequest)
BODIES = {f"{PATH}/{{order}}/status": WorkOrderStatusRequest}


class WorkOrderRoutes(Controller):
    """Work orders of the account, those of agents and imported ones, by id `ent_…` or code."""

    path = PATH
    dependencies = {"plant_change": Provide(provide_plant_change)}  # noqa: RUF012  # Litestar's

    @get("/", summary="List work orders in the order of their creation")
    async def orders(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
        text: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of active work orders with asset and status."""
        cursor, account_id, kind = (
            parse_cursor(ENTITY, after),
            principal.account_id,
            EntityKind.WORK_ORDER,
        )
        async with database.transaction() as session:
            rows = await list_entities(session, account_id, kind, text, limit + 1, cursor)
            assets = await load_assets(session, account_id, [row.id for row in rows])
        return bidirectional_page_json(
            rows, limit, lambda row: work_order_json(row, assets.get(row.id)), backwards=False
        )

    @get("/export", summary="Export work orders as CSV", media_type="text/csv")
    async def export(
        self, principal: NamedDependency[Principal], database: NamedDependency[Database]
    ) -> Response[bytes]:
        """Return up to 10,000 active work orders, the oldest first."""
        account_id, kind = principal.account_id, EntityKind.WORK_ORDER
        async with database.transaction() as session:
            rows = await list_entities(session, account_id, kind, None, MAX_EXPORTED, None)
            assets = await load_assets(session, account_id, [row.id for row in rows])
        content = render_work_orders(work_order_json(row, assets.get(row.id)) for row in rows)
        headers = {"content-disposition": 'attachment; filename="work-orders.csv"'}
        return Response(content, media_type="text/csv", headers=headers)

    @get("/{order:str}", summary="Retrieve a work order")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        order: FromPath[str],
    ) -> dict[str, Any]:
        """Return a work order, also a retired one by its ID."""
        account_id, kind = principal.account_id, EntityKind.WORK_ORDER
        async with database.transaction() as session:
            row = require_work_order(await find_entity(session, account_id, order, kind))
            return await _json(session, row)

    @post("/{order:str}/status", status_code=200, summary="Report the status of a work order")
    async def status(
        self,
        plant_change: NamedDependency[PlantChange],
        request: Request[Any, Any, Any],
        order: FromPath[str],
    ) -> dict[str, Any]:
        """Store what a maintenance system says; a repeated report changes nothing."""
        body = decode_body_strict(_DECODER, await request.body())
        report = msgspec.convert(body, StatusReport, from_attributes=True)

        async def edit(editing: Editing) -> dict[str, Any]:
            """Apply the report."""
            return await _json(editing.session, await report_status(editing, order, report))

        return await plant_change.apply(edit)


async def _json(session: AsyncSession, row: PlantEntity) -> dict[str, Any]:
    """Return a work order with its asset."""
    assets = await load_assets(session, row.account_id, [row.id])
    return work_order_json(row, assets.get(row.id))
