"""`/v1/notification_endpoints` and `/v1/notification_deliveries`: where events go, and the log."""

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

import msgspec
from litestar import Controller, Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from billing.events.types import EVENT_GROUPS
from billing.notifications.endpoints.deliveries import (
    DELIVERY_ID_PREFIX,
    DeliveryFilter,
    NotificationDeliveryNotFound,
    get_delivery,
    list_deliveries,
)
from billing.notifications.endpoints.endpoints import (
    ENDPOINT_ID_PREFIX,
    EndpointChange,
    NewEndpoint,
    NotificationEndpointNotFound,
    get_endpoint,
    list_endpoints,
)
from gateway.api.actors import key_actor
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.values import Principal
from gateway.operations.notification_views import (
    render_change,
    render_delivery,
    render_endpoint,
    render_logged,
    render_test,
)
from gateway.operations.notifications import NotificationService
from gateway.wire.body import decode_body_strict
from infra import ids
from infra.clock import Clock
from infra.database.database import Database


class EndpointRequest(msgspec.Struct):
    """A notification endpoint: `address` is a URL, or a mailbox for the kind `email`.

    `secret` is that of a DingTalk or Feishu robot with signature; it is never returned. A webhook
    gets a signing secret from us, which the response contains once. `enabled_events` are event
    types, groups, or `*`. `language` is that of messages to people.
    """

    kind: Literal["webhook", "wecom", "dingtalk", "feishu", "slack", "email"]
    address: str
    secret: str = ""
    description: str = ""
    language: Literal["zh", "en"] = "zh"
    enabled_events: tuple[str, ...] = ("*",)


class EndpointChangeRequest(msgspec.Struct):
    """Values to change; omitted fields are unchanged. `enabled` false stops deliveries."""

    address: str | None = None
    secret: str | None = None
    description: str | None = None
    language: Literal["zh", "en"] | None = None
    enabled_events: list[str] | None = None
    enabled: bool | None = None


_ENDPOINTS, _DELIVERIES = "/v1/notification_endpoints", "/v1/notification_deliveries"
_DECODER = msgspec.json.Decoder(EndpointRequest)
_CHANGE_DECODER = msgspec.json.Decoder(EndpointChangeRequest)
BODIES: Mapping[str, type[msgspec.Struct]] = {
    _ENDPOINTS: EndpointRequest,
    f"{_ENDPOINTS}/{{endpoint}}": EndpointChangeRequest,
}


