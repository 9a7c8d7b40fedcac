"""Differences of two versions of a plan's terms."""

from typing import Any

import pytest

from billing.plan_changes.terms_comparison import TermsDifference, compare_terms
from billing.rating.plan_file import parse_plan_file
from billing.rating.terms import PlanTerms

PLAN = """
plan = "own"
names = { en = "Own", zh = "自用版" }
currency = "CNY"
fixed_fee = "310.00"

[[price]]
model = "vib"
meter = "rows"
price = "0.001"

[[allowance]]
model = "vib"
meter = "rows"
quantity = 1_000

[[discount]]
model = "vib"
percent = "10"
"""


def terms(*changes: tuple[str, str]) -> PlanTerms:
    text = PLAN
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return parse_plan_file(text, lambda currency: [])


def test_equal_terms_have_no_difference() -> None:
    assert compare_terms(terms(), terms()) == []


@pytest.mark.parametrize(
    ("change", "field", "before", "after"),
    [
        (('"310.00"', '"341.00"'), "fixed_fee", 310_00, 341_00),
        (("fixed_fee", 'minimum = "5.00"\nfixed_fee'), "minimum", 0, 5_00),
        (("fixed_fee", 'spend_cap = "9"\nfixed_fee'), "spend_cap", None, 9 * 10**9),
        (("fixed_fee", "trial_days = 7\nfixed_fee"), "trial_days", 0, 7),
        (('en = "Own"', 'en = "Ours"'), "names", {"en": "Own", "zh": "自用版"}, None),
    ],
)
def test_single_field_is_named_with_both_values(
    change: tuple[str, str], field: str, before: Any, after: Any
) -> None:
    if field == "names":
        after = {"en": "Ours", "zh": "自用版"}
    assert compare_terms(terms(), terms(change)) == [TermsDifference(field, before, after)]


def test_price_allowance_and_discount_are_named_by_model_and_meter() -> None:
    dearer = terms(('"0.001"', '"0.002"'), ("1_000", "2_000"), ('"10"', '"12.5"'))
    price, allowance, discount = compare_terms(terms(), dearer)
    assert (price.field, price.model, price.meter) == ("price", "vib", "rows")
    assert price.before == terms().price("vib", "rows")
    assert price.after == dearer.price("vib", "rows")
    assert allowance == TermsDifference("allowance", 1_000, 2_000, "vib", "rows")
    assert discount == TermsDifference("discount", 100_000, 125_000, "vib")


def test_added_and_removed_entries_have_no_other_value() -> None:
    without = terms((PLAN[PLAN.index("[[allowance]]") :], ""))
    removed = compare_terms(terms(), without)
    assert [(one.field, one.after) for one in removed] == [("allowance", None), ("discount", None)]
    added = compare_terms(without, terms())
    assert [(one.field, one.before) for one in added] == [("allowance", None), ("discount", None)]
