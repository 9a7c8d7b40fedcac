"""Invoice line descriptions of outcome charges in English and Chinese."""

from dataclasses import replace

import pytest

from billing.outcomes.contracts.effect_definitions import VariableTerms
from billing.outcomes.contracts.pricing import FLOOR, SILENCE, AttesterPart
from billing.outcomes.contracts.terms import AttesterKind, SavingsShare
from billing.outcomes.settlement.wording import charge_descriptions, price_text
from billing.rating.price_kinds.per_unit import PerUnit
from tests.billing.outcomes.outcome_terms import SAVING, terms


@pytest.mark.parametrize("by", [*AttesterKind, SILENCE, FLOOR])
def test_charge_of_each_attester_kind_has_a_description(by: str) -> None:
    words = charge_descriptions(terms(), AttesterPart(by, 1_000_000, 1))
    assert words["en"].startswith("Early warning: ")
    assert words["zh"].startswith("故障预警：")


def test_saving_charge_names_its_unit() -> None:
    words = charge_descriptions(terms(SavingsShare(1, 1)), AttesterPart("sign_off", 1, 1))
    assert words["en"] == "Early warning: verified saving in kg, signed off by the customer"
    assert words["zh"] == "故障预警：经核实的节约量（kg），由客户签字确认"


@pytest.mark.parametrize(
    ("unit", "of", "saved"), [("kWh/pcs", "pcs", "kWh"), ("1", "pcs", "pcs"), ("%/t", "t", "%")]
)
def test_saving_charge_of_a_rate_names_the_unit_saved(unit: str, of: str, saved: str) -> None:
    """Lower energy per part saves energy, a lower share of parts saves parts."""
    kind = replace(SAVING, unit=unit, variables=(VariableTerms("made", of),), per="made")
    words = charge_descriptions(
        terms(SavingsShare(1, 1), kind=kind), AttesterPart("sign_off", 1, 1)
    )
    assert words["en"] == f"Early warning: verified saving in {saved}, signed off by the customer"


def test_price_text_states_a_unit_price_and_omits_a_savings_share() -> None:
    assert price_text(terms(SavingsShare(1, 1)), "en") == ""
    assert price_text(terms(PerUnit(1_800 * 10**9)), "en") == "CN¥1,800.00 per outcome"
