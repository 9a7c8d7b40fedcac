"""All endpoints of the fake Stripe; each resource module lists its own."""

from tests.support.fakes.stripe import events
from tests.support.fakes.stripe.refusals import Refusal, invalid
from tests.support.fakes.stripe.resources import (
    checkout,
    credit_notes,
    customers,
    invoice_items,
    invoices,
    off_session,
    payment_methods,
    payments,
    refunds,
    settling,
    setup_intents,
)
from tests.support.fakes.stripe.routing import Route

ROUTES: tuple[Route, ...] = (
    *customers.ROUTES,
    *payment_methods.ROUTES,
    *setup_intents.ROUTES,
    *checkout.ROUTES,
    *invoice_items.ROUTES,
    *invoices.ROUTES,
    *settling.ROUTES,
    *payments.ROUTES,
    *off_session.ROUTES,
    *refunds.ROUTES,
    *credit_notes.ROUTES,
    *events.ROUTES,
)


_NO_IDS = ("search", "create_preview", "preview")  # endpoints that the stand-in does not have


def find(method: str, path: str) -> tuple[Route, str]:
    """The endpoint and the id of a path."""
    for route in ROUTES:
        identifier = route.match(path) if route.method == method else None
        if identifier is not None and identifier not in _NO_IDS:
            return route, identifier
    raise _unknown(method, path)


def _unknown(method: str, path: str) -> Refusal:
    message = f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs "
    return invalid(f"{message}or we can help at https://support.stripe.com/.", status=404)
