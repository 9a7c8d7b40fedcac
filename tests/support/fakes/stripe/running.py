"""The fake Stripe for tests: its URL, its objects and its controls.

Owns starting and stopping it on a real socket, in the test's own event loop; and the parts that
are not HTTP: the customer on Stripe's pages, and the counts.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from stripe import HTTPClient
from uvicorn.server import ServerState

from tests.support.fakes.stripe import hosted
from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.app import Seen, StripeApp
from tests.support.fakes.stripe.calls import Call
from tests.support.fakes.stripe.clock import MovableClock, SteppedClock
from tests.support.fakes.stripe.deliveries import Deliveries
from tests.support.fakes.stripe.encoding import copied
from tests.support.fakes.stripe.events import create_endpoint
from tests.support.fakes.stripe.resources import checkout, checkout_payment
from tests.support.fakes.stripe.resources.collecting import collect_due
from tests.support.fakes.stripe.switches import Switches


class FakeStripe(Switches):
    """A Stripe account at `url` with the secret `key`, and the faults of `Switches`."""

    def __init__(self, clock: MovableClock) -> None:
        super().__init__()
        self.url = ""
        self.clock = clock
        self.account = Account(clock)
        self.key = self.account.new_id("sk_test_")
        self.webhooks = Deliveries(self.account)
        self.app = StripeApp(self.key, self.account, self)

    @property
    def requests(self) -> list[Seen]:
        """All received requests, in order."""
        return self.app.seen

    def count(self, route: str) -> int:
        """The number of requests to the endpoint, such as `POST /v1/invoices/{id}/pay`."""
        return sum(seen.route == route for seen in self.requests)

    def executed(self, route: str) -> int:
        """The number of executed requests, without replays and early rejections."""
        return sum(seen.route == route and seen.executed for seen in self.requests)

    def objects(self, kind: str, **fields: object) -> list[Obj]:
        """The objects of a kind (`invoice`, `customer`, …) with these values, oldest first."""
        return copied(self.account.all(kind, **fields)[::-1])

    def events(self, kind: str = "") -> list[Obj]:
        """The events of a type, or all, oldest first."""
        return self.objects("event", type=kind) if kind else self.objects("event")

    def event_of(self, kind: str, object_id: str) -> Obj:
        """The newest event of a type about an object."""
        found = self.account.all("event", type=kind)
        return copied(next(one for one in found if one["data"]["object"]["id"] == object_id))

    def add_endpoint(self, url: str, *events: str) -> str:
        """Add a webhook endpoint for these events, or all; returns the signing secret."""
        params = {"url": url, "enabled_events": list(events or "*")}
        secret: str = create_endpoint(self.account, Call("", "", params))["secret"]
        return secret

    def complete_checkout(self, session_id: str, card: str = "pm_card_visa") -> str:
        """Enter this card on the Checkout page; returns the payment method's id."""
        return checkout.complete(self.account, session_id, card)

    def confirm_late_payment(self, session_id: str) -> None:
        """Confirm the Checkout page by a method whose money arrives later."""
        session = self.account.get("checkout.session", session_id, "session")
        checkout_payment.pay(self.account, session, "pm_card_visa", {}, waits=True)

    def settle_late_payment(self, session_id: str, succeeds: bool = True) -> None:
        """Let the money of a late payment arrive, or fail."""
        session = self.account.get("checkout.session", session_id, "session")
        checkout_payment.arrive(self.account, session, succeeds)

    def pay_hosted_invoice(self, invoice_id: str, card: str = "pm_card_visa") -> None:
        """Pay on the hosted invoice page. Raises `Refusal` for a declined card."""
        hosted.pay(self.account, invoice_id, card)

    def authenticate(self, intent_id: str, succeeds: bool = True) -> None:
        """Pass or fail the authentication of a payment or setup intent."""
        hosted.authenticate(self.account, intent_id, succeeds)

    def collect_due(self) -> None:
        """Run Stripe's automatic steps: finalize and charge due invoices with `auto_advance`."""
        collect_due(self.account)


# How long Stripe's library waits, at first, before it asks again: the stand-in needs no rest.
_AGAIN_S = 0.01


@asynccontextmanager
async def run_fake_stripe(clock: MovableClock | None = None) -> AsyncIterator[FakeStripe]:
    """Serve, and deliver webhooks, until the block ends."""
    fake = FakeStripe(clock or SteppedClock())
    async with _served(fake):
        usual, HTTPClient.INITIAL_DELAY = HTTPClient.INITIAL_DELAY, _AGAIN_S
        delivering = asyncio.create_task(fake.webhooks.run())
        try:
            yield fake
        finally:
            HTTPClient.INITIAL_DELAY = usual
            delivering.cancel()
            (outcome,) = await asyncio.gather(delivering, return_exceptions=True)
            if isinstance(outcome, Exception):
                fake.app.bugs.append(outcome)
    if fake.app.bugs:
        raise ExceptionGroup("the stand-in itself failed", fake.app.bugs)


@asynccontextmanager
async def _served(fake: FakeStripe) -> AsyncIterator[None]:
    """Uvicorn's protocol without its server, which takes 0.2 s to stop."""
    config = uvicorn.Config(fake.app, lifespan="off", log_config=None, access_log=False, ws="none")
    config.load()
    state = ServerState()
    listener = socket.create_server(("127.0.0.1", 0))
    # asyncio does this only for sockets that name their protocol; else every answer waits 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    fake.url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def connected() -> asyncio.Protocol:
        return fake.connections.protocol(config=config, server_state=state, app_state={})

    server = await asyncio.get_running_loop().create_server(connected, sock=listener)
    try:
        yield
    finally:
        server.close()
        fake.connections.abort_all()
        tasks = list(state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
