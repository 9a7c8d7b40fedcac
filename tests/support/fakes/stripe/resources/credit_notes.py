"""Credit notes: reduction of a finalized invoice, and the use of the credited amount.

The part that is still open (`pre_payment`) lowers what is due; the part that was paid
(`post_payment`) has to be refunded, put to the customer's balance or marked as settled elsewhere,
to the cent.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from stripe import params as of

from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.calls import Call, merged, page
from tests.support.fakes.stripe.refusals import invalid, no_such
from tests.support.fakes.stripe.resources import payments, settling
from tests.support.fakes.stripe.resources.credit_note_shape import Split, new_line, new_note
from tests.support.fakes.stripe.resources.customers import move_balance
from tests.support.fakes.stripe.resources.refunds import refund
from tests.support.fakes.stripe.routing import PAGE, Route


def create(account: Account, call: Call) -> Obj:
    params = call.params
    invoice = account.get("invoice", params["invoice"], "invoice")
    if invoice["status"] not in ("open", "paid", "uncollectible"):
        message = "Credit notes can only be created on open, paid, or uncollectible invoices. "
        raise invalid(f"{message}This invoice is {invoice['status']}.")
    lines = _lines(account, invoice, params)
    split = _split(account, invoice, sum(line["amount"] for line in lines), params)
    note = new_note(account, invoice, lines, split, params)
    _lower(account, invoice, split)
    _settle(account, note, split, params)
    account.add(note)
    account.emit("credit_note.created", note)
    if invoice["status"] != "paid" and invoice["amount_remaining"] == 0:
        payments.call_off(account, invoice, "abandoned")
        settling.to_paid(account, invoice, attempted=invoice["attempted"])
    return note


def retrieve(account: Account, call: Call) -> Obj:
    return account.get("credit_note", call.id, "id", 404)


def list_all(account: Account, call: Call) -> Obj:
    found = account.all("credit_note")
    for key in ("invoice", "customer"):
        if key in call.params:
            found = [each for each in found if each[key] == call.params[key]]
    return page(account, call, found)


def list_lines(account: Account, call: Call) -> Obj:
    note = account.get("credit_note", call.id, "credit_note", 404)
    return page(account, call, note["lines"]["data"])


def update(account: Account, call: Call) -> Obj:
    note = account.get("credit_note", call.id, "id", 404)
    with account.changing(note, "credit_note.updated"):
        note["metadata"] = merged(note["metadata"], call.params.get("metadata"))
        note["memo"] = call.params.get("memo", note["memo"])
    return note


def void(account: Account, call: Call) -> Obj:
    """Void a credit note, only while the invoice is open: refunds are not reversed."""
    note = account.get("credit_note", call.id, "id", 404)
    if note["status"] == "void":
        raise invalid("This credit note has already been voided.")
    invoice = account.get("invoice", note["invoice"], "invoice")
    if invoice["status"] != "open":
        raise invalid("You can only void credit notes of open invoices.")
    note |= {"status": "void", "voided_at": account.now()}
    amount = note["pre_payment_amount"]
    with account.changing(invoice, "invoice.updated"):
        invoice["pre_payment_credit_notes_amount"] -= amount
        invoice["amount_due"] += amount
        invoice["amount_remaining"] += amount
    payments.ask_for_less(account, invoice)
    account.emit("credit_note.voided", note)
    return note


def _lines(account: Account, invoice: Obj, params: dict[str, Any]) -> list[Obj]:
    if ("amount" in params) == ("lines" in params):
        raise invalid("One of `amount` or `lines` must be provided.", param="amount")
    if "amount" in params:
        return [new_line(account, {"unit_amount": params["amount"]}, params["amount"])]
    given = enumerate(params["lines"])
    return [new_line(account, line, _amount(invoice, line, place)) for place, line in given]


def _amount(invoice: Obj, line: dict[str, Any], place: int) -> int:
    if line["type"] == "custom_line_item":
        unit = line.get("unit_amount_decimal", Decimal(line.get("unit_amount", 0)))
        exact: Decimal = unit * line.get("quantity", 1)
        return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))
    found = [o for o in invoice["lines"]["data"] if o["id"] == line.get("invoice_line_item")]
    if not found:
        name = f"lines[{place}][invoice_line_item]"
        raise no_such("invoice line item", str(line.get("invoice_line_item")), name)
    whole: int = found[0]["amount"]
    if "quantity" in line:
        return whole * int(line["quantity"]) // int(found[0]["quantity"])
    given: int = line.get("amount", whole)
    return given


def _split(account: Account, invoice: Obj, amount: int, params: dict[str, Any]) -> Split:
    if amount <= 0:
        raise invalid("You must credit the invoice for a positive amount.", param="amount")
    open_part = 0 if invoice["status"] == "paid" else min(amount, invoice["amount_remaining"])
    links = {each["refund"]: each for each in params.get("refunds", [])}
    linked = {name: _linked(account, name, each) for name, each in links.items()}
    parts = Split(
        pre=open_part,
        post=amount - open_part,
        refunded=params.get("refund_amount", 0),
        credited=params.get("credit_amount", 0),
        elsewhere=params.get("out_of_band_amount", 0),
        linked=linked,
    )
    if parts.settled != parts.post:
        message = "The sum of credit amount, refund amount and out of band amount "
        message += f"({parts.settled}) must equal the credit note amount ({parts.post})."
        raise invalid(message)
    _require_creditable(account, invoice, parts)
    return parts


def _linked(account: Account, name: str, link: dict[str, Any]) -> int:
    found = account.get("refund", name, "refunds[0][refund]")
    amount: int = link["amount_refunded"] if "amount_refunded" in link else found["amount"]
    return amount


def _require_creditable(account: Account, invoice: Obj, parts: Split) -> None:
    """Check the creditable amount; refunds reduce it unless linked to a credit note."""
    charge = account.find("charge", account.private.charges.get(invoice["id"], ""))
    notes = account.all("credit_note", invoice=invoice["id"], status="issued")
    of_notes = sum(each["amount_refunded"] for note in notes for each in note["refunds"])
    refunded = charge["amount_refunded"] if charge else 0
    alone = refunded - of_notes - sum(parts.linked.values())
    left = invoice["amount_paid"] - invoice["post_payment_credit_notes_amount"] - alone
    if parts.post > left:
        message = "The credit note amount must be less than or equal to the remaining creditable "
        raise invalid(f"{message}amount ({left}).", param="amount")
    if parts.refunded and charge is None:
        message = "This invoice was not paid via a charge, so a refund cannot be issued."
        raise invalid(message, param="refund_amount")
    if charge is not None and parts.refunded > charge["amount_captured"] - refunded:
        raise invalid("The refund is greater than the unrefunded amount.", param="refund_amount")


def _lower(account: Account, invoice: Obj, split: Split) -> None:
    with account.changing(invoice, "invoice.updated"):
        invoice["pre_payment_credit_notes_amount"] += split.pre
        invoice["post_payment_credit_notes_amount"] += split.post
        invoice["amount_due"] -= split.pre
        invoice["amount_remaining"] -= split.pre
    if invoice["amount_remaining"]:
        payments.ask_for_less(account, invoice)


def _settle(account: Account, note: Obj, split: Split, params: dict[str, Any]) -> None:
    refunds = dict(split.linked)
    if split.refunded:
        charge = account.get("charge", account.private.charges[note["invoice"]], "charge")
        refunds[refund(account, charge, split.refunded, {})["id"]] = split.refunded
    note["refunds"] = [
        {"amount_refunded": amount, "payment_record_refund": None, "refund": name, "type": "refund"}
        for name, amount in refunds.items()
    ]
    if split.credited:
        customer = account.get("customer", note["customer"], "customer")
        currency, cause = note["currency"], {"credit_note": note["id"], "invoice": note["invoice"]}
        moved = move_balance(account, customer, -split.credited, currency, "credit_note", **cause)
        note["customer_balance_transaction"] = moved["id"]


_NOTE = (
    "amount credit_amount effective_at email_type invoice memo metadata lines.amount "
    "lines.description lines.invoice_line_item lines.metadata lines.quantity lines.type "
    "lines.unit_amount lines.unit_amount_decimal refunds.amount_refunded refunds.refund "
    "refunds.type "
)
ROUTES = (
    Route(
        "GET",
        "/v1/credit_notes",
        list_all,
        of.CreditNoteListParams,
        PAGE + "customer invoice",
    ),
    Route("GET", "/v1/credit_notes/{id}", retrieve, of.CreditNoteRetrieveParams),
    Route(
        "POST",
        "/v1/credit_notes/{id}",
        update,
        of.CreditNoteUpdateParams,
        "memo metadata",
    ),
    Route(
        "POST",
        "/v1/credit_notes/{id}/void",
        void,
        of.CreditNoteVoidCreditNoteParams,
    ),
    Route(
        "GET",
        "/v1/credit_notes/{id}/lines",
        list_lines,
        of.CreditNoteLineItemListParams,
        PAGE,
    ),
    Route(
        "POST",
        "/v1/credit_notes",
        create,
        of.CreditNoteCreateParams,
        _NOTE + "out_of_band_amount reason refund_amount",
    ),
)
