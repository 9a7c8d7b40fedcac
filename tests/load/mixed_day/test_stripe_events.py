"""Generated Stripe events: valid signatures, and some duplicates."""

import json
import random
import time

from billing.collection.stripe.client import parse_signed_event
from load.mixed_day.stripe_events import EventSender


class TestStripeEventSender:
    def test_signature_is_accepted_by_the_service(self) -> None:
        body, headers = EventSender("a", random.Random(1)).next_post("whsec_x")
        event = parse_signed_event(body, headers["stripe-signature"], "whsec_x")
        assert event.id == "evt_a_1"
        assert f"t={int(time.time())}"[:6] in headers["stripe-signature"]

    def test_distinct_events_are_counted_and_some_repeated(self) -> None:
        sender = EventSender("a", random.Random(1))
        sent = [json.loads(sender.next())["id"] for _ in range(300)]
        assert len(set(sent)) == sender.distinct < len(sent)
