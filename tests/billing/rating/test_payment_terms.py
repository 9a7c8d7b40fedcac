"""The payment terms of a plan file, and that plans without them keep their version id."""

import pytest

from billing.rating.payment_terms import (
    DunningPolicy,
    InstalmentTerms,
    LateFeeTerms,
    PaymentTerms,
    parse_dunning,
    parse_payment_terms,
)
from billing.rating.plan_file import parse_plan_file
from billing.rating.terms import PlanTerms, TermsInvalid, parse_terms

pytestmark = pytest.mark.unit
PLAIN = """
plan = "later"
names = { en = "Pay later", zh = "先用后付" }
currency = "CNY"

[[price]]
model = "vib"
meter = "rows"
price = "0.001"
"""
PAYMENT = """
[payment]
credit_policy = "standard"

[payment.dunning]
reminder_days = [3, 7]
suspend_day = 20
write_off_day = 90

[payment.late_fee]
monthly_percent = "1.5"
grace_days = 5
cap = "100.00"

[payment.instalments]
parts = 3
days_between = 10
"""


def read(text: str) -> PlanTerms:
    return parse_plan_file(text, lambda _currency: {})


def test_plan_file_gives_the_payment_terms() -> None:
    terms = read(PLAIN + PAYMENT)
    assert terms.payment == PaymentTerms(
        credit_policy="standard",
        dunning=DunningPolicy((3, 7), 20, 90),
        late_fee=LateFeeTerms(monthly_ppm=15_000, grace_days=5, cap=100_00),
        instalments=InstalmentTerms(3, 10),
    )
    assert parse_terms(terms.canonical_json()) == terms
    assert parse_payment_terms(terms.payment.to_json()) == terms.payment
    assert parse_dunning({"reminders": [1], "suspend": 2}) == DunningPolicy((1,), 2)


def test_plan_without_payment_terms_keeps_its_json() -> None:
    terms = read(PLAIN)
    assert terms.payment is None
    assert b"payment" not in terms.canonical_json()
    assert parse_terms(terms.canonical_json()) == terms
    fixed = read(PLAIN + '[payment.late_fee]\nfixed = "20.00"\n').payment
    assert fixed == PaymentTerms(late_fee=LateFeeTerms(fixed=20_00))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[3, 7]", "[7, 3]", "dunning days must rise"),
        ("[3, 7]", "[-1, 7]", "dunning days must rise"),
        ("suspend_day = 20", "suspend_day = 7", "dunning days must rise"),
        ("write_off_day = 90", "write_off_day = 731", "0 to 730"),
        ('"1.5"', '"0"', "either a monthly rate or a fixed amount"),
        ('"1.5"', '"10.1"', "at most 10 % a month"),
        ('"1.5"', '"-1"', "an amount must be"),
        ("grace_days = 5", "grace_days = -1", "days of grace"),
        ('cap = "100.00"', 'cap = "0"', "cap of a late fee"),
        ("parts = 3", "parts = 1", "2 to 24 instalments"),
        ('"standard"', '"no name"', "the name of a policy"),
        ("parts = 3", "part = 3", "is not known"),
    ],
)
def test_invalid_payment_terms_raise_terms_invalid(old: str, new: str, message: str) -> None:
    with pytest.raises(TermsInvalid, match=message):
        read((PLAIN + PAYMENT).replace(old, new))
