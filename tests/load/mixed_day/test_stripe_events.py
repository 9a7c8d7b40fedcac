"""Events: signed so that the service takes them, and some of them twice."""

import json
import random
import time

from billing.collection.stripe.client import parse_signed_event
from load.mixed_day.stripe_events import EventSender


class TestEvents:
    def test_the_service_takes_them(self) -> None:
        body, headers = EventSender("a", random.Random(1)).next_post("whsec_x")
        event = parse_signed_event(body, headers["stripe-signature"], "whsec_x")
        assert event.id == "evt_a_1"
        assert f"t={int(time.time())}"[:6] in headers["stripe-signature"]

    def test_distinct_ones_are_counted_and_some_come_again(self) -> None:
        sender = EventSender("a", random.Random(1))
        sent = [json.loads(sender.next())["id"] for _ in range(300)]
        assert len(set(sent)) == sender.distinct < len(sent)
