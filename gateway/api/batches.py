"""`/v1/batches`: files of calls that run in the background within 24 hours, as at OpenAI."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.project_scope import only_project
from gateway.api.actors import key_actor
from gateway.api.idempotency import IdempotencyKey, idempotent_response, replayed_response
from gateway.api.pagination import bidirectional_page_json, parse_cursor
from gateway.batches import batches
from gateway.batches.creation import BatchCreation, Change
from gateway.batches.offers import BatchOffers
from gateway.batches.requests import BatchRequest, parse_batch_request
from gateway.batches.runner import BatchRunner
from gateway.batches.views import audit_details, batch_json, batch_name
from gateway.call.values import Principal
from gateway.identity.audit_log import record_audit_event
from infra.clock import Clock
from infra.database.database import Database

BATCHES_PATH = "/v1/batches"
BODIES = {BATCHES_PATH: BatchRequest}
_MAX_BODY_BYTES = 64 << 10
_Limit = Annotated[int, QueryParameter(ge=1, le=100)]


class BatchRoutes(Controller):
    """Batches; they go on in the background, so clients poll the batch."""

    path = BATCHES_PATH
    request_max_body_size = _MAX_BODY_BYTES

    @post("/", status_code=200, summary="Create a batch of calls")
    async def create(
        self,
        principal: NamedDependency[Principal],
        batch_offers: NamedDependency[BatchOffers],
        batch_creation: NamedDependency[BatchCreation],
        batch_runner: NamedDependency[BatchRunner],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Check the file, reserve its highest cost and queue the batch. Returns the batch.

        A batch of an invalid file has the status `failed`, with the problems in `errors`. The
        headers `X-Max-Cost` and `X-Maas-Tags` apply to the batch as to a call.
        """
        replayed = await replayed_response(database, principal, request, idempotency_key)
        if replayed is not None:
            return replayed
        batch_request = parse_batch_request(await request.body())
        headers = dict(request.scope["headers"])
        offer = await batch_offers.create_offer(principal, batch_request, headers)
        recorded = _Recorded(principal, request, clock)

        def apply(change: Change) -> Awaitable[Response[bytes]]:
            """Run the last step of the creation once per Idempotency-Key."""
            return idempotent_response(
                database, principal, request, idempotency_key, recorded.wrap(change)
            )

        answer = await batch_creation.create(offer, apply)
        batch_runner.wake()
        return answer

    @get("/", summary="List batches, newest first")
    async def page(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: _Limit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of the account's batches, newest first.

        A key of a project lists the batches of that project's keys.
        """
        cursor = parse_cursor(batches.BATCH_ID_PREFIX, after)
        async with database.transaction() as session:
            place, only = (session, principal.account_id), only_project(principal)
            rows = await batches.list_batches(*place, limit + 1, cursor, only)
        return bidirectional_page_json(rows, limit, batch_json, False)

    @get("/{batch:str}", summary="Retrieve a batch with its progress")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        batch: FromPath[str],
    ) -> dict[str, Any]:
        """Return a batch with its counts, usage, cost and files."""
        async with database.transaction() as session:
            place, only = (session, principal.account_id), only_project(principal)
            return batch_json(await batches.find_batch(*place, batch, only))

    @post("/{batch:str}/cancel", status_code=200, summary="Cancel a batch")
    async def cancel(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        batch_runner: NamedDependency[BatchRunner],
        request: Request[Any, Any, Any],
        batch: FromPath[str],
    ) -> dict[str, Any]:
        """Start to cancel a batch; lines that were sent are finished and billed."""
        actor = key_actor(principal, request)
        async with database.transaction() as session:
            place, only = (session, clock, principal.account_id), only_project(principal)
            row = await batches.cancel_batch(*place, batch, only)
            await record_audit_event(
                session, clock, actor, principal.account_id, "batch.canceled", batch
            )
        batch_runner.wake()
        return batch_json(row)


class _Recorded:
    """Records the creation of a batch in the account's audit log, in its transaction."""

    def __init__(self, principal: Principal, request: Request[Any, Any, Any], clock: Clock) -> None:
        self._account_id = principal.account_id
        self._actor = key_actor(principal, request)
        self._clock = clock

    def wrap(self, change: Change) -> Callable[[AsyncSession], Awaitable[dict[str, Any]]]:
        """Return the change with its audit entry; it returns the batch as JSON."""

        async def recorded(session: AsyncSession) -> dict[str, Any]:
            """Create the batch and its audit entry."""
            row = await change(session)
            await record_audit_event(
                session,
                self._clock,
                self._actor,
                self._account_id,
                "batch.created",
                batch_name(row),
                audit_details(row),
            )
            return batch_json(row)

        return recorded
