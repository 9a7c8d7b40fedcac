"""Payment of an invoice: its payment intent, attempted charges, and their link.

An invoice does not name its payment intent: `/v1/invoice_payments` does. What a paid invoice
becomes is in `settling`.
"""

from stripe import params as of

from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.calls import Call, page
from tests.support.fakes.stripe.refusals import Refusal, declined, needs_action
from tests.support.fakes.stripe.resources.cards import card_of
from tests.support.fakes.stripe.resources.payment_shape import new_charge, new_intent, new_payment
from tests.support.fakes.stripe.routing import PAGE, Route


def retrieve_intent(account: Account, call: Call) -> Obj:
    return account.get("payment_intent", call.id, "intent", 404)


def list_intents(account: Account, call: Call) -> Obj:
    return page(account, call, _of_customer(account.all("payment_intent"), call))


def retrieve_charge(account: Account, call: Call) -> Obj:
    return account.get("charge", call.id, "id", 404)


def list_charges(account: Account, call: Call) -> Obj:
    found = _of_customer(account.all("charge"), call)
    if "payment_intent" in call.params:
        found = [o for o in found if o["payment_intent"] == call.params["payment_intent"]]
    return page(account, call, found)


def retrieve_payment(account: Account, call: Call) -> Obj:
    return account.get("invoice_payment", call.id, "invoice_payment", 404)


def list_payments(account: Account, call: Call) -> Obj:
    found, params = account.all("invoice_payment"), call.params
    if "invoice" in params:
        account.get("invoice", params["invoice"], "invoice")
    for key in ("invoice", "status"):
        if key in params:
            found = [each for each in found if each[key] == params[key]]
    for key, value in params.get("payment", {}).items():
        found = [each for each in found if each["payment"].get(key) == value]
    return page(account, call, found)


def _of_customer(found: list[Obj], call: Call) -> list[Obj]:
    if "customer" in call.params:
        return [each for each in found if each["customer"] == call.params["customer"]]
    return found


def payment_of(account: Account, invoice: Obj) -> Obj | None:
    """The open payment of the invoice, or None if no amount is due."""
    found = account.all("invoice_payment", invoice=invoice["id"], status="open")
    return found[0] if found else None


def intent_of(account: Account, payment: Obj) -> Obj:
    return account.get("payment_intent", payment["payment"]["payment_intent"], "payment_intent")


def ask(account: Account, invoice: Obj) -> None:
    """Create the payment intent of a finalized invoice."""
    intent = account.add(new_intent(account, invoice))
    account.emit("payment_intent.created", intent)
    account.add(new_payment(account, invoice, intent))


def ask_for_less(account: Account, invoice: Obj) -> None:
    """Reduce the payment intent after a credit note."""
    payment = payment_of(account, invoice)
    if payment is not None:
        payment["amount_requested"] = invoice["amount_remaining"]
        intent_of(account, payment)["amount"] = invoice["amount_remaining"]


def call_off(account: Account, invoice: Obj, reason: str) -> None:
    """Cancel the payment intent: no amount is due, or it is paid out of band."""
    payment = payment_of(account, invoice)
    if payment is not None:
        payment["status"] = "canceled"
        payment["status_transitions"]["canceled_at"] = account.now()
        intent = intent_of(account, payment)
        intent |= {"status": "canceled", "canceled_at": account.now()}
        intent |= {"cancellation_reason": reason, "next_action": None}
        account.emit("payment_intent.canceled", intent)


def collect(account: Account, payment: Obj, method: Obj) -> Refusal | Obj:
    """Attempt to charge the card; returns the charge or Stripe's error."""
    intent, card = intent_of(account, payment), card_of(account, method)
    if card.authenticates:
        intent |= {"status": "requires_action", "payment_method": method["id"]}
        intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
        account.emit("payment_intent.requires_action", intent)
        return needs_action()
    if not card.charges:
        return _decline(account, intent, method)
    return succeed(account, payment, method)


def succeed(account: Account, payment: Obj, method: Obj) -> Obj:
    """Record a successful charge."""
    intent = intent_of(account, payment)
    charge = account.add(new_charge(account, intent, method))
    intent |= {"status": "succeeded", "amount_received": intent["amount"], "next_action": None}
    intent |= {"latest_charge": charge["id"], "payment_method": method["id"]}
    intent["last_payment_error"] = None
    payment |= {"status": "paid", "amount_paid": intent["amount"]}
    payment["status_transitions"]["paid_at"] = account.now()
    account.emit("charge.succeeded", charge)
    account.emit("payment_intent.succeeded", intent)
    account.emit("invoice_payment.paid", payment)
    return charge


def _decline(account: Account, intent: Obj, method: Obj) -> Refusal:
    card = card_of(account, method)
    charge = account.add(new_charge(account, intent, method))
    charge |= {"status": "failed", "paid": False, "captured": False, "amount_captured": 0}
    charge |= {"failure_code": "card_declined", "failure_message": card.message}
    charge["outcome"] |= {
        "network_status": "declined_by_network",
        "reason": card.decline_code,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }
    refusal = declined("card_declined", card.decline_code, card.message, charge=charge["id"])
    shown = account.show(method)
    intent |= {"status": "requires_payment_method", "latest_charge": charge["id"]}
    intent |= {"last_payment_error": {**refusal.error, "payment_method": shown}}
    intent["payment_method"] = None
    account.emit("charge.failed", charge)
    account.emit("payment_intent.payment_failed", intent)
    refusal.error |= {"payment_method": shown, "payment_intent": account.show(intent)}
    return refusal


ROUTES = (
    Route(
        "GET",
        "/v1/invoice_payments",
        list_payments,
        of.InvoicePaymentListParams,
        PAGE + "invoice payment status",
    ),
    Route(
        "GET",
        "/v1/invoice_payments/{id}",
        retrieve_payment,
        of.InvoicePaymentRetrieveParams,
    ),
    Route(
        "GET",
        "/v1/payment_intents",
        list_intents,
        of.PaymentIntentListParams,
        PAGE + "customer",
    ),
    Route(
        "GET",
        "/v1/payment_intents/{id}",
        retrieve_intent,
        of.PaymentIntentRetrieveParams,
    ),
    Route(
        "GET",
        "/v1/charges",
        list_charges,
        of.ChargeListParams,
        PAGE + "customer payment_intent",
    ),
    Route("GET", "/v1/charges/{id}", retrieve_charge, of.ChargeRetrieveParams),
)
