"""`/v1/plant/epcis/queries`: named queries, their events, and subscriptions to them."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from gateway.api.audit import RequestAudit
from gateway.api.plant.epcis_headers import PATH, add_version, page_headers, require_version
from gateway.call.values import Principal
from gateway.plant.epcis.documents import query_document
from gateway.plant.epcis.named_queries import (
    create_query,
    delete_query,
    get_query,
    list_queries,
    stored_query,
)
from gateway.plant.epcis.storage import find_events
from gateway.plant.epcis.subscriptions import (
    create_subscription,
    delete_subscription,
    get_subscription,
    list_subscriptions,
    parse_subscription,
    pause_subscription,
    render_subscription,
    resume_subscription,
)
from gateway.tables import PlantEventQuery
from gateway.wire.body import decode_body, decode_body_strict
from infra.clock import Clock
from infra.database.database import Database
from infra.outbound.webhook_post import SignedPoster
from infra.secrets.sealer import Sealer


class NamedQueryRequest(msgspec.Struct):
    """A named query: `query` has the parameters of the Simple Event Query."""

    name: str
    query: dict[str, Any]


_QUERIES = f"{PATH}/queries"
_NEW = msgspec.json.Decoder(NamedQueryRequest)
_OBJECT = msgspec.json.Decoder(dict[str, Any])
BODIES: Mapping[str, type[msgspec.Struct]] = {_QUERIES: NamedQueryRequest}


class EpcisQueryRoutes(Controller):
    """Named queries of the account."""

    path = _QUERIES
    before_request = staticmethod(require_version)
    after_request = staticmethod(add_version)

    @get("/", summary="List named EPCIS queries")
    async def queries(
        self, principal: NamedDependency[Principal], database: NamedDependency[Database]
    ) -> list[dict[str, Any]]:
        """Return the named queries with their parameters, by name."""
        async with database.transaction() as session:
            return [_json(row) for row in await list_queries(session, principal.account_id)]

    @post("/", status_code=201, summary="Create a named EPCIS query")
    async def create(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        audit: NamedDependency[RequestAudit],
        request: Request[Any, Any, Any],
    ) -> Response[dict[str, Any]]:
        """Store a query under a name."""
        body = decode_body_strict(_NEW, await request.body())
        async with database.transaction() as session:
            place = (session, clock, principal.account_id)
            row = await create_query(*place, body.name, body.query)
            await audit.record(session, "epcis.query_created", row.name)
        return Response(_json(row), status_code=201, headers={"location": f"{_QUERIES}/{row.name}"})

    @get("/{name:str}", summary="Retrieve a named EPCIS query")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        name: FromPath[str],
    ) -> dict[str, Any]:
        """Return the parameters of a named query."""
        async with database.transaction() as session:
            return _json(await get_query(session, principal.account_id, name))

    @delete("/{name:str}", summary="Delete a named EPCIS query")
    async def remove(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        audit: NamedDependency[RequestAudit],
        name: FromPath[str],
    ) -> None:
        """Delete a named query; its subscriptions end."""
        async with database.transaction() as session:
            await delete_query(session, principal.account_id, name)
            await audit.record(session, "epcis.query_deleted", name)

    @get("/{name:str}/events", summary="Run a named EPCIS query")
    async def events(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        name: FromPath[str],
    ) -> Response[dict[str, Any]]:
        """Return a page of the events that meet a named query (`perPage`, `nextPageToken`)."""
        pairs = list(request.query_params.multi_items())
        async with database.transaction() as session:
            row = await get_query(session, principal.account_id, name)
            page = await find_events(session, principal.account_id, stored_query(row, pairs))
        path = f"{_QUERIES}/{row.name}/events"
        headers = page_headers(path, pairs, page.next_token)
        return Response(query_document(page.rows, clock.now(), row.name), headers=dict(headers))


class EpcisSubscriptionRoutes(Controller):
    """Subscriptions to named queries, delivered to webhooks."""

    path = f"{_QUERIES}/{{name:str}}/subscriptions"
    before_request = staticmethod(require_version)
    after_request = staticmethod(add_version)

    @get("/", summary="List subscriptions to a named EPCIS query")
    async def subscriptions(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        name: FromPath[str],
    ) -> list[dict[str, Any]]:
        """Return the subscriptions to a query with the state of their deliveries."""
        async with database.transaction() as session:
            named = await get_query(session, principal.account_id, name)
            rows = await list_subscriptions(session, principal.account_id, named.id)
            return [render_subscription(row, named) for row in rows]

    @post("/", status_code=201, summary="Subscribe to a named EPCIS query")
    async def subscribe(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        pepper: NamedDependency[bytes],
        webhook_poster: NamedDependency[SignedPoster],
        audit: NamedDependency[RequestAudit],
        request: Request[Any, Any, Any],
        name: FromPath[str],
    ) -> Response[dict[str, Any]]:
        """Deliver new events of a query to the webhook `dest`, with `stream` or a `schedule`.

        The response has the signing secret, which is shown only once.
        """
        body = decode_body(_OBJECT, await request.body())
        new = await parse_subscription(body, webhook_poster.allowed_addresses)
        async with database.transaction() as session:
            named = await get_query(session, principal.account_id, name)
            place = (session, clock, Sealer(pepper), named)
            row, secret = await create_subscription(*place, new)
            shown = render_subscription(row, named)
            details = {"name": named.name, "webhook": row.url}
            subject = shown["subscriptionID"]
            await audit.record(session, "epcis.subscription_created", subject, details)
        location = f"{_QUERIES}/{named.name}/subscriptions/{shown['subscriptionID']}"
        content = {**shown, "secret": secret}
        return Response(content, status_code=201, headers={"location": location})

    @get("/{subscription:str}", summary="Retrieve a subscription to a named EPCIS query")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        name: FromPath[str],
        subscription: FromPath[str],
    ) -> dict[str, Any]:
        """Return a subscription with the state of its deliveries."""
        async with database.transaction() as session:
            named = await get_query(session, principal.account_id, name)
            return render_subscription(await get_subscription(session, named, subscription), named)

    @post("/{subscription:str}/pause", status_code=200, summary="Pause a subscription")
    async def pause(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        audit: NamedDependency[RequestAudit],
        name: FromPath[str],
        subscription: FromPath[str],
    ) -> dict[str, Any]:
        """Stop deliveries until the subscription is resumed; events of that time are kept."""
        async with database.transaction() as session:
            named = await get_query(session, principal.account_id, name)
            row = await pause_subscription(session, audit.clock, named, subscription)
            details = {"name": named.name}
            await audit.record(session, "epcis.subscription_paused", subscription, details)
            return render_subscription(row, named)

    @post("/{subscription:str}/resume", status_code=200, summary="Resume a subscription")
    async def resume(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        audit: NamedDependency[RequestAudit],
        name: FromPath[str],
        subscription: FromPath[str],
    ) -> dict[str, Any]:
        """Deliver again, beginning with the first event that was not delivered."""
        async with database.transaction() as session:
            named = await get_query(session, principal.account_id, name)
            row = await resume_subscription(session, audit.clock, named, subscription)
            details = {"name": named.name}
            await audit.record(session, "epcis.subscription_resumed", subscription, details)
            return render_subscription(row, named)

    @delete("/{subscription:str}", summary="End a subscription to a named EPCIS query")
    async def remove(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        audit: NamedDependency[RequestAudit],
        name: FromPath[str],
        subscription: FromPath[str],
    ) -> None:
        """End a subscription."""
        async with database.transaction() as session:
            named = await get_query(session, principal.account_id, name)
            await delete_subscription(session, named, subscription)
            details = {"name": named.name}
            await audit.record(session, "epcis.subscription_ended", subscription, details)


def _json(row: PlantEventQuery) -> dict[str, Any]:
    """Return a named query as JSON."""
    return {"name": row.name, "query": row.parameters, "createdAt": row.created_at.isoformat()}
