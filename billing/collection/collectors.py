"""Registry of the collectors (payment providers) that this service can use.

A new collector is a package beside `stripe/` that implements `Collector`, and an entry in
COLLECTORS. Collection methods, webhook route, allowed page origins and stored names follow from the
entry. Its credentials are settings of its own, read by `create` (as variables `MAAS_<NAME>_…`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from billing.collection.collector import Collector, CollectorEvent, CollectorInfo
from billing.collection.stripe.collector import create_stripe_collector, read_stripe_notification
from billing.collection.stripe.info import STRIPE
from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class CollectorEntry:
    """A collector that can be configured.

    `create` returns None without credentials. `notification` verifies and parses a webhook from its
    body and lower-case headers; it raises InvalidNotification.
    """

    info: CollectorInfo
    create: Callable[[Settings], Collector | None]
    notification: Callable[[Settings, bytes, Mapping[str, str]], CollectorEvent]


COLLECTORS: Mapping[str, CollectorEntry] = {
    entry.info.name: entry
    for entry in (CollectorEntry(STRIPE, create_stripe_collector, read_stripe_notification),)
}


def find_collector_info(name: str) -> CollectorInfo | None:
    """Return the properties of a collector by its name, or None if it is unknown."""
    entry = COLLECTORS.get(name)
    return None if entry is None else entry.info
