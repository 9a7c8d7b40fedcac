"""Webhooks: events are signed, posted to the endpoints, and retried after failures.

Owns the queue, the signature and the switches that make delivery as bad as it gets: held back,
twice, in reverse order, never. Stripe goes on for three days; here it is over in a second.
"""

import asyncio
import hashlib
import hmac
import time
from dataclasses import dataclass
from types import MappingProxyType

import httpx

from tests.support.builders import NO_TLS
from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.encoding import encode
from tests.support.fakes.stripe.events import wants

_PAUSES_S = (0.02, 0.05, 0.1, 0.2, 0.4)
_PATIENCE_S = 5.0
_HEADERS = MappingProxyType(
    {"content-type": "application/json; charset=utf-8", "user-agent": "Stripe/1.0"}
)


@dataclass(frozen=True)
class Delivery:
    """An event on its way to an endpoint."""

    event: Obj
    endpoint: str
    tries: int = 0


@dataclass(frozen=True)
class Attempt:
    """The result of one post: its response status, or None without a response."""

    event: str
    type: str
    endpoint: str
    status: int | None


def signature(body: bytes, secret: str, at: int) -> str:
    """The value of `v1`."""
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


class Deliveries:
    """Pending and sent deliveries."""

    def __init__(self, account: Account) -> None:
        self.attempts: list[Attempt] = []
        self.given_up: list[Attempt] = []
        self.twice = False
        self._account = account
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue()
        self._waiting: set[asyncio.Task[None]] = set()
        self._held: list[Delivery] | None = None
        self._to_drop = 0
        self._open = 0
        account.listen(self._happened)

    def hold(self) -> None:
        """Hold all events from now on."""
        self._held = [] if self._held is None else self._held

    def release(self, reverse: bool = False) -> None:
        """Send the held events, newest first if `reverse`."""
        held, self._held = self._held or [], None
        for delivery in reversed(held) if reverse else held:
            self._send(delivery)

    def drop(self, count: int) -> None:
        """Never send the next events, although `/v1/events` lists them."""
        self._to_drop = count

    def resend(self, event_id: str) -> None:
        """Send the event again to its endpoints, like the button in Stripe's dashboard."""
        event = self._account.find("event", event_id)
        assert event is not None, f"no event {event_id}"
        for endpoint in self._wanting(event):
            self._send(Delivery(event, endpoint))

    async def settled(self, within_s: float = 10.0) -> None:
        """Wait until all events except held ones are delivered or given up."""
        async with asyncio.timeout(within_s):
            while self._open:  # noqa: ASYNC110  # the queue's own join knows no retries
                await asyncio.sleep(0.005)

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            client = httpx.AsyncClient(timeout=_PATIENCE_S, trust_env=False, verify=NO_TLS)
            async with client as http:
                while True:
                    await self._deliver(http, await self._queue.get())
        finally:
            for task in self._waiting:
                task.cancel()
            await asyncio.gather(*self._waiting, return_exceptions=True)

    def _happened(self, event: Obj) -> None:
        endpoints = self._wanting(event)
        event["pending_webhooks"] = len(endpoints)
        if endpoints and self._to_drop:
            self._to_drop -= 1
            return
        for endpoint in endpoints:
            for _ in range(2 if self.twice else 1):
                self._offer(Delivery(event, endpoint))

    def _wanting(self, event: Obj) -> list[str]:
        endpoints = self._account.all("webhook_endpoint")
        return [endpoint["id"] for endpoint in endpoints if wants(endpoint, event)]

    def _offer(self, delivery: Delivery) -> None:
        if self._held is None:
            self._send(delivery)
        else:
            self._held.append(delivery)

    def _send(self, delivery: Delivery) -> None:
        self._open += 1
        self._queue.put_nowait(delivery)

    async def _deliver(self, http: httpx.AsyncClient, sent: Delivery) -> None:
        account = self._account
        endpoint = account.find("webhook_endpoint", sent.endpoint)
        if endpoint is None:
            self._open -= 1
            return
        event = {**account.show(sent.event), "api_version": _version(endpoint, sent.event)}
        status = await _post(http, endpoint, event, account.private.secrets[sent.endpoint])
        tried = Attempt(event["id"], event["type"], sent.endpoint, status)
        self.attempts.append(tried)
        if status is not None and 200 <= status < 300:
            sent.event["pending_webhooks"] -= 1
        elif sent.tries < len(_PAUSES_S):
            self._later(sent)
            return
        else:
            self.given_up.append(tried)
        self._open -= 1

    def _later(self, sent: Delivery) -> None:
        task = asyncio.create_task(self._again(sent))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _again(self, sent: Delivery) -> None:
        await asyncio.sleep(_PAUSES_S[sent.tries])
        self._queue.put_nowait(Delivery(sent.event, sent.endpoint, sent.tries + 1))


def _version(endpoint: Obj, event: Obj) -> str:
    version: str = endpoint["api_version"] or event["api_version"]
    return version


async def _post(http: httpx.AsyncClient, endpoint: Obj, event: Obj, secret: str) -> int | None:
    body = encode(event)
    at = int(time.time())
    signed = f"t={at},v1={signature(body, secret, at)},v0={signature(body, 'test', at)}"
    headers = {**_HEADERS, "stripe-signature": signed}
    try:
        answer = await http.post(endpoint["url"], content=body, headers=headers)
    except httpx.HTTPError:
        return None
    return answer.status_code
