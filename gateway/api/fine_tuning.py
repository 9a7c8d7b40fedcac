"""`/v1/fine_tuning/jobs`: adapting a model, as OpenAI's clients ask for it."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api.idempotency import Key, answered_once
from gateway.api.pagination import Limit, mark_of, shown_page
from gateway.call.tags import HEADER, tags_of
from gateway.call.values import Principal
from gateway.fine_tuning import jobs
from gateway.fine_tuning.call import PATH
from gateway.fine_tuning.offers import Offer, Offers
from gateway.fine_tuning.runner import AdaptationRunner
from gateway.fine_tuning.views import CHECKPOINT_PREFIX, checkpoint_json, event_json, job_json
from gateway.registry.files import find_file
from gateway.registry.variants import made_by
from gateway.wire.body import read_strictly
from gateway.wire.fine_tuning import (
    CONSENT,
    SENSITIVITY,
    ConsentRequest,
    JobRequest,
    most_seconds,
    read_job,
    sensitivity_of,
)
from infra.clock import Clock
from infra.database.database import Database

BODIES = {PATH: JobRequest, f"{PATH}/{{job}}/consent": ConsentRequest}
_MOST_BYTES = 64 << 10
_Tags = Annotated[
    str | None, HeaderParameter(name="X-Maas-Tags", description="What the job is for")
]
_Most = Annotated[
    str | None, HeaderParameter(name="X-Max-Cost", description="What the job may cost at most")
]


class FineTuningRoutes(Controller):
    """A job goes on by itself; ask for it, or for its events, to see how far it is."""

    path = PATH
    request_max_body_size = _MOST_BYTES

    @post("/", status_code=200, summary="Adapt a model to the account's own examples")
    async def create(
        self,
        principal: NamedDependency[Principal],
        offers: NamedDependency[Offers],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        adaptations: NamedDependency[AdaptationRunner],
        request: Request[Any, Any, Any],
        tags: _Tags = None,
        most: _Most = None,
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        wanted = read_job(await request.body())
        limit = {} if most is None else {b"x-max-cost": most.encode("latin-1")}
        offer = await offers.offer(principal, wanted, limit)
        named = tags_of({HEADER: tags.encode("latin-1")}) if tags else None
        change = partial(_create, clock, principal, wanted, offer, named)
        answer = await answered_once(database, principal, request, idempotency_key, change)
        adaptations.wake()
        return answer

    @get("/", summary="The account's jobs, the newest first")
    async def page(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: Limit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        mark = mark_of(jobs.PREFIX, after)
        async with database.transaction() as session:
            rows = await jobs.page(session, principal.account_id, limit + 1, mark)
        return shown_page(rows, limit, job_json)

    @get("/{job:str}", summary="One job")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        job: FromPath[str],
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            return job_json(await jobs.find(session, principal.account_id, job))

    @get("/{job:str}/events", summary="How a job goes, the newest first")
    async def events(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        job: FromPath[str],
        limit: Limit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        mark = mark_of(jobs.EVENT_PREFIX, after)
        async with database.transaction() as session:
            found = await jobs.find(session, principal.account_id, job)
            rows = await jobs.events(session, found, limit + 1, mark)
        return shown_page(rows, limit, event_json)

    @post("/{job:str}/cancel", status_code=200, summary="End a job that has not ended")
    async def cancel(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        job: FromPath[str],
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            return job_json(await jobs.cancel(session, clock, principal.account_id, job))

    @get("/{job:str}/checkpoints", summary="The versions that a job has made, the newest first")
    async def checkpoints(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        job: FromPath[str],
        limit: Limit = 10,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        mark = mark_of(CHECKPOINT_PREFIX, after)
        async with database.transaction() as session:
            found = await jobs.find(session, principal.account_id, job)
            version = await made_by(session, found)
            metrics = await jobs.last_metrics(session, found)
        there = version is not None and (mark is None or version.id < mark)
        data = [checkpoint_json(found, version, metrics)] if version and there else []
        return {"object": "list", "data": data, "has_more": False}

    @post("/{job:str}/consent", status_code=200, summary="Whether the file may improve the model")
    async def consent(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        job: FromPath[str],
    ) -> dict[str, Any]:
        wanted = read_strictly(CONSENT, await request.body())
        shared = wanted.share_for_improvement
        async with database.transaction() as session:
            row = await jobs.share(session, clock, principal.account_id, job, shared)
            return job_json(row)


async def _create(
    clock: Clock,
    principal: Principal,
    wanted: JobRequest,
    offer: Offer,
    tags: Mapping[str, str] | None,
    session: AsyncSession,
) -> dict[str, Any]:
    file = await find_file(session, principal.account_id, wanted.training_file)
    settings = {
        "metadata": wanted.metadata,
        "seed": wanted.seed,
        "scrub": wanted.scrub or None,
        SENSITIVITY: sensitivity_of(wanted),
        "seconds": offer.seconds if offer.seconds < most_seconds(offer.model) else None,
    }
    examined = offer.examined
    new = jobs.NewJob(
        account_id=principal.account_id,
        key_id=principal.key_id,
        model=wanted.model,
        name=wanted.suffix,
        training_file_id=file.id,
        tags=tags,
        settings={key: value for key, value in settings.items() if value is not None},
        shared=wanted.share_for_improvement,
        notes=examined.notes,
        doubts=examined.doubts,
    )
    return job_json(await jobs.create(session, clock, new))
