"""One Stripe account: its objects, their ids and times, and the events of changes.

It knows of no endpoint and no rule of Stripe's; those keep facts that are no part of an object in
the account's `private` mappings.
"""

import secrets
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import stripe

from tests.support.fakes.stripe.clock import MovableClock
from tests.support.fakes.stripe.encoding import copied
from tests.support.fakes.stripe.refusals import no_such

Obj = dict[str, Any]
_LINES_SHOWN = 10  # an object shows the first page of its lines; the rest has an endpoint
_LABELS = {
    "payment_method": "PaymentMethod",
    "setup_intent": "setupintent",
    "credit_note": "credit note",
    "webhook_endpoint": "webhook endpoint",
    "invoiceitem": "Invoice Item",
}


@dataclass
class Cause:
    """The request that caused an event; empty if none did."""

    id: str | None = None
    idempotency_key: str | None = None


@dataclass
class Private:
    """Internal state of Stripe that its objects do not show."""

    cards: dict[str, str] = field(default_factory=dict)  # payment method: the test card it is
    used_up: set[str] = field(default_factory=set)  # payment methods that were detached
    secrets: dict[str, str] = field(default_factory=dict)  # webhook endpoint: signing secret
    charges: dict[str, str] = field(default_factory=dict)  # invoice: the charge that paid it
    # Checkout session: the metadata of its payment intent to be
    intent_metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    applied: dict[str, int] = field(default_factory=dict)  # invoice: balance that it used


class Account:
    """The objects that one secret key can access."""

    def __init__(self, clock: MovableClock) -> None:
        self.clock = clock
        self.private = Private()
        self.cause = Cause()
        self._listeners: list[Callable[[Obj], None]] = []
        self._objects: dict[str, dict[str, Obj]] = {}

    def listen(self, listener: Callable[[Obj], None]) -> None:
        """Register a function to call with each event."""
        self._listeners.append(listener)

    def now(self) -> int:
        return int(self.clock.now().timestamp())

    def new_id(self, prefix: str, length: int = 24) -> str:
        letters = string.ascii_letters + string.digits
        return prefix + "".join(secrets.choice(letters) for _ in range(length))

    def add(self, obj: Obj) -> Obj:
        self._objects.setdefault(obj["object"], {})[obj["id"]] = obj
        return obj

    def remove(self, obj: Obj) -> Obj:
        """Delete the object; returns the stub of Stripe's response."""
        del self._objects[obj["object"]][obj["id"]]
        return {"id": obj["id"], "object": obj["object"], "deleted": True}

    def all(self, kind: str, **fields: Any) -> list[Obj]:
        """Objects with these values, newest first."""
        found = reversed(self._objects.get(kind, {}).values())
        return [o for o in found if all(o.get(key) == value for key, value in fields.items())]

    def find(self, kind: str, identifier: str) -> Obj | None:
        return self._objects.get(kind, {}).get(identifier)

    def named(self, identifier: str) -> Obj | None:
        """The object of any kind with the id."""
        return next(
            (kind[identifier] for kind in self._objects.values() if identifier in kind), None
        )

    def get(self, kind: str, identifier: str, param: str, status: int = 400) -> Obj:
        """Find the object. An unknown id is a 404 in the path and a 400 in a parameter."""
        found = self.find(kind, identifier)
        if found is None or found.get("deleted"):
            raise no_such(_LABELS.get(kind, kind), identifier, param, status)
        return found

    def show(self, obj: Obj) -> Obj:
        """A copy as in Stripe's responses."""
        shown = copied(obj)
        lines = shown.get("lines")
        if isinstance(lines, dict) and len(lines["data"]) > _LINES_SHOWN:
            lines |= {"data": lines["data"][:_LINES_SHOWN], "has_more": True}
        return shown

    def emit(self, kind: str, obj: Obj, previous: Obj | None = None) -> None:
        """Emit an event with the current state of the object."""
        data: Obj = {"object": self.show(obj)}
        if previous is not None:
            data["previous_attributes"] = previous
        event = {
            "id": self.new_id("evt_"),
            "object": "event",
            "api_version": stripe.api_version,
            "created": self.now(),
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": {"id": self.cause.id, "idempotency_key": self.cause.idempotency_key},
            "type": kind,
        }
        self.add(event)
        for listener in self._listeners:
            listener(event)

    @contextmanager
    def changing(self, obj: Obj, kind: str) -> Iterator[None]:
        """Emit the event with the changes made in the block, if any."""
        before = self.show(obj)
        yield
        previous = _previous(before, self.show(obj))
        if previous:
            self.emit(kind, obj, previous)


def listed(data: list[Obj], url: str, has_more: bool = False) -> Obj:
    """Stripe's list envelope."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def _previous(before: Obj, after: Obj) -> Obj:
    """The previous values of changed members, at the depth of the change."""
    changed: Obj = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) and isinstance(new, dict) and old != new:
            changed[key] = _previous(old, new)
        elif old != new:
            changed[key] = old
    return changed
