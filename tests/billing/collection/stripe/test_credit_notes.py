"""Stripe's share of a credit note and of a payment that Stripe did not receive."""

from typing import Any

import pytest

from billing.collection.collector import CreditRequest, ExternalInvoice, PartPayment
from billing.collection.stripe.credit_notes import map_credit_note, map_part_payment
from billing.collection.stripe.values import StripeCreditNoteRequest

NOTE = "00000007"


def note(total: int, to_wallet: int = 0, refunded: int = 0) -> CreditRequest:
    return CreditRequest(NOTE, total, to_wallet, refunded, "a dispute")


def there(status: str, **amounts: Any) -> ExternalInvoice:
    given = {
        "total": 3000,
        "due": 3000,
        "remaining": 0,
        "paid": 0,
        "credited_after_payment": 0,
        **amounts,
    }
    return ExternalInvoice(
        "in_1", status, currency="CNY", our_invoice_id=None, customer="cus_1", **given
    )


class TestCreditNoteShare:
    """(credit note, invoice at Stripe, refundable) -> (total, refund, paid out elsewhere)."""

    @pytest.mark.parametrize(
        ("credit", "invoice", "refundable", "told"),
        [
            # Open: the credit reduces the amount due.
            (note(1000), there("open", remaining=3000), 0, (1000, 0, 0)),
            # 5.00 of 30.00 were paid by the wallet and return to it without Stripe.
            (note(3000, to_wallet=500), there("open", remaining=2500), 0, (2500, 0, 0)),
            # Paid by card: refund to the card or credit to the wallet.
            (note(1000, refunded=1000), there("paid", paid=3000), 3000, (1000, 1000, 0)),
            (note(1000, to_wallet=1000), there("paid", paid=3000), 3000, (1000, 0, 1000)),
            # Paid by card: part to the card, part to the wallet.
            (note(900, 400, 500), there("paid", paid=3000), 3000, (900, 500, 400)),
            # Paid by bank: the operator refunds it by bank.
            (note(1000, refunded=1000), there("paid", paid=3000), 0, (1000, 0, 1000)),
            # 10.00 paid by wallet, 20.00 by card: Stripe's share of 25.00 is 20.00.
            (note(2500, 500, 2000), there("paid", paid=2000), 2000, (2000, 2000, 0)),
            # 18.00 of 20.00 were credited before.
            (
                note(1000, refunded=1000),
                there("paid", paid=2000, credited_after_payment=1800),
                200,
                (200, 200, 0),
            ),
            # The whole invoice was credited before.
            (note(500, 500), there("paid", paid=2000, credited_after_payment=2000), 0, (0, 0, 0)),
            # Paid by bank, not yet recorded at Stripe: the credit must not reduce the amount due.
            (note(500, 500), there("open", remaining=3000), 0, (0, 0, 0)),
            # Void at Stripe: no share.
            (note(1000), there("void"), 0, (0, 0, 0)),
        ],
    )
    def test_stripe_share_depends_on_invoice_state_and_payments(
        self,
        credit: CreditRequest,
        invoice: ExternalInvoice,
        refundable: int,
        told: tuple[int, int, int],
    ) -> None:
        share = map_credit_note(credit, invoice, refundable)
        assert share == StripeCreditNoteRequest(NOTE, *told, memo="a dispute")


@pytest.mark.parametrize(("remaining", "credited"), [(3000, 1200), (500, 500)])
def test_part_payment_is_credited_up_to_open_amount(remaining: int, credited: int) -> None:
    payment = PartPayment("payment:1", 1200)
    request = map_part_payment(payment, there("open", remaining=remaining))
    assert request == StripeCreditNoteRequest("payment:1", credited, 0, 0, "Paid by another way")
