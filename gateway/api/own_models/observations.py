"""`/v1/feedback/observations` and `/v1/models/{model}/observations`: predicted against observed."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.api.audit import RequestAudit
from gateway.call.values import Principal
from gateway.observations import rows
from gateway.observations.report import load_reports, reports_json
from gateway.observations.shadows import find_stored_results
from gateway.wire.own_models.observations import ObservationsRequest, parse_observations
from infra.clock import Clock
from infra.database.database import Database

PATH = "/v1/feedback/observations"
BODIES: Mapping[str, type[msgspec.Struct]] = {PATH: ObservationsRequest}
_MAX_BODY_BYTES = 4 << 20


class ObservationRoutes(Controller):
    """Observed results of the account's own predictions; a new one replaces the previous one."""

    path = PATH
    request_max_body_size = _MAX_BODY_BYTES

    @post("/", status_code=200, summary="Report observed results of predictions")
    async def save(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Save what was observed, by call and row, and return how many results were saved."""
        results = parse_observations(await request.body())
        async with database.transaction() as session:
            account_id = principal.account_id
            without = [(one.request_id, one.row) for one in results if one.prediction is None]
            stored = await find_stored_results(session, account_id, without)
            saved = await rows.save_observations(session, clock, account_id, results, stored)
        return {"object": "feedback.observations", "saved": saved}

    @delete("/{request_id:str}", status_code=200, summary="Delete the observed results of a call")
    async def erase(
        self,
        audit: NamedDependency[RequestAudit],
        database: NamedDependency[Database],
        request_id: FromPath[str],
    ) -> dict[str, Any]:
        """Delete the observed results of one call, and return how many there were."""
        async with database.transaction() as session:
            deleted = await rows.delete_observations(session, audit.account_id, request_id)
            if deleted:
                await audit.record(session, "observations.deleted", request_id)
        return {"id": request_id, "object": "feedback.observations", "deleted": deleted}


class ObservedReportRoutes(Controller):
    """What was observed about the predictions of the account's own models."""

    path = "/v1/models/{name:str}/observations"

    @get("/", summary="Predicted against observed, by version of a fine-tuned model")
    async def report(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        name: FromPath[str],
    ) -> dict[str, Any]:
        """Return score, coverage or calibration and weekly figures. Raises ModelNotFound."""
        reports = await load_reports(database, principal.account_id, name)
        return reports_json(name, reports)
