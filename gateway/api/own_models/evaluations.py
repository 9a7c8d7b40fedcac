"""`/v1/evals/runs`: evaluate models on an account's questions with expected answers."""

from functools import partial
from typing import Annotated, Any

from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api.audit import RequestAudit
from gateway.api.idempotency import IdempotencyKey, idempotent_response
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.values import Principal
from gateway.evaluations import results, runs
from gateway.evaluations.new_runs import create_run
from gateway.evaluations.offers import EvaluationOffer, EvaluationOffers, new_run
from gateway.evaluations.report import build_report
from gateway.evaluations.runner import EvaluationRunner
from gateway.evaluations.views import audit_details, models_of, result_json, run_json
from gateway.registry.files import find_file
from gateway.tables import EvaluationRun
from gateway.wire.evaluations import (
    ResumeRequest,
    RunRequest,
    parse_resume_request,
    parse_run_request,
)
from infra import ids
from infra.database.database import Database

RUNS_PATH = "/v1/evals/runs"
BODIES = {
    RUNS_PATH: RunRequest,
    f"{RUNS_PATH}/quote": RunRequest,
    f"{RUNS_PATH}/{{run}}/resume": ResumeRequest,
}
_MAX_BODY_BYTES = 64 << 10
_Position = Annotated[
    int | None, QueryParameter(ge=0, description="Position after which the page begins")
]
_Differing = Annotated[
    bool, QueryParameter(description="Only questions that one model answered correctly")
]


class EvaluationRoutes(Controller):
    """Evaluation runs; they go on in the background, so clients poll the run."""

    path = RUNS_PATH
    request_max_body_size = _MAX_BODY_BYTES

    @post("/quote", status_code=200, summary="Validate an evaluation run and quote its cost")
    async def quote(
        self,
        principal: NamedDependency[Principal],
        evaluation_offers: NamedDependency[EvaluationOffers],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Check the file and return the lowest and highest cost. Nothing is stored or billed."""
        run_request = parse_run_request(await request.body())
        offer = await evaluation_offers.create_offer(principal, run_request)
        return await evaluation_offers.render_quote(offer)

    @post("/", status_code=200, summary="Create an evaluation run")
    async def create(
        self,
        principal: NamedDependency[Principal],
        evaluation_offers: NamedDependency[EvaluationOffers],
        database: NamedDependency[Database],
        audit: NamedDependency[RequestAudit],
        evaluation_runner: NamedDependency[EvaluationRunner],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Validate and queue a run, then wake the runner. Returns the run."""
        run_request = parse_run_request(await request.body())
        offer = await evaluation_offers.create_offer(principal, run_request)
        change = partial(_create_run, audit, offer)
        answer = await idempotent_response(database, principal, request, idempotency_key, change)
        evaluation_runner.wake()
        return answer

    @get("/", summary="List evaluation runs, newest first")
    async def page(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of the account's runs without their results, newest first."""
        cursor = parse_cursor(runs.RUN_ID_PREFIX, after)
        async with database.transaction() as session:
            rows = await runs.list_runs(session, principal.account_id, limit + 1, cursor)
        return page_json(rows, limit, run_json)

    @get("/{run:str}", summary="Retrieve an evaluation run with its results so far")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        run: FromPath[str],
    ) -> dict[str, Any]:
        """Return a run with progress, results by model and their comparison."""
        async with database.transaction() as session:
            row = await runs.find_run(session, principal.account_id, run)
            return await reported_json(session, row)

    @get("/{run:str}/output_items", summary="List the questions of a run with the answers")
    async def output_items(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        run: FromPath[str],
        limit: PageLimit = 20,
        after: _Position = None,
        differing: _Differing = False,
    ) -> dict[str, Any]:
        """Return a page of questions in the order of the file, each with the models' answers."""
        async with database.transaction() as session:
            row = await runs.find_run(session, principal.account_id, run)
            rows = await results.list_results(session, row, limit + 1, after, differing)
        return page_json(rows, limit, partial(result_json, row))

    @post("/{run:str}/cancel", status_code=200, summary="Cancel an evaluation run")
    async def cancel(
        self,
        audit: NamedDependency[RequestAudit],
        database: NamedDependency[Database],
        run: FromPath[str],
    ) -> dict[str, Any]:
        """Cancel a run and return it; calls that were sent are finished and billed."""
        async with database.transaction() as session:
            row = await runs.cancel_run(session, audit.clock, audit.account_id, run)
            await audit.record(session, "evaluation.canceled", run)
            return await reported_json(session, row)

    @post(
        "/{run:str}/resume",
        status_code=200,
        summary="Continue a run that ended before all questions were answered",
    )
    async def resume(
        self,
        audit: NamedDependency[RequestAudit],
        database: NamedDependency[Database],
        evaluation_runner: NamedDependency[EvaluationRunner],
        request: Request[Any, Any, Any],
        run: FromPath[str],
    ) -> dict[str, Any]:
        """Queue the run again for its open questions and return it; the body is optional."""
        max_cost_nano = parse_resume_request(await request.body())
        async with database.transaction() as session:
            row = await runs.resume_run(session, audit.account_id, run, max_cost_nano)
            await audit.record(session, "evaluation.resumed", run, audit_details(row))
            fields = await reported_json(session, row)
        evaluation_runner.wake()
        return fields

    @delete("/{run:str}", status_code=200, summary="Delete an evaluation run that has ended")
    async def erase(
        self,
        audit: NamedDependency[RequestAudit],
        database: NamedDependency[Database],
        run: FromPath[str],
    ) -> dict[str, Any]:
        """Delete a run with its questions and answers; usage and invoices are kept."""
        async with database.transaction() as session:
            await runs.delete_run(session, audit.account_id, run)
            await audit.record(session, "evaluation.deleted", run)
        return {"id": run, "object": "eval.run.deleted", "deleted": True}


async def reported_json(session: AsyncSession, row: EvaluationRun) -> dict[str, Any]:
    """Return a run with its report as JSON."""
    figures = await results.list_figures(session, row)
    return run_json(row, build_report(figures, len(models_of(row))))


async def _create_run(
    audit: RequestAudit, offer: EvaluationOffer, session: AsyncSession
) -> dict[str, Any]:
    """Create the run of an offer and return it as JSON."""
    file = await find_file(session, audit.account_id, offer.request.file)
    row = await create_run(session, audit.clock, new_run(offer, file, file.filename))
    name = ids.format_id(runs.RUN_ID_PREFIX, row.id)
    await audit.record(session, "evaluation.created", name, audit_details(row))
    return await reported_json(session, row)
