"""Stripe's errors: the envelope, and errors shared by endpoints.

A refusal says whether the endpoint had begun: only then is it kept under the request's idempotency
key.
"""

from typing import Any

_DOCS = "https://stripe.com/docs/error-codes/"


class Refusal(Exception):
    """An error response; earlier state changes of the endpoint are kept."""

    def __init__(self, status: int, error: dict[str, Any], began: bool = True) -> None:
        super().__init__(error["message"])
        self.status = status
        self.error = error
        self.began = began

    def envelope(self, request_id: str) -> dict[str, Any]:
        log = f"https://dashboard.stripe.com/test/logs/{request_id}"
        return {"error": {**self.error, "request_log_url": log}}


def invalid(
    message: str,
    code: str | None = None,
    param: str | None = None,
    status: int = 400,
    began: bool = True,
) -> Refusal:
    """An invalid request."""
    error = {"message": message, "type": "invalid_request_error"}
    if code is not None:
        error |= {"code": code, "doc_url": _DOCS + code.replace("_", "-")}
    if param is not None:
        error["param"] = param
    return Refusal(status, error, began)


def no_such(label: str, identifier: str, param: str, status: int = 400) -> Refusal:
    """An unknown id: 404 in the path, 400 in a parameter."""
    return invalid(f"No such {label}: '{identifier}'", "resource_missing", param, status)


def not_modelled(param: str, route: str) -> Refusal:
    """A parameter of Stripe that the fake does not implement: fails instead of being ignored."""
    message = f"tests/support/fakes/stripe does not model `{param}` of {route}: teach it there."
    return invalid(message, "not_modelled_by_the_stand_in", param, began=False)


def declined(code: str, decline_code: str, message: str, **objects: Any) -> Refusal:
    """A declined card."""
    error = {"code": code, "message": message, "type": "card_error"}
    error |= {"decline_code": decline_code, "doc_url": _DOCS + code.replace("_", "-")}
    return Refusal(402, {**error, **objects})


def needs_action() -> Refusal:
    """A payment that requires the customer's authentication."""
    code = "invoice_payment_intent_requires_action"
    message = (
        "Payment for this invoice requires additional user action before it can be completed "
        "successfully. Payment can be completed using the PaymentIntent associated with the "
        "invoice. For more details see: "
        "https://stripe.com/docs/billing/subscriptions/overview#requires-action"
    )
    doc_url = _DOCS + code.replace("_", "-")
    error = {"code": code, "doc_url": doc_url, "message": message, "type": "card_error"}
    return Refusal(402, error)


def not_editable() -> Refusal:
    """An edit of a finalized invoice."""
    message = "Invalid invoice: This invoice is no longer editable"
    return invalid(message, "invoice_not_editable")


def not_open() -> Refusal:
    """An invoice whose status does not allow this step."""
    return invalid("You can only pass in open invoices. This invoice isn't open.")


def server_error(status: int, began: bool = False) -> Refusal:
    """A server error of Stripe."""
    if status == 409:
        message = "This object cannot be accessed right now: another request holds it."
        return invalid(message, "lock_timeout", status=409, began=False)
    error = {"message": "An unknown error occurred", "type": "api_error"}
    return Refusal(status, error, began)


def too_many_requests() -> Refusal:
    """The account's rate limit."""
    message = "Request rate limit exceeded. Learn more about rate limits here "
    return invalid(
        message + "https://stripe.com/docs/rate-limits.", "rate_limit", status=429, began=False
    )
