"""`/v1/fine_tuning/jobs`: adapting a specialist, as OpenAI's clients ask for it.

Owns the addresses. Does not own the body's shape (gateway/wire/fine_tuning.py), the jobs nor
running them (gateway/adapting/).
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.adapting import jobs
from gateway.adapting.running import PATH, AdaptationRunner
from gateway.adapting.views import event_json, job_json
from gateway.changing import Key, answered_once
from gateway.errors import ModelNotFound
from gateway.files import find_file
from gateway.flow import Principal
from gateway.routes.paging import Limit, mark_of
from gateway.tags import HEADER, tags_of
from gateway.wire.fine_tuning import JobRequest, ask_adaptation, read_job
from infra.clock import Clock
from infra.db import Database
from models.catalog import Catalog

BODIES = {PATH: JobRequest}
_MOST_BYTES = 64 << 10
_Tags = Annotated[
    str | None, HeaderParameter(name="X-Maas-Tags", description="What the job is for")
]


class FineTuningRoutes(Controller):
    """A job goes on by itself; ask for it, or for its events, to see how far it is."""

    path = PATH
    request_max_body_size = _MOST_BYTES

    @post("/", status_code=200, summary="Adapt a specialist to the account's own examples")
    async def create(
        self,
        principal: NamedDependency[Principal],
        catalog: NamedDependency[Catalog],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        adaptations: NamedDependency[AdaptationRunner],
        request: Request[Any, Any, Any],
        tags: _Tags = None,
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        wanted = read_job(await request.body())
        model = catalog.find(wanted.model)
        if model is None:
            raise ModelNotFound(f"The model {wanted.model[:100]!r} does not exist.", param="model")
        ask_adaptation(model, b"")
        await adaptations.require_affordable(principal, model)
        named = tags_of({HEADER: tags.encode("latin-1")}) if tags else None
        change = partial(_create, clock, principal, wanted, named)
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
        data = [job_json(row) for row in rows[:limit]]
        return {"object": "list", "data": data, "has_more": len(rows) > limit}

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
        data = [event_json(row) for row in rows[:limit]]
        return {"object": "list", "data": data, "has_more": len(rows) > limit}

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


async def _create(
    clock: Clock,
    principal: Principal,
    wanted: JobRequest,
    tags: Mapping[str, str] | None,
    session: AsyncSession,
) -> dict[str, Any]:
    file = await find_file(session, principal.account_id, wanted.training_file)
    settings = {"metadata": wanted.metadata, "seed": wanted.seed}
    new = jobs.NewJob(
        account_id=principal.account_id,
        key_id=principal.key_id,
        model=wanted.model,
        name=wanted.suffix,
        training_file_id=file.id,
        tags=tags,
        settings={key: value for key, value in settings.items() if value is not None},
    )
    return job_json(await jobs.create(session, clock, new))
