"""What a line says: in both languages, whoever attested."""

from dataclasses import replace

import pytest

from billing.outcomes.contracts.effect_definitions import VariableTerms
from billing.outcomes.contracts.pricing import FLOOR, SILENCE, AttesterPart
from billing.outcomes.contracts.terms import AttesterKind, SavingsShare
from billing.outcomes.settlement.wording import charge_descriptions, price_text
from billing.rating.price_kinds.per_unit import PerUnit
from tests.billing.outcomes.outcome_terms import SAVING, terms


@pytest.mark.parametrize("by", [*AttesterKind, SILENCE, FLOOR])
def test_each_attester_has_words(by: str) -> None:
    words = charge_descriptions(terms(), AttesterPart(by, 1_000_000, 1))
    assert words["en"].startswith("Early warning: ")
    assert words["zh"].startswith("故障预警：")


def test_a_saving_names_its_unit() -> None:
    words = charge_descriptions(terms(SavingsShare(1, 1)), AttesterPart("sign_off", 1, 1))
    assert words["en"] == "Early warning: verified saving in kg, signed off by the customer"
    assert words["zh"] == "故障预警：经核实的节约量（kg），由客户签字确认"


@pytest.mark.parametrize(
    ("unit", "of", "saved"), [("kWh/pcs", "pcs", "kWh"), ("1", "pcs", "pcs"), ("%/t", "t", "%")]
)
def test_of_a_rate_it_is_what_that_is_a_rate_of(unit: str, of: str, saved: str) -> None:
    """Energy per part saves energy, a share of parts saves parts."""
    kind = replace(SAVING, unit=unit, variables=(VariableTerms("made", of),), per="made")
    words = charge_descriptions(
        terms(SavingsShare(1, 1), kind=kind), AttesterPart("sign_off", 1, 1)
    )
    assert words["en"] == f"Early warning: verified saving in {saved}, signed off by the customer"


def test_what_one_costs_as_a_price_list_says_it() -> None:
    assert price_text(terms(SavingsShare(1, 1)), "en") == ""
    assert price_text(terms(PerUnit(1_800 * 10**9)), "en") == "CN¥1,800.00 per outcome"
