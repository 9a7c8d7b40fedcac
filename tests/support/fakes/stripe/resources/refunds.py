"""Refunds of charges to the card.

Credit notes make refunds through here.
"""

from typing import Any

from stripe import params as of

from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.calls import Call, merged, page
from tests.support.fakes.stripe.refusals import Refusal, invalid
from tests.support.fakes.stripe.routing import PAGE, Route


def create(account: Account, call: Call) -> Obj:
    params = call.params
    charge = _charge(account, params)
    if charge is None or charge["status"] != "succeeded":
        intent = params.get("payment_intent", charge and charge["payment_intent"])
        message = f"This PaymentIntent ({intent}) does not have a successful charge to refund."
        raise invalid(message)
    remaining = charge["amount_captured"] - charge["amount_refunded"]
    amount = params.get("amount", remaining)
    if remaining == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise invalid(message, "charge_already_refunded")
    if not 1 <= amount <= remaining:
        raise _wrong_amount(amount, remaining)
    return refund(account, charge, amount, params)


def retrieve(account: Account, call: Call) -> Obj:
    return account.get("refund", call.id, "refund", 404)


def list_all(account: Account, call: Call) -> Obj:
    found = account.all("refund")
    for key in ("charge", "payment_intent"):
        if key in call.params:
            found = [each for each in found if each[key] == call.params[key]]
    return page(account, call, found)


def refund(account: Account, charge: Obj, amount: int, params: dict[str, Any]) -> Obj:
    """Refund the amount; the caller checks that the charge covers it."""
    made = account.add(_refund(account, charge, amount, params))
    account.emit("refund.created", made)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    account.emit("charge.refunded", charge)
    return made


def _charge(account: Account, params: dict[str, Any]) -> Obj | None:
    if "charge" in params:
        return account.get("charge", params["charge"], "charge")
    if "payment_intent" in params:
        intent = account.get("payment_intent", params["payment_intent"], "payment_intent")
        return account.find("charge", intent["latest_charge"] or "")
    message = "One of the following params should be provided for this request: "
    raise invalid(message + "payment_intent or charge.")


def _wrong_amount(amount: int, remaining: int) -> Refusal:
    if amount < 1:
        message = "This value must be greater than or equal to 1."
        return invalid(message, "parameter_invalid_integer", "amount")
    message = f"Refund amount ({amount / 100:.2f}) is greater than unrefunded amount on charge "
    return invalid(f"{message}({remaining / 100:.2f})", param="amount")


def _refund(account: Account, charge: Obj, amount: int, params: dict[str, Any]) -> Obj:
    card = {"reference_status": "pending", "reference_type": "acquirer_reference_number"}
    return {
        "id": account.new_id("re_"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": account.new_id("txn_"),
        "charge": charge["id"],
        "created": account.now(),
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": {"card": {**card, "type": "refund"}, "type": "card"},
        "metadata": merged({}, params.get("metadata")),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": params.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


ROUTES = (
    Route(
        "POST",
        "/v1/refunds",
        create,
        of.RefundCreateParams,
        "amount charge metadata payment_intent reason",
    ),
    Route("GET", "/v1/refunds", list_all, of.RefundListParams, PAGE + "charge payment_intent"),
    Route("GET", "/v1/refunds/{id}", retrieve, of.RefundRetrieveParams),
)
