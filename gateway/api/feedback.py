"""`/v1/feedback`: rate and correct the results of the account's calls."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.values import Principal
from gateway.shared_models import feedback
from gateway.wire.feedback import FeedbackRequest, parse_feedback
from infra.clock import Clock
from infra.database.database import Database
from infra.telemetry.metrics import Metrics

PATH = "/v1/feedback"
BODIES: Mapping[str, type[msgspec.Struct]] = {PATH: FeedbackRequest}
_MAX_BODY_BYTES = 256 << 10


class FeedbackRoutes(Controller):
    """Feedback on the account's own calls; new feedback on a call replaces the previous one."""

    path = PATH
    request_max_body_size = _MAX_BODY_BYTES

    @post("/", status_code=200, summary="Create feedback: rate a response and correct it")
    async def give(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        metrics: NamedDependency[Metrics],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Save a rating or correction of one call's response and return it as JSON."""
        feedback_request = parse_feedback(await request.body())
        async with database.transaction() as session:
            row = await feedback.save_feedback(
                session, clock, principal.account_id, feedback_request
            )
        metrics.feedback.labels(row.model, row.rating).inc()
        return feedback.render_feedback(row)

    @get("/", summary="List feedback, newest first")
    async def page(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of the account's feedback, newest first."""
        cursor = parse_cursor(feedback.FEEDBACK_ID_PREFIX, after)
        async with database.transaction() as session:
            rows = await feedback.list_feedback(session, principal.account_id, limit + 1, cursor)
        return page_json(rows, limit, feedback.render_feedback)

    @get("/{feedback_id:str}", summary="Retrieve feedback")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        feedback_id: FromPath[str],
    ) -> dict[str, Any]:
        """Return one feedback of the account as JSON."""
        async with database.transaction() as session:
            row = await feedback.find_feedback(session, principal.account_id, feedback_id)
        return feedback.render_feedback(row)

    @delete(
        "/{feedback_id:str}",
        status_code=200,
        summary="Delete feedback; it is not used for training again",
    )
    async def erase(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        feedback_id: FromPath[str],
    ) -> dict[str, Any]:
        """Delete one feedback of the account."""
        async with database.transaction() as session:
            await feedback.delete_feedback(session, principal.account_id, feedback_id)
        return {"id": feedback_id, "object": "feedback", "deleted": True}
