"""A firm whose notification endpoints are robots, webhooks and mailboxes on this machine."""

from typing import Any

from billing.events.emission import Event, emit_event
from billing.events.texts import EventText
from billing.notifications.endpoints.deliveries import (
    DeliveryFilter,
    LoggedDelivery,
    get_delivery,
    list_deliveries,
)
from billing.notifications.endpoints.endpoints import (
    EndpointChange,
    NewEndpoint,
    StoredEndpoint,
    create_endpoint,
    update_endpoint,
)
from infra.outbound.mail import Mailer
from tests.support.billing.notifying import make_dispatcher, make_sender
from tests.support.builders import SEALER
from tests.support.fakes.robots import DINGTALK_SECRET, FEISHU_SECRET, Robots
from tests.support.stories.story import Firm, Story

SECRETS = {"dingtalk": DINGTALK_SECRET, "feishu": FEISHU_SECRET}


class Notified:
    """A firm at the real time, because receivers check timestamps."""

    def __init__(self, story: Story, firm: Firm, robots: Robots, mailer: Mailer) -> None:
        self.story, self.firm, self.robots = story, firm, robots
        self.sender = make_sender(mailer)
        self.dispatcher = make_dispatcher(story.database, story.clock, mailer)

    @property
    def account_id(self) -> Any:
        return self.firm.account.id

    async def add(self, kind: str, address: str = "", **values: Any) -> StoredEndpoint:
        """Add an endpoint; of a robot, that of the stand-in with its secret."""
        fields = {"secret": SECRETS.get(kind, ""), "language": "en", **values}
        new = NewEndpoint(kind, address or self.robots.address(kind), **fields)
        async with self.story.database.transaction() as session:
            return await create_endpoint(session, self.story.clock, SEALER, self.account_id, new)

    async def change(self, endpoint: StoredEndpoint, **values: Any) -> StoredEndpoint:
        async with self.story.database.transaction() as session:
            place = (session, self.story.clock, SEALER, self.account_id, endpoint.row.id)
            return await update_endpoint(*place, EndpointChange(**values))

    async def emit(
        self, key: str = "1", event_type: str = "invoice.paid", title: str = "Invoice paid"
    ) -> None:
        texts = {"en": EventText(title, f"Amount: {key}"), "zh": EventText("账单已支付", key)}
        event = Event(
            self.account_id, event_type, f"test:{key}", {"n": key}, texts, "/dashboard/invoices"
        )
        async with self.story.database.transaction() as session:
            await emit_event(session, self.story.clock, event)

    async def send(self, seconds: float = 0) -> int:
        """Let time pass and send what is due; returns the number of messages."""
        if seconds:
            self.story.clock.pass_(seconds=seconds)
        return await self.dispatcher.send_due()

    async def log(self, endpoint: StoredEndpoint | None = None) -> list[LoggedDelivery]:
        """The deliveries with their attempts, oldest first."""
        chosen = DeliveryFilter(None if endpoint is None else endpoint.row.id)
        async with self.story.database.transaction() as session:
            rows = await list_deliveries(session, self.account_id, chosen, 100)
            return [await get_delivery(session, self.account_id, row.id) for row in reversed(rows)]
