"""`/v1/evals/comparisons`: compare models on a table with known results."""

from functools import partial
from typing import Any

from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api.audit import RequestAudit
from gateway.api.idempotency import IdempotencyKey, idempotent_response
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.values import Principal
from gateway.evaluations.comparisons import rows
from gateway.evaluations.comparisons.offers import (
    ComparisonOffer,
    ComparisonOffers,
    new_comparison,
)
from gateway.evaluations.comparisons.runner import ComparisonRunner
from gateway.evaluations.comparisons.views import comparison_json
from gateway.wire.own_models.comparisons import ComparisonRequest, parse_comparison_request
from infra import ids
from infra.database.database import Database

COMPARISONS_PATH = "/v1/evals/comparisons"
BODIES = {COMPARISONS_PATH: ComparisonRequest, f"{COMPARISONS_PATH}/quote": ComparisonRequest}
_MAX_BODY_BYTES = 256 << 10


class ComparisonRoutes(Controller):
    """Comparisons; they go on in the background, so clients poll them."""

    path = COMPARISONS_PATH
    request_max_body_size = _MAX_BODY_BYTES

    @post("/quote", status_code=200, summary="Validate a comparison of models and quote its cost")
    async def quote(
        self,
        principal: NamedDependency[Principal],
        comparison_offers: NamedDependency[ComparisonOffers],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Read the table for each model and return the highest cost. Nothing is billed."""
        parsed = parse_comparison_request(await request.body())
        return await comparison_offers.render_quote(
            await comparison_offers.create_offer(principal, parsed)
        )

    @post("/", status_code=200, summary="Compare models on a table with known results")
    async def create(
        self,
        principal: NamedDependency[Principal],
        comparison_offers: NamedDependency[ComparisonOffers],
        comparison_runner: NamedDependency[ComparisonRunner],
        database: NamedDependency[Database],
        audit: NamedDependency[RequestAudit],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Validate and queue a comparison, billed like predictions. Returns the comparison."""
        parsed = parse_comparison_request(await request.body())
        offer = await comparison_offers.create_offer(principal, parsed)
        change = partial(_create, audit, offer)
        answer = await idempotent_response(database, principal, request, idempotency_key, change)
        comparison_runner.wake()
        return answer

    @get("/", summary="List comparisons, newest first")
    async def page(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of the account's comparisons, newest first."""
        cursor = parse_cursor(rows.COMPARISON_ID_PREFIX, after)
        async with database.transaction() as session:
            found = await rows.list_comparisons(session, principal.account_id, limit + 1, cursor)
        return page_json(found, limit, comparison_json)

    @get("/{comparison:str}", summary="Retrieve a comparison")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        comparison: FromPath[str],
    ) -> dict[str, Any]:
        """Return a comparison, with the figures once it is completed."""
        async with database.transaction() as session:
            row = await rows.find_comparison(session, principal.account_id, comparison)
        return comparison_json(row)

    @post("/{comparison:str}/cancel", status_code=200, summary="Cancel a comparison")
    async def cancel(
        self,
        audit: NamedDependency[RequestAudit],
        database: NamedDependency[Database],
        comparison: FromPath[str],
    ) -> dict[str, Any]:
        """Cancel a comparison and return it; predictions that were sent are billed."""
        async with database.transaction() as session:
            row = await rows.cancel_comparison(session, audit.clock, audit.account_id, comparison)
            await audit.record(session, "comparison.canceled", comparison)
            return comparison_json(row)

    @delete("/{comparison:str}", status_code=200, summary="Delete a comparison that has ended")
    async def erase(
        self,
        audit: NamedDependency[RequestAudit],
        database: NamedDependency[Database],
        comparison: FromPath[str],
    ) -> dict[str, Any]:
        """Delete a comparison; its usage stays."""
        async with database.transaction() as session:
            await rows.delete_comparison(session, audit.account_id, comparison)
            await audit.record(session, "comparison.deleted", comparison)
        return {"id": comparison, "object": "eval.comparison.deleted", "deleted": True}


async def _create(
    audit: RequestAudit, offer: ComparisonOffer, session: AsyncSession
) -> dict[str, Any]:
    """Create the comparison of an offer with its audit entry, and return it as JSON."""
    row = await rows.create_comparison(session, audit.clock, new_comparison(offer))
    name = ids.format_id(rows.COMPARISON_ID_PREFIX, row.id)
    details = {"models": list(offer.models), "file": offer.file.filename}
    await audit.record(session, "comparison.created", name, details)
    return comparison_json(row)
