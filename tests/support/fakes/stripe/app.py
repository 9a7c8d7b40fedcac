"""The HTTP side: keys, versions, forms, idempotency and envelopes around the endpoints.

Owns the order in which a request is looked at, which is Stripe's: who asks, what for, with which
parameters, and whether it was asked before. A plain ASGI application.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import stripe

from tests.support.fakes.stripe.account import Account, Cause, Obj
from tests.support.fakes.stripe.calls import Call
from tests.support.fakes.stripe.encoding import encode
from tests.support.fakes.stripe.expanding import expand
from tests.support.fakes.stripe.forms import Form, decode
from tests.support.fakes.stripe.idempotency import Keys
from tests.support.fakes.stripe.refusals import Refusal, invalid
from tests.support.fakes.stripe.routes import find
from tests.support.fakes.stripe.routing import Route
from tests.support.fakes.stripe.switches import Switches

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass
class Seen:
    """A received request and its result."""

    method: str
    path: str
    request_id: str
    idempotency_key: str | None = None
    route: str = ""  # the endpoint, such as `POST /v1/invoices/{id}/pay`
    form: Form = field(default_factory=dict)
    status: int | None = None  # none while it runs, and when the answer was lost
    body: Obj = field(default_factory=dict)
    executed: bool = False  # by the endpoint: not refused before it, and not a kept answer


class StripeApp:
    """The ASGI application; `seen` has its requests, `bugs` its own errors."""

    def __init__(self, key: str, account: Account, switches: Switches) -> None:
        self.seen: list[Seen] = []
        self.bugs: list[Exception] = []
        self._key = key
        self._account = account
        self._switches = switches
        self._keys = Keys(account.clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        seen = Seen(scope["method"], scope["path"], self._account.new_id("req_", 14))
        self.seen.append(seen)
        if scope["method"] == "POST":
            seen.idempotency_key = headers.get("idempotency-key")
        query: bytes = scope["query_string"] if scope["method"] != "POST" else bytes(body)
        status, answer, replayed = await self._answer(seen, headers, query.decode())
        seen.body = json.loads(answer)
        if status < 500 and seen.executed | replayed and self._switches.loses_answer(seen.route):
            self._switches.connections.abort(tuple(scope["client"]))
            await receive()  # until the connection is seen to be gone
            return
        seen.status = status
        await _send(send, status, answer, _headers(seen, replayed, status))

    async def _answer(
        self, seen: Seen, headers: dict[str, str], form: str
    ) -> tuple[int, bytes, bool]:
        """Status, body, and whether they are replayed."""
        try:
            self._authenticate(headers)
            route, identifier = find(seen.method, seen.path)
            seen.route = route.name
            self._switches.before()
            seen.form = decode(form)
            if seen.idempotency_key is None:
                return *await self._execute(route, identifier, seen), False
            return await self._once(seen.idempotency_key, route, identifier, seen)
        except Refusal as refusal:
            return refusal.status, encode(refusal.envelope(seen.request_id)), False

    async def _once(
        self, key: str, route: Route, identifier: str, seen: Seen
    ) -> tuple[int, bytes, bool]:
        kept = self._keys.begin(key, seen.path, seen.form)
        if kept is not None:
            return kept.status, kept.body, True
        try:
            status, body = await self._execute(route, identifier, seen)
        finally:
            self._keys.end(key)
        if seen.executed:
            self._keys.keep(key, seen.path, seen.form, status, body, seen.request_id)
        return status, body, False

    async def _execute(self, route: Route, identifier: str, seen: Seen) -> tuple[int, bytes]:
        if self._switches.delay_s:
            await asyncio.sleep(self._switches.delay_s)
        self._account.cause = Cause(seen.request_id, seen.idempotency_key)
        try:
            params = route.parameters(seen.form)
            obj = route.handler(self._account, Call(seen.path, identifier, params))
            shown = self._account.show(obj)
            expand(self._account, shown, params.get("expand", []))
            self._switches.after(seen.route)
        except Refusal as refusal:
            seen.executed = refusal.began
            return refusal.status, encode(refusal.envelope(seen.request_id))
        except Exception as bug:
            self.bugs.append(bug)
            raise
        finally:
            self._account.cause = Cause()
        seen.executed = True
        return 200, encode(shown)

    def _authenticate(self, headers: dict[str, str]) -> None:
        given = _key(headers.get("authorization", ""))
        if given is None:
            message = "You did not provide an API key. You need to provide your API key in the "
            message += "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer "
            raise invalid(message + "YOUR_SECRET_KEY').", status=401, began=False)
        if given != self._key:
            message = f"Invalid API Key provided: {given[:8]}****{given[-4:]}"
            raise invalid(message, status=401, began=False)
        version = headers.get("stripe-version", stripe.api_version)
        if version != stripe.api_version:
            message = f"The stand-in speaks {stripe.api_version} only, not {version}."
            raise invalid(message, began=False)


def _key(authorization: str) -> str | None:
    """The key of `Bearer key`, or of Basic authentication as user name."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer" and value:
        return value
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[0] or None
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None


def _headers(seen: Seen, replayed: bool, status: int) -> dict[str, str]:
    headers = {"content-type": "application/json", "request-id": seen.request_id}
    headers["stripe-version"] = stripe.api_version
    if seen.idempotency_key is not None:
        headers["idempotency-key"] = seen.idempotency_key
    if replayed:
        headers["idempotent-replayed"] = "true"
    if status >= 500 and (replayed or seen.executed):
        headers["stripe-should-retry"] = "false"  # it would get the same answer
    return headers


async def _body(receive: Receive) -> bytearray:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _send(send: Send, status: int, body: bytes, headers: dict[str, str]) -> None:
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    sent.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})
