"""Accounts that subscribe receivers on a socket to EPCIS queries, at a time that a test sets."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from aiohttp import web

from gateway.plant.epcis.capture import store_events
from gateway.plant.epcis.delivery import EventDelivery
from gateway.plant.epcis.subscribed_events import SETTLE_S
from gateway.plant.epcis.subscriptions import NewSubscription, create_subscription
from gateway.plant.epcis.validation import parse_event
from gateway.tables import PlantEventQuery, PlantEventSubscription
from infra import ids
from infra.database.database import Database
from infra.outbound.webhook_post import SignedPoster
from tests.support.billing.making import customer
from tests.support.billing.notifying import LOOPBACK
from tests.support.builders import SEALER
from tests.support.fakes.listening import listening
from tests.support.plant.epcis import event, item
from tests.support.stories.story import Calendar


@dataclass
class Receivers:
    """Receivers by name, and the ids of the events of each of their posts.

    One in `hanging` does not answer until `release` is set. `waiting` counts its posts.
    """

    url: str = ""
    posts: dict[str, list[list[str]]] = field(default_factory=dict)
    hanging: set[str] = field(default_factory=set)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0

    async def take(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await request.json()
        if name in self.hanging:
            self.waiting += 1
            await self.release.wait()
        found = body["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
        self.posts.setdefault(name, []).append([one["eventID"] for one in found])
        return web.Response()


@dataclass
class Subscribers:
    """Accounts with subscriptions, their receivers, and the delivery of one process."""

    database: Database
    receivers: Receivers
    clock: Calendar = field(default_factory=Calendar)

    def __post_init__(self) -> None:
        self.clock.set(2026, 12, 1)
        self.delivery = self.another_process()

    def another_process(self) -> EventDelivery:
        return EventDelivery(self.database, self.clock, SEALER, SignedPoster(LOOPBACK))

    async def account(self, name: str = "Acme") -> UUID:
        return (await customer(self.database, name=name)).account_id

    async def subscribe(
        self, account_id: UUID, name: str, query: Mapping[str, Any], **fields: Any
    ) -> UUID:
        """Subscribe the receiver `name` to a query that is stored unchecked, as by an earlier
        version."""
        new = {"schedule": None, "reports_if_empty": False, "since": None, **fields}
        row = PlantEventQuery(
            id=ids.new_id(),
            account_id=account_id,
            name=f"query-{ids.new_id().hex}",
            created_at=self.clock.now(),
            parameters=dict(query),
        )
        url = f"{self.receivers.url}/{name}"
        async with self.database.transaction() as session:
            session.add(row)
            await session.flush()
            place = (session, self.clock, SEALER, row)
            made, _ = await create_subscription(*place, NewSubscription(url, **new))
        return made.id

    async def capture(self, account_id: UUID, *names: str, **fields: Any) -> None:
        """Capture an event of each item, with the item as its id."""
        raw = [event("ObjectEvent", epcList=[item(n)], eventID=item(n), **fields) for n in names]
        now = self.clock.now()
        events = [parse_event(one, (), now) for one in raw]
        async with self.database.transaction() as session:
            await store_events(session, self.clock, account_id, events)

    async def deliver(self, seconds: float = SETTLE_S + 1) -> bool:
        """Let time pass and deliver what is due; returns whether anything was."""
        self.clock.pass_(seconds=seconds)
        return await self.delivery.deliver_due()

    async def row(self, subscription_id: UUID) -> PlantEventSubscription:
        async with self.database.transaction() as session:
            return await session.get_one(PlantEventSubscription, subscription_id)

    async def waits_s(self, subscription_id: UUID) -> float:
        """The seconds until the subscription is due."""
        due_at: datetime = (await self.row(subscription_id)).due_at
        return (due_at - self.clock.now()) / timedelta(seconds=1)


@asynccontextmanager
async def run_receivers() -> AsyncIterator[Receivers]:
    """Serve until the block ends."""
    receivers, app = Receivers(), web.Application(client_max_size=16 << 20)
    app.router.add_post("/{name}", receivers.take)
    async with listening(app) as url:
        receivers.url = url
        yield receivers
        receivers.release.set()
