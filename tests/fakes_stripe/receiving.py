"""A webhook receiver whose response statuses a test sets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import stripe
from aiohttp import web

from tests.support.fakes.listening import listening


@dataclass
class Receiver:
    """The raw posts received, and the response statuses of the next posts."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def events(self, secret: str) -> list[stripe.Event]:
        """All received events, verified with the official SDK."""
        posts = zip(self.bodies, self.signatures, strict=True)
        return [stripe.Webhook.construct_event(body, sign, secret) for body, sign in posts]

    async def post(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.signatures.append(request.headers["stripe-signature"])
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)


@asynccontextmanager
async def run_receiver() -> AsyncIterator[Receiver]:
    """Serve until the block ends."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.post)
    async with listening(app) as url:
        receiver.url = f"{url}/hook"
        yield receiver
