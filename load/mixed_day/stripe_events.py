"""Signed Stripe webhook events, some of them sent twice.

The event type is one that the service stores and ignores.
"""

import hashlib
import hmac
import json
import random
import time
from dataclasses import dataclass, field

PATH = "/stripe/webhook"
_EVENT_TYPE = "customer.updated"
_DUPLICATE_RATE = 0.1


def signature_headers(body: bytes, secret: str, at: int) -> dict[str, str]:
    """Return the headers of an event signed at a Unix time."""
    signature = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={at},v1={signature}", "content-type": "application/json"}


@dataclass
class EventSender:
    """Generates the events of one sender; `distinct` counts them without duplicates."""

    sender: str
    rng: random.Random
    distinct: int = 0
    _last: bytes = field(default=b"")

    def next(self) -> bytes:
        """Return the next event, or the last one again, as Stripe retries without a response."""
        if not self._last or self.rng.random() > _DUPLICATE_RATE:
            self.distinct += 1
            self._last = event_json(f"evt_{self.sender}_{self.distinct}")
        return self._last

    def next_post(self, secret: str) -> tuple[bytes, dict[str, str]]:
        """Return the body and headers of the next request."""
        body = self.next()
        return body, signature_headers(body, secret, int(time.time()))


def event_json(name: str) -> bytes:
    """Return the JSON of an event with this id."""
    customer = {"id": "cus_under_load", "object": "customer"}
    event = {"id": name, "object": "event", "type": _EVENT_TYPE, "data": {"object": customer}}
    return json.dumps(event).encode()
