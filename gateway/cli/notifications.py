"""`maas notifications`: an account's notification endpoints and the log of their deliveries."""

from typing import Annotated
from uuid import UUID

import typer

from billing.accounts.accounts import get_account
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
    list_endpoints,
)
from gateway.cli.results import Record, Table
from gateway.cli.runner import AccountName, command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.notification_views import (
    render_change,
    render_delivery,
    render_endpoint,
    render_logged,
    render_test,
)
from gateway.operations.notifications import NotificationService
from gateway.process.integrations import create_address_rules, create_endpoint_sender
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.sealer import Sealer
from infra.secrets.secret_key import secret_key
from infra.settings import Settings

notifications_app = typer.Typer(no_args_is_help=True)
EndpointId = Annotated[str, typer.Argument(help="Endpoint ID (ne_…).")]
DeliveryId = Annotated[str, typer.Argument(help="Delivery ID (nd_…).")]
Events = Annotated[
    list[str] | None,
    typer.Option("--event", help="Event type, group, or * for all. Repeatable."),
]
Description = Annotated[str | None, typer.Option(help="Description.")]
Language = Annotated[str | None, typer.Option(help="Language of messages: zh or en.")]
Secret = Annotated[str | None, typer.Option(help="Signature secret of a DingTalk or Feishu robot.")]


@notifications_app.command("list")
@command
async def notifications_list(database: Database, clock: Clock, account: AccountName) -> Table:
    """List an account's notification endpoints."""
    account_id = await _account_id(database, account)
    async with database.transaction() as session:
        rows = [render_endpoint(one) for one in await list_endpoints(session, clock, account_id)]
    columns = ("id", "kind", "address", "status", "language", "enabled_events", "description")
    return Table(rows, columns)


@notifications_app.command("events")
@command
def notifications_events() -> Table:
    """List event types by group."""
    rows = [{"group": group, "type": one} for group, types in EVENT_GROUPS.items() for one in types]
    return Table(rows, ("group", "type"))


@notifications_app.command("add")
@command
async def notifications_add(
    database: Database,
    settings: Settings,
    clock: Clock,
    account: AccountName,
    kind: Annotated[str, typer.Argument(help="webhook, wecom, dingtalk, feishu, slack or email.")],
    address: Annotated[str, typer.Argument(help="URL of the webhook or robot, or mailbox.")],
    secret: Secret = None,
    description: Description = None,
    language: Language = None,
    event: Events = None,
) -> Record:
    """Add a notification endpoint. The signing secret of a webhook is shown once."""
    account_id = await _account_id(database, account)
    new = NewEndpoint(
        kind, address, secret or "", description or "", language or "zh", event or ["*"]
    )
    changed = await _service(database, settings, clock).add(CLI_ACTOR, account_id, new)
    return Record("Notification endpoint added.", render_change(changed))


@notifications_app.command("update")
@command
async def notifications_update(
    database: Database,
    settings: Settings,
    clock: Clock,
    account: AccountName,
    endpoint: EndpointId,
    address: Annotated[str | None, typer.Option(help="Another URL or mailbox.")] = None,
    secret: Secret = None,
    description: Description = None,
    language: Language = None,
    event: Events = None,
    enable: Annotated[bool | None, typer.Option("--enable/--disable")] = None,
) -> Record:
    """Change, enable or disable a notification endpoint."""
    account_id = await _account_id(database, account)
    change = EndpointChange(address, secret, description, language, event, enable)
    service = _service(database, settings, clock)
    changed = await service.change(CLI_ACTOR, account_id, _endpoint_id(endpoint), change)
    return Record("Notification endpoint changed.", render_change(changed))


@notifications_app.command("remove")
@command
async def notifications_remove(
    database: Database,
    settings: Settings,
    clock: Clock,
    account: AccountName,
    endpoint: EndpointId,
) -> Record:
    """Remove a notification endpoint."""
    account_id = await _account_id(database, account)
    service = _service(database, settings, clock)
    await service.remove(CLI_ACTOR, account_id, _endpoint_id(endpoint))
    return Record("Notification endpoint removed.", {"id": endpoint, "deleted": True})


