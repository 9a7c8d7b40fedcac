"""`/v1/fine_tuning/jobs`: fine-tune a model, as OpenAI's clients do."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api.actors import key_actor
from gateway.api.idempotency import IdempotencyKey, idempotent_response
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.tags import TAGS_HEADER, parse_tags
from gateway.call.values import Principal
from gateway.fine_tuning import acceptance, jobs
from gateway.fine_tuning.call import JOBS_PATH
from gateway.fine_tuning.new_jobs import create_offered_job
from gateway.fine_tuning.offers import JobOffer, JobOffers
from gateway.fine_tuning.runner import FineTuningRunner
from gateway.fine_tuning.views import (
    CHECKPOINT_ID_PREFIX,
    render_checkpoint,
    render_event,
    render_job,
)
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.registry.variants import find_live_version_of_job
from gateway.wire.body import decode_body_strict
from gateway.wire.fine_tuning import (
    CONSENT_DECODER,
    ConsentRequest,
    JobRequest,
    parse_job_request,
)
from infra.clock import Clock
from infra.database.database import Database

BODIES = {JOBS_PATH: JobRequest, f"{JOBS_PATH}/{{job}}/consent": ConsentRequest}
_MAX_BODY_BYTES = 64 << 10
_TagsHeader = Annotated[
    str | None, HeaderParameter(name="X-Maas-Tags", description="What the job is for")
]
_MaxCostHeader = Annotated[
    str | None, HeaderParameter(name="X-Max-Cost", description="What the job may cost at most")
]


class FineTuningRoutes(Controller):
    """Fine-tuning jobs; they run in the background, so clients poll the job or its events."""

    path = JOBS_PATH
    request_max_body_size = _MAX_BODY_BYTES

    @post("/", status_code=200, summary="Create a fine-tuning job")
    async def create(
        self,
        principal: NamedDependency[Principal],
        offers: NamedDependency[JobOffers],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        fine_tuning_runner: NamedDependency[FineTuningRunner],
        request: Request[Any, Any, Any],
        tags: _TagsHeader = None,
        max_cost: _MaxCostHeader = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Validate and queue a fine-tuning job, then wake the runner. Returns the job object."""
        job_request = parse_job_request(await request.body())
        max_cost_header = {} if max_cost is None else {b"x-max-cost": max_cost.encode("latin-1")}
        offer = await offers.create_offer(principal, job_request, max_cost_header)
        parsed_tags = parse_tags({TAGS_HEADER: tags.encode("latin-1")}) if tags else None
        change = partial(_create_job, clock, principal, job_request, offer, parsed_tags)
        answer = await idempotent_response(database, principal, request, idempotency_key, change)
        fine_tuning_runner.wake()
        return answer

    @get("/", summary="List fine-tuning jobs, newest first")
    async def page(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of the account's fine-tuning jobs, newest first."""
        cursor = parse_cursor(jobs.JOB_ID_PREFIX, after)
        async with database.transaction() as session:
            rows = await jobs.list_jobs(session, principal.account_id, limit + 1, cursor)
        return page_json(rows, limit, render_job)

    @get("/{job:str}", summary="One job")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        job: FromPath[str],
    ) -> dict[str, Any]:
        """Return OpenAI's job object of one fine-tuning job."""
        async with database.transaction() as session:
            return render_job(await jobs.find_job(session, principal.account_id, job))

    @get("/{job:str}/events", summary="List the events of a job, newest first")
    async def events(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        job: FromPath[str],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of a job's events, newest first."""
        cursor = parse_cursor(jobs.EVENT_ID_PREFIX, after)
        async with database.transaction() as session:
            job_row = await jobs.find_job(session, principal.account_id, job)
            rows = await jobs.list_events(session, job_row, limit + 1, cursor)
        return page_json(rows, limit, render_event)

    @post("/{job:str}/cancel", status_code=200, summary="Cancel a job")
    async def cancel(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        job: FromPath[str],
    ) -> dict[str, Any]:
        """Cancel a job and return the job object."""
        async with database.transaction() as session:
            return render_job(await jobs.cancel_job(session, clock, principal.account_id, job))

    @post("/{job:str}/accept", status_code=200, summary="Accept the model of a rejected job")
    async def accept(
        self,
        principal: NamedDependency[Principal],
        offers: NamedDependency[JobOffers],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        fine_tuning_runner: NamedDependency[FineTuningRunner],
        request: Request[Any, Any, Any],
        job: FromPath[str],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Queue a job whose model was worse than its base: the model is billed and published."""
        actor = key_actor(principal, request)
        change = partial(_accept_job, clock, principal, actor, offers, job)
        answer = await idempotent_response(database, principal, request, idempotency_key, change)
        fine_tuning_runner.wake()
        return answer

    @get("/{job:str}/checkpoints", summary="List the checkpoints of a job, newest first")
    async def checkpoints(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        job: FromPath[str],
        limit: PageLimit = 10,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return the trained version as the job's only checkpoint; no item if it is not live."""
        cursor = parse_cursor(CHECKPOINT_ID_PREFIX, after)
        async with database.transaction() as session:
            job_row = await jobs.find_job(session, principal.account_id, job)
            version = await find_live_version_of_job(session, job_row)
            metrics = await jobs.find_last_metrics(session, job_row)
        is_on_page = version is not None and (cursor is None or version.id < cursor)
        data = [render_checkpoint(job_row, version, metrics)] if version and is_on_page else []
        return {"object": "list", "data": data, "has_more": False}

    @post(
        "/{job:str}/consent",
        status_code=200,
        summary="Set whether the training file may improve the shared model",
    )
    async def consent(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        job: FromPath[str],
    ) -> dict[str, Any]:
        """Give or withdraw consent to train the shared model on the job's file."""
        consent_request = decode_body_strict(CONSENT_DECODER, await request.body())
        is_shared = consent_request.share_for_improvement
        async with database.transaction() as session:
            row = await jobs.set_sharing_consent(
                session, clock, principal.account_id, job, is_shared
            )
            return render_job(row)


async def _create_job(
    clock: Clock,
    principal: Principal,
    job_request: JobRequest,
    offer: JobOffer,
    tags: Mapping[str, str] | None,
    session: AsyncSession,
) -> dict[str, Any]:
    """Create the fine-tuning job and return OpenAI's job object."""
    account_id, key_id = principal.account_id, principal.key_id
    return render_job(
        await create_offered_job(session, clock, account_id, key_id, job_request, offer, tags)
    )


async def _accept_job(
    clock: Clock,
    principal: Principal,
    actor: Actor,
    offers: JobOffers,
    job: str,
    session: AsyncSession,
) -> dict[str, Any]:
    """Accept a rejected job, record it and return the job object; the request's key pays."""
    account_id, key_id = principal.account_id, principal.key_id
    row = await acceptance.accept_job(session, clock, account_id, job, actor.public_id, key_id)
    await offers.require_acceptance_affordable(principal, row)
    details = acceptance.audit_details(row)
    await record_audit_event(session, clock, actor, account_id, "model.accepted", row.name, details)
    return render_job(row)
