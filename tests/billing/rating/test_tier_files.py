"""Service tiers in plan files: percentages, explicit prices, and rejected values."""

from fractions import Fraction

import pytest

from billing.rating.plan_file import parse_plan_file
from billing.rating.price_kinds.graduated import Graduated
from billing.rating.price_kinds.package import Package
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.price_kinds.tiers import Tier
from billing.rating.price_kinds.volume import Volume
from billing.rating.quantities import Quantities
from billing.rating.statement import ModelUsage, usage_lines
from billing.rating.terms import PlanTerms, TermsInvalid, parse_terms

BASE = """
plan = "tiers"
names = { en = "Tiers", zh = "分级" }
currency = "CNY"
[[price]]
model = "chat"
meter = "input_tokens"
price = "0.000000002"
[[price]]
model = "chat"
meter = "output_tokens"
kind = "graduated"
tiers = [{ up_to = 10, price = "0.000000004", flat = "1" }, { price = "0.000000002" }]
[[price]]
model = "pack"
meter = "output_tokens"
kind = "package"
size = 10
price = "0.02"
[[price]]
model = "many"
meter = "output_tokens"
kind = "volume"
tiers = [{ up_to = 10, price = "0.000000004" }, { price = "0.000000002" }]
[[price]]
model = "rows"
meter = "rows"
price = "0.1"
"""


def read(more: str) -> PlanTerms:
    return parse_plan_file(BASE + more, lambda _currency: {})


def test_service_tier_percentage_scales_all_prices_of_text_models() -> None:
    terms = read('[[tier]]\nname = "priority"\npercent = 150\n')
    assert terms.price("chat@priority", "input_tokens") == PerUnit(3)
    assert terms.price("chat@priority", "output_tokens") == Graduated(
        (Tier(10, 6, 1_500_000_000), Tier(None, 3))
    )
    assert terms.price("pack@priority", "output_tokens") == Package(10, 30_000_000)
    assert terms.price("many@priority", "output_tokens") == Volume((Tier(10, 6), Tier(None, 3)))
    assert not terms.has_model("rows@priority")
    assert parse_terms(terms.canonical_json()) == terms


@pytest.mark.parametrize(
    ("more", "is_listed"),
    [
        ("", True),
        ('[[tier]]\nname = "batch"\npercent = 80\nmodels = ["listed"]\n', False),
        ('[[price]]\nmodel = "listed"\nmeter = "output_tokens"\nprice = "1"\n', False),
    ],
)
def test_listed_batch_price_is_taken_unless_the_plan_states_its_own(
    more: str, is_listed: bool
) -> None:
    listed = {"listed": {"output_tokens": 10}, "listed@batch": {"output_tokens": 5}}
    text = BASE.replace('currency = "CNY"', 'currency = "CNY"\nlist_prices = true', 1) + more
    terms = parse_plan_file(text, lambda _currency: listed)
    has_listed = terms.has_model("listed@batch") and terms.price(
        "listed@batch", "output_tokens"
    ) == PerUnit(5)
    assert has_listed is is_listed


def test_explicit_service_tier_price_takes_precedence_over_percentage() -> None:
    own = '[[price]]\nmodel = "chat"\ntier = "flex"\nmeter = "input_tokens"\nprice = "1"\n'
    terms = read(own + '[[tier]]\nname = "flex"\npercent = 50\nmodels = ["chat"]\n')
    assert terms.price("chat@flex", "input_tokens") == PerUnit(10**9)
    assert not terms.has_model("pack@flex")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            '[[tier]]\nname = "priority"\npercent = 125\n',
            "125 % of 2 nano-units of chat input_tokens is not a whole",
        ),
        ('[[tier]]\nname = "fast"\npercent = 150\n', "the name must be one of priority, flex"),
        ('[[tier]]\nname = "flex"\npercent = 0\n', "percent must be 1 to 1000"),
        ('[[tier]]\nname = "flex"\npercent = 50\nmodels = ["rows"]\n', "no price for output"),
        ('[[tier]]\nname = "flex"\npercent = 50\n' * 2, "occurs twice"),
        (
            '[[price]]\nmodel = "new"\ntier = "flex"\nmeter = "input_tokens"\nprice = "1"\n',
            "new has no price for the default tier",
        ),
    ],
)
def test_invalid_service_tier_is_rejected(more: str, message: str) -> None:
    with pytest.raises(TermsInvalid, match=message):
        read(more)


def test_service_tier_usage_has_own_lines_and_no_general_allowance() -> None:
    more = '[[tier]]\nname = "priority"\npercent = 150\n[[allowance]]\nmeter = "input_tokens"\n'
    terms = read(more + "quantity = 1_000_000_000\n")
    used = Quantities(input_tokens=10**9)
    lines = usage_lines(
        terms, Fraction(1), [ModelUsage("chat", used), ModelUsage("chat@priority", used)]
    )
    assert [(line.model, line.included, line.minor) for line in lines] == [
        ("chat", 10**9, 0),
        ("chat@priority", 0, 300),
    ]