class NotificationEndpointRoutes(Controller):
    """The account's notification endpoints, at most 20."""

    path = _ENDPOINTS

    @get("/", summary="List notification endpoints")
    async def endpoints(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> dict[str, Any]:
        """Return the account's endpoints, oldest first, without secrets."""
        async with database.transaction() as session:
            rows = await list_endpoints(session, clock, principal.account_id)
        return {"object": "list", "data": list(map(render_endpoint, rows)), "has_more": False}

    @get("/event_types", summary="List event types by group", sync_to_thread=False)
    def event_types(self, principal: NamedDependency[Principal]) -> dict[str, Any]:
        """Return the groups of event types that endpoints can select."""
        data = [{"group": group, "types": list(names)} for group, names in EVENT_GROUPS.items()]
        return {"object": "list", "data": data, "has_more": False}

    @post(
        "/",
        status_code=200,
        summary="Create a notification endpoint; a webhook gets a secret, shown once",
    )
    async def create(
        self,
        principal: NamedDependency[Principal],
        notifications: NamedDependency[NotificationService],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Create an endpoint and return it as JSON."""
        body = decode_body_strict(_DECODER, await request.body())
        new = NewEndpoint(**msgspec.structs.asdict(body))
        actor = key_actor(principal, request)
        return render_change(await notifications.add(actor, principal.account_id, new))

    @get("/{endpoint:str}", summary="Retrieve a notification endpoint")
    async def endpoint(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        endpoint: FromPath[str],
    ) -> dict[str, Any]:
        """Return one of the account's endpoints as JSON, without its secret."""
        async with database.transaction() as session:
            place = (session, principal.account_id, parse_endpoint_id(endpoint))
            return render_endpoint(await get_endpoint(*place))

    @post("/{endpoint:str}", status_code=200, summary="Change or enable a notification endpoint")
    async def change(
        self,
        principal: NamedDependency[Principal],
        notifications: NamedDependency[NotificationService],
        request: Request[Any, Any, Any],
        endpoint: FromPath[str],
    ) -> dict[str, Any]:
        """Change an endpoint; a webhook with another address gets a new secret, shown once."""
        body = decode_body_strict(_CHANGE_DECODER, await request.body())
        change = EndpointChange(**msgspec.structs.asdict(body))
        place = (key_actor(principal, request), principal.account_id, parse_endpoint_id(endpoint))
        return render_change(await notifications.change(*place, change))

    @delete("/{endpoint:str}", status_code=200, summary="Remove a notification endpoint")
    async def remove(
        self,
        principal: NamedDependency[Principal],
        notifications: NamedDependency[NotificationService],
        request: Request[Any, Any, Any],
        endpoint: FromPath[str],
    ) -> dict[str, Any]:
        """Remove an endpoint; its pending deliveries end."""
        place = (key_actor(principal, request), principal.account_id, parse_endpoint_id(endpoint))
        await notifications.remove(*place)
        return {"id": endpoint, "object": "notification_endpoint.deleted", "deleted": True}

    @post(
        "/{endpoint:str}/test", status_code=200, summary="Send a test message and return the result"
    )
    async def test(
        self,
        principal: NamedDependency[Principal],
        notifications: NamedDependency[NotificationService],
        request: Request[Any, Any, Any],
        endpoint: FromPath[str],
    ) -> dict[str, Any]:
        """Send a test message to an endpoint, at most one in ten seconds."""
        place = (key_actor(principal, request), principal.account_id, parse_endpoint_id(endpoint))
        return render_test(await notifications.test(*place))

    @post(
        "/{endpoint:str}/roll_secret",
        status_code=200,
        summary="Replace the signing secret of a webhook; the new one is shown once",
    )
    async def roll(
        self,
        principal: NamedDependency[Principal],
        notifications: NamedDependency[NotificationService],
        request: Request[Any, Any, Any],
        endpoint: FromPath[str],
    ) -> dict[str, Any]:
        """Give a webhook a new secret; the previous one is invalid at once."""
        place = (key_actor(principal, request), principal.account_id, parse_endpoint_id(endpoint))
        return render_endpoint(await notifications.roll_secret(*place))


class NotificationDeliveryRoutes(Controller):
    """The log of deliveries to the account's endpoints."""

    path = _DELIVERIES

    @get("/", summary="List deliveries, newest first")
    async def deliveries(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
        endpoint: FromQuery[str | None] = None,
        status: FromQuery[Literal["pending", "delivered", "failed"] | None] = None,
        type: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of deliveries, of one endpoint, status or event type if given."""
        endpoint_id = None if endpoint is None else parse_endpoint_id(endpoint)
        chosen = DeliveryFilter(endpoint_id, status, type)
        cursor = parse_cursor(DELIVERY_ID_PREFIX, after)
        async with database.transaction() as session:
            rows = await list_deliveries(session, principal.account_id, chosen, limit + 1, cursor)
        return page_json(rows, limit, render_delivery)

    @get("/{delivery:str}", summary="Retrieve a delivery with its payload and attempts")
    async def delivery(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        delivery: FromPath[str],
    ) -> dict[str, Any]:
        """Return one of the account's deliveries as JSON."""
        async with database.transaction() as session:
            place = (session, principal.account_id, parse_delivery_id(delivery))
            return render_logged(await get_delivery(*place))

    @post(
        "/{delivery:str}/redeliver",
        status_code=200,
        summary="Deliver an event again, with the same event ID",
    )
    async def redeliver(
        self,
        principal: NamedDependency[Principal],
        notifications: NamedDependency[NotificationService],
        request: Request[Any, Any, Any],
        delivery: FromPath[str],
    ) -> dict[str, Any]:
        """Queue an ended delivery again."""
        place = (key_actor(principal, request), principal.account_id, parse_delivery_id(delivery))
        return render_delivery(await notifications.deliver_again(*place))


def parse_endpoint_id(text: str) -> UUID:
    """Parse the id of an endpoint. Raises NotificationEndpointNotFound."""
    endpoint_id = ids.parse_id(ENDPOINT_ID_PREFIX, text)
    if endpoint_id is None:
        raise NotificationEndpointNotFound(
            "The account has no such notification endpoint.", param="endpoint"
        )
    return endpoint_id


def parse_delivery_id(text: str) -> UUID:
    """Parse the id of a delivery. Raises NotificationDeliveryNotFound."""
    delivery_id = ids.parse_id(DELIVERY_ID_PREFIX, text)
    if delivery_id is None:
        raise NotificationDeliveryNotFound("The account has no such delivery.", param="delivery")
    return delivery_id
