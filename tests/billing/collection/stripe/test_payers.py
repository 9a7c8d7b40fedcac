"""Fingerprints of cards and Alipay in Stripe's objects."""

import pytest

from billing.collection.stripe.payers import charge_payer, intent_payer, method_payer

CARD = {"type": "card", "card": {"fingerprint": "f1"}}


@pytest.mark.parametrize(
    ("intent", "payer"),
    [
        ({"latest_charge": {"payment_method_details": CARD}}, "f1"),
        (
            {"latest_charge": {"payment_method_details": {"type": "wechat_pay", "wechat_pay": {}}}},
            "",
        ),
        ({"latest_charge": {"payment_method_details": {"type": "alipay"}}}, ""),
        ({"latest_charge": {"payment_method_details": None}}, ""),
        ({"latest_charge": "ch_1"}, ""),
        ("pi_1", ""),
        (None, ""),
    ],
)
def test_payer_is_the_fingerprint_of_the_expanded_charge(intent: object, payer: str) -> None:
    assert intent_payer(intent) == payer


def test_stored_method_has_its_own_fingerprint() -> None:
    assert method_payer(CARD) == "f1"
    assert (method_payer("pm_1"), charge_payer("ch_1")) == ("", "")
