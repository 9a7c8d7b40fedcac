"""The shape of a credit note, and the split of its amount.

The rules are in `credit_notes`.
"""

from dataclasses import dataclass
from typing import Any

from tests.support.fakes.stripe.account import Account, Obj, listed
from tests.support.fakes.stripe.calls import merged


@dataclass(frozen=True)
class Split:
    """The part that reduces the open amount, and the parts that return paid amounts."""

    pre: int
    post: int
    refunded: int
    credited: int
    elsewhere: int
    linked: dict[str, int]  # by refund

    @property
    def settled(self) -> int:
        return self.refunded + self.credited + self.elsewhere + sum(self.linked.values())

    @property
    def kind(self) -> str:
        if self.pre and self.post:
            return "mixed"
        return "pre_payment" if self.pre else "post_payment"


def new_line(account: Account, given: dict[str, Any], amount: int) -> Obj:
    line = {
        "id": account.new_id("cnli_"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": given.get("description"),
        "discount_amount": 0,
        "discount_amounts": [],
        "livemode": False,
        "metadata": merged({}, given.get("metadata")),
        "pretax_credit_amounts": [],
        "quantity": given.get("quantity"),
        "tax_rates": [],
        "taxes": [],
        "type": given.get("type", "custom_line_item"),
        "unit_amount": given.get("unit_amount"),
        "unit_amount_decimal": None,
    }
    if "unit_amount" in given or "unit_amount_decimal" in given:
        unit = given.get("unit_amount_decimal", given.get("unit_amount"))
        line["unit_amount_decimal"] = str(unit)
    if "invoice_line_item" in given:
        line["invoice_line_item"] = given["invoice_line_item"]
    return line


def new_note(
    account: Account, invoice: Obj, lines: list[Obj], split: Split, params: dict[str, Any]
) -> Obj:
    """A credit note that is not stored or settled yet."""
    identifier, total = account.new_id("cn_"), split.pre + split.post
    earlier = len(account.all("credit_note", invoice=invoice["id"]))
    amounts = ("amount", "subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax")
    return {
        "id": identifier,
        "object": "credit_note",
        **dict.fromkeys(amounts, total),
        "amount_shipping": 0,
        "created": account.now(),
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_account": None,
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": params.get("effective_at", account.now()),
        "invoice": invoice["id"],
        "lines": listed(lines, f"/v1/credit_notes/{identifier}/lines"),
        "livemode": False,
        "memo": params.get("memo"),
        "metadata": merged({}, params.get("metadata")),
        "number": f"{invoice['number']}-CN-{earlier + 1:02}",
        "out_of_band_amount": split.elsewhere or None,
        "pdf": f"https://pay.stripe.com/credit_notes/acct_1/test_{identifier}/pdf",
        "post_payment_amount": split.post,
        "pre_payment_amount": split.pre,
        "pretax_credit_amounts": [],
        "reason": params.get("reason"),
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "total_taxes": [],
        "type": split.kind,
        "voided_at": None,
    }
