"""`/v1/models/{model}/retraining`: train an own model again on a schedule, within a budget."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api.actors import key_actor
from gateway.call.values import Principal
from gateway.retraining import schedules
from gateway.retraining.views import schedule_json
from gateway.tables import RetrainingSchedule
from gateway.wire.own_models.retraining import RetrainingRequest, parse_retraining_request
from infra.clock import Clock
from infra.database.database import Database

BODIES: Mapping[str, type[msgspec.Struct]] = {"/v1/models/{name}/retraining": RetrainingRequest}
_MAX_BODY_BYTES = 64 << 10


class RetrainingRoutes(Controller):
    """The schedule of an own model; one of another account is reported as not found."""

    path = "/v1/models/{name:str}/retraining"
    request_max_body_size = _MAX_BODY_BYTES

    @put("/", summary="Set when a fine-tuned model is trained again, and its monthly budget")
    async def set_schedule(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        name: FromPath[str],
    ) -> dict[str, Any]:
        """Set the schedule; the key of this request pays. Returns it with its newest runs."""
        parsed = parse_retraining_request(await request.body())
        actor, account_id = key_actor(principal, request), principal.account_id
        async with database.transaction() as session:
            row = await schedules.set_schedule(
                session, clock, actor, account_id, principal.key_id, name, parsed
            )
            return await scheduled_json(session, clock, row)

    @get("/", summary="Retrieve the schedule of a fine-tuned model with its newest runs")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        name: FromPath[str],
    ) -> dict[str, Any]:
        """Return the schedule, what this month's trainings may cost, and the newest runs."""
        async with database.transaction() as session:
            row = await schedules.find_schedule(session, principal.account_id, name)
            return await scheduled_json(session, clock, row)

    @delete("/", status_code=200, summary="Stop to train a fine-tuned model on a schedule")
    async def erase(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        name: FromPath[str],
    ) -> dict[str, Any]:
        """Delete the schedule with its runs; a job that runs goes on."""
        actor, account_id = key_actor(principal, request), principal.account_id
        async with database.transaction() as session:
            await schedules.delete_schedule(session, clock, actor, account_id, name)
        return {"id": name, "object": "model.retraining.deleted", "deleted": True}


async def scheduled_json(
    session: AsyncSession, clock: Clock, row: RetrainingSchedule
) -> dict[str, Any]:
    """Return a schedule with its newest runs as JSON."""
    runs = await schedules.list_runs(session, row)
    return schedule_json(row, runs, await schedules.sum_committed(session, row, clock.now()))
