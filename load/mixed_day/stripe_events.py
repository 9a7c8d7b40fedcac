"""Events as Stripe posts them: signed, and now and then a second time.

What they tell is of no concern to the service, which keeps them all the same and handles each once.
"""

import hashlib
import hmac
import json
import random
import time
from dataclasses import dataclass, field

PATH = "/stripe/webhook"
_KIND = "customer.updated"
_AGAIN = 0.1


def signed(body: bytes, secret: str, at: int) -> dict[str, str]:
    """The headers of an event that is posted at that second."""
    said = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={at},v1={said}", "content-type": "application/json"}


@dataclass
class Events:
    """One sender's events; `distinct` counts those that were not sent before."""

    sender: str
    chance: random.Random
    distinct: int = 0
    _last: bytes = field(default=b"")

    def next(self) -> bytes:
        """The next event, or the last one again, as Stripe does that saw no answer in time."""
        if not self._last or self.chance.random() > _AGAIN:
            self.distinct += 1
            self._last = event(f"evt_{self.sender}_{self.distinct}")
        return self._last

    def post(self, secret: str) -> tuple[bytes, dict[str, str]]:
        """The body and headers of the next post."""
        body = self.next()
        return body, signed(body, secret, int(time.time()))


def event(name: str) -> bytes:
    """An event by this id."""
    customer = {"id": "cus_under_load", "object": "customer"}
    said = {"id": name, "object": "event", "type": _KIND, "data": {"object": customer}}
    return json.dumps(said).encode()
