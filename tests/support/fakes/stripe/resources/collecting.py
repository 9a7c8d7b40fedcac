"""Stripe's time-based actions: drafts are finalized, open invoices are charged.

Nothing here runs unless a test calls it, so that a test says when Stripe's clockwork has turned.
"""

from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.resources import settling

_DAY_S = 24 * 60 * 60
_RETRIES_AFTER_S = (3 * _DAY_S, 5 * _DAY_S, 7 * _DAY_S)


def collect_due(account: Account) -> None:
    """Run every due step."""
    for invoice in reversed(account.all("invoice", auto_advance=True)):
        finalizes = invoice["automatically_finalizes_at"]
        if invoice["status"] == "draft" and finalizes is not None and finalizes <= account.now():
            settling.to_open(account, invoice)
            if invoice["collection_method"] == "send_invoice":
                account.emit("invoice.sent", invoice)
        if invoice["status"] == "open":
            _charge(account, invoice)


def _charge(account: Account, invoice: Obj) -> None:
    due = invoice["next_payment_attempt"]
    if due is None or due > account.now():
        return
    method = settling.default_method(account, invoice)
    first = invoice["attempt_count"] == 0
    if method is None:
        settling.fail(account, invoice, requires_action=False)
    elif settling.attempt(account, invoice, method) is None:
        return
    invoice["attempt_count"] = 1 if first else invoice["attempt_count"] + 1
    _schedule(account, invoice)


def _schedule(account: Account, invoice: Obj) -> None:
    """Schedule the next retry; after the last one the invoice stays unchanged."""
    tries = invoice["attempt_count"] - 1
    following = _RETRIES_AFTER_S[tries] if tries < len(_RETRIES_AFTER_S) else None
    with account.changing(invoice, "invoice.updated"):
        invoice["next_payment_attempt"] = following and account.now() + following