@notifications_app.command("test")
@command
async def notifications_test(
    database: Database,
    settings: Settings,
    clock: Clock,
    account: AccountName,
    endpoint: EndpointId,
) -> Record:
    """Send a test message to an endpoint and show the response."""
    account_id = await _account_id(database, account)
    service = _service(database, settings, clock)
    tested = await service.test(CLI_ACTOR, account_id, _endpoint_id(endpoint))
    return Record("Test message sent.", render_test(tested))


@notifications_app.command("roll-secret")
@command
async def notifications_roll_secret(
    database: Database,
    settings: Settings,
    clock: Clock,
    account: AccountName,
    endpoint: EndpointId,
) -> Record:
    """Replace the signing secret of a webhook. The new one is shown once."""
    account_id = await _account_id(database, account)
    service = _service(database, settings, clock)
    stored = await service.roll_secret(CLI_ACTOR, account_id, _endpoint_id(endpoint))
    return Record("Signing secret replaced.", render_endpoint(stored))


@notifications_app.command("deliveries")
@command
async def notifications_deliveries(
    database: Database,
    account: AccountName,
    endpoint: Annotated[str | None, typer.Option(help="Only of this endpoint (ne_…).")] = None,
    status: Annotated[str | None, typer.Option(help="pending, delivered or failed.")] = None,
    event: Annotated[str | None, typer.Option(help="Only of this event type.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number to list.")] = 50,
) -> Table:
    """List an account's deliveries, newest first."""
    account_id = await _account_id(database, account)
    chosen = DeliveryFilter(None if endpoint is None else _endpoint_id(endpoint), status, event)
    async with database.transaction() as session:
        rows = await list_deliveries(session, account_id, chosen, limit)
    columns = ("id", "created_at", "type", "status", "attempts", "last_error", "next_attempt_at")
    return Table([render_delivery(row) for row in rows], columns)


@notifications_app.command("show")
@command
async def notifications_show(
    database: Database, account: AccountName, delivery: DeliveryId
) -> Record:
    """Show a delivery with its payload and attempts."""
    account_id = await _account_id(database, account)
    async with database.transaction() as session:
        logged = await get_delivery(session, account_id, _delivery_id(delivery))
    return Record("Delivery:", render_logged(logged))


@notifications_app.command("redeliver")
@command
async def notifications_redeliver(
    database: Database,
    settings: Settings,
    clock: Clock,
    account: AccountName,
    delivery: DeliveryId,
) -> Record:
    """Deliver an event again, with the same event ID."""
    account_id = await _account_id(database, account)
    service = _service(database, settings, clock)
    row = await service.deliver_again(CLI_ACTOR, account_id, _delivery_id(delivery))
    return Record("Delivery queued.", render_delivery(row))


def _service(database: Database, settings: Settings, clock: Clock) -> NotificationService:
    """Create the service of notification endpoints."""
    sealer, sender = Sealer(secret_key(settings)), create_endpoint_sender(settings)
    return NotificationService(database, clock, sealer, sender, create_address_rules(settings))


async def _account_id(database: Database, account: str) -> UUID:
    """Return the id of an account by name or id."""
    async with database.transaction() as session:
        return (await get_account(session, account)).id


def _endpoint_id(text: str) -> UUID:
    """Parse the id of an endpoint. Raises NotificationEndpointNotFound."""
    endpoint_id = ids.parse_id(ENDPOINT_ID_PREFIX, text)
    if endpoint_id is None:
        raise NotificationEndpointNotFound("Endpoint IDs begin with `ne_`.", param="endpoint")
    return endpoint_id


def _delivery_id(text: str) -> UUID:
    """Parse the id of a delivery. Raises NotificationDeliveryNotFound."""
    delivery_id = ids.parse_id(DELIVERY_ID_PREFIX, text)
    if delivery_id is None:
        raise NotificationDeliveryNotFound("Delivery IDs begin with `nd_`.", param="delivery")
    return delivery_id
