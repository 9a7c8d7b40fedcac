"""`/v1/feedback`: what the account says of answers that it had."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from gateway.api.pagination import Limit, mark_of, shown_page
from gateway.call.values import Principal
from gateway.shared_models import feedback
from gateway.wire.feedback import FeedbackRequest, read_feedback
from infra.clock import Clock
from infra.database.database import Database
from infra.telemetry.metrics import Metrics

PATH = "/v1/feedback"
BODIES: Mapping[str, type[msgspec.Struct]] = {PATH: FeedbackRequest}
_MOST_BYTES = 256 << 10


class FeedbackRoutes(Controller):
    """Of the account's own calls; what is said of one again replaces what was said before."""

    path = PATH
    request_max_body_size = _MOST_BYTES

    @post("/", status_code=200, summary="Rate an answer, and correct it")
    async def give(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        metrics: NamedDependency[Metrics],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        said = read_feedback(await request.body())
        async with database.transaction() as session:
            row = await feedback.give(session, clock, principal.account_id, said)
        metrics.feedback.labels(row.model, row.rating).inc()
        return feedback.feedback_json(row)

    @get("/", summary="What the account has said, the newest first")
    async def page(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: Limit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        mark = mark_of(feedback.PREFIX, after)
        async with database.transaction() as session:
            rows = await feedback.page(session, principal.account_id, limit + 1, mark)
        return shown_page(rows, limit, feedback.feedback_json)

    @get("/{feedback_id:str}", summary="What it has said of one answer")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        feedback_id: FromPath[str],
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            row = await feedback.find(session, principal.account_id, feedback_id)
        return feedback.feedback_json(row)

    @delete("/{feedback_id:str}", status_code=200, summary="Erase it: nothing learns from it again")
    async def erase(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        feedback_id: FromPath[str],
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            await feedback.erase(session, principal.account_id, feedback_id)
        return {"id": feedback_id, "object": "feedback", "deleted": True}
