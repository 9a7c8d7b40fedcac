"""Labels of outgoing messages, by their action in the outbox."""

from collections.abc import Mapping
from types import MappingProxyType

from billing.collection.collectors import COLLECTORS
from infra.translations import gettext_noop

_COLLECTION_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "collect": gettext_noop("Create invoice in Stripe"),
        "charge": gettext_noop("Charge with Stripe"),
        "send": gettext_noop("Send invoice with Stripe"),
        "mark_part_paid": gettext_noop("Record partial payment in Stripe"),
        "credit": gettext_noop("Create credit note in Stripe"),
        "mark_paid": gettext_noop("Mark as paid in Stripe"),
        "void": gettext_noop("Void in Stripe"),
        "write_off": gettext_noop("Mark as uncollectible in Stripe"),
    }
)
DELIVERY_LABELS: Mapping[str, str] = MappingProxyType(
    {
        **_COLLECTION_ACTIONS,
        **{
            previous: _COLLECTION_ACTIONS[action]
            for entry in COLLECTORS.values()
            for previous, action in entry.info.previous_actions.items()
        },
        "email": gettext_noop("E-mail"),
        "alert": gettext_noop("Alert to customer webhook"),
    }
)
