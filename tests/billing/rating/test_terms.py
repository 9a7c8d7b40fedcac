"""Plan terms: canonical JSON, version id, validation and lookup."""

import re
from dataclasses import fields, replace
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rating.payment_terms import PaymentTerms
from billing.rating.price_kinds.graduated import Graduated
from billing.rating.price_kinds.package import Package
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.price_kinds.price import Price
from billing.rating.price_kinds.tiers import Tier
from billing.rating.price_kinds.volume import Volume
from billing.rating.terms import (
    ANY_MODEL,
    PPM,
    AddOn,
    Alignment,
    Allowance,
    Discount,
    Interval,
    ModelPrice,
    PlanTerms,
    TermsInvalid,
    parse_terms,
)
from tests.support.billing.random_terms import any_terms

TERMS = PlanTerms(
    plan="team",
    names={"en": "Team", "zh": "团队"},
    currency="CNY",
    prices=(
        ModelPrice("chat", "input_tokens", PerUnit(500)),
        ModelPrice("chat", "output_tokens", Graduated((Tier(10, 2000), Tier(None, 1000, 5)))),
        ModelPrice("forecast", "rows", Package(1000, 7)),
    ),
    allowances=(Allowance("chat", "input_tokens", 1000), Allowance(ANY_MODEL, "rows", 5)),
    discounts=(Discount(ANY_MODEL, 100_000),),
    fixed_fee=9900,
    interval=Interval.YEAR,
    alignment=Alignment.ANNIVERSARY,
    trial_days=14,
    minimum=5000,
    spend_cap=10**12,
    tax_inclusive=True,
)
CHANGES: dict[str, Any] = {
    "plan": "other",
    "names": {"en": "Team", "zh": "组"},
    "currency": "USD",
    "prices": TERMS.prices[::-1],  # the order of the invoice's lines
    "allowances": (Allowance("chat", "input_tokens", 1001), Allowance(ANY_MODEL, "rows", 5)),
    "discounts": (Discount("chat", 100_000),),
    "fixed_fee": 9901,
    "interval": Interval.MONTH,
    "alignment": Alignment.CALENDAR,
    "trial_days": 15,
    "minimum": 5001,
    "spend_cap": None,
    "tax_inclusive": False,
    "payment": PaymentTerms(credit_policy="standard"),
    "add_ons": (AddOn("seat", {"en": "Seat", "zh": "席位"}, 100, 5),),
}
WRONG: list[tuple[str, Any]] = [
    ("plan", ""),
    ("plan", "two words"),
    ("plan", "a" * 61),
    ("names", {"en": "Team"}),
    ("names", {"zh": "团队"}),
    ("fixed_fee", -1),
    ("fixed_fee", 10**13 + 1),
    ("minimum", -1),
    ("minimum", 10**13 + 1),
    ("trial_days", -1),
    ("trial_days", 731),
    ("spend_cap", -1),
    ("spend_cap", 10**18 + 1),
    ("currency", "yuan"),
    ("currency", "cny"),
    ("prices", (*TERMS.prices, ModelPrice("chat", "input_tokens", PerUnit(1)))),
    ("prices", (*TERMS.prices, ModelPrice(ANY_MODEL, "rows", PerUnit(1)))),
    ("prices", (*TERMS.prices, ModelPrice("chat", "requests", PerUnit(1)))),
    ("allowances", TERMS.allowances * 2),
    ("allowances", (Allowance("chat", "rows", 1),)),
    ("allowances", (Allowance("unknown", "input_tokens", 1),)),
    ("allowances", (Allowance(ANY_MODEL, "cached_input_tokens", 1),)),
    ("allowances", (Allowance("chat", "input_tokens", 0),)),
    ("allowances", (Allowance("chat", "input_tokens", 10**15 + 1),)),
    ("discounts", TERMS.discounts * 2),
    ("discounts", (Discount("unknown", 1),)),
    ("discounts", (Discount("chat", 0),)),
    ("discounts", (Discount("chat", PPM + 1),)),
]


class TestCanonicalJson:
    def test_all_fields_are_written_in_sorted_order(self) -> None:
        terms = PlanTerms("free", {"zh": "免费", "en": "Free"}, "JPY", ())
        assert terms.canonical_json().decode() == (
            '{"alignment":"calendar","allowances":[],"currency":"JPY","discounts":[],'
            '"fixed_fee":0,"interval":"month","minimum":0,"names":{"en":"Free","zh":"免费"},'
            '"plan":"free","prices":[],"spend_cap":null,"tax_inclusive":false,"trial_days":0}'
        )

    @pytest.mark.parametrize(
        ("price", "said"),
        [
            (PerUnit(7), {"kind": "per_unit", "unit": 7}),
            (Package(10, 25), {"kind": "package", "size": 10, "amount": 25}),
            (
                Graduated((Tier(10, 5), Tier(None, 3, 100))),
                {
                    "kind": "graduated",
                    "tiers": [
                        {"up_to": 10, "unit": 5, "flat": 0},
                        {"up_to": None, "unit": 3, "flat": 100},
                    ],
                },
            ),
            (
                Volume((Tier(None, 5),)),
                {"kind": "volume", "tiers": [{"up_to": None, "unit": 5, "flat": 0}]},
            ),
        ],
    )
    def test_worked_examples_of_price_json(self, price: Price, said: dict[str, Any]) -> None:
        assert price.to_json() == said

    @given(any_terms())
    def test_parsed_json_equals_the_original_terms(self, terms: PlanTerms) -> None:
        read = parse_terms(terms.canonical_json())
        assert read == terms
        assert read.canonical_json() == terms.canonical_json()
        assert read.version_id() == terms.version_id()

    def test_invalid_value_in_json_is_rejected(self) -> None:
        said = {**msgspec.json.decode(TERMS.canonical_json()), "currency": "yuan"}
        with pytest.raises(TermsInvalid, match="currency"):
            parse_terms(msgspec.json.encode(said))


class TestVersionId:
    def test_version_id_of_fixed_terms_is_stable(self) -> None:
        """Stored plan versions and usage rows refer to this id.

        It is the first half of the `sha256sum` of the canonical JSON.
        """
        assert TERMS.version_id() == UUID("c741b1fe-493c-abb0-faa5-6962aaf4a0a7")

    def test_equal_terms_have_the_same_version_id(self) -> None:
        names = dict(reversed(TERMS.names.items()))
        assert replace(TERMS, names=names).version_id() == TERMS.version_id()

    @pytest.mark.parametrize("field", CHANGES)
    def test_any_changed_field_changes_the_version_id(self, field: str) -> None:
        assert replace(TERMS, **{field: CHANGES[field]}).version_id() != TERMS.version_id()

    def test_change_examples_cover_every_field(self) -> None:
        assert list(CHANGES) == [one.name for one in fields(PlanTerms) if one.init]

    @given(st.integers(0, 10**15))
    def test_price_kinds_with_equal_figures_have_different_version_ids(self, nano: int) -> None:
        """One price of each kind, all with the same figures."""
        prices: list[Price] = [
            PerUnit(nano),
            Package(1, nano),
            Graduated((Tier(None, nano),)),
            Volume((Tier(None, nano),)),
        ]
        versions = {
            replace(
                TERMS, prices=(ModelPrice("m", "rows", price),), allowances=(), discounts=()
            ).version_id()
            for price in prices
        }
        assert len(versions) == 4


LISTS = ("prices", "allowances", "discounts")


class TestTermsValidation:
    @pytest.mark.parametrize(("field", "value"), WRONG)
    def test_invalid_value_is_rejected_with_its_field(self, field: str, value: Any) -> None:
        with pytest.raises(TermsInvalid) as caught:
            replace(TERMS, **{field: value})
        # An entry of a list is named by its table in the plan file and its position.
        named = re.sub(r"\[\d+\]$", "", caught.value.param or "")
        assert named == (field.removesuffix("s") if field in LISTS else field)
        assert caught.value.message.startswith(f"{caught.value.param}: ")
        assert (caught.value.status, caught.value.code) == (400, "plan_terms_invalid")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("plan", "a" * 60),
            ("fixed_fee", 10**13),
            ("minimum", 10**13),
            ("trial_days", 730),
            ("spend_cap", 10**18),
            ("spend_cap", 0),
            ("names", {"en": "", "zh": "", "fr": ""}),
            ("allowances", (Allowance("chat", "input_tokens", 10**15),)),
            ("discounts", (Discount("chat", PPM), Discount(ANY_MODEL, 1))),
        ],
    )
    def test_value_at_the_limit_is_accepted(self, field: str, value: Any) -> None:
        assert getattr(replace(TERMS, **{field: value}), field) == value


class TestTermsLookup:
    def test_price_of_unpriced_model_or_meter_is_none(self) -> None:
        assert TERMS.price("chat", "input_tokens") == PerUnit(500)
        assert TERMS.price("chat", "rows") is None
        assert TERMS.price("unknown", "rows") is None

    def test_has_model_is_true_only_for_priced_models(self) -> None:
        assert TERMS.has_model("forecast")
        assert not TERMS.has_model("unknown")
        assert not TERMS.has_model(ANY_MODEL)


def test_required_add_on_is_returned_or_refused_by_name() -> None:
    seat = AddOn("seat", {"en": "Seat", "zh": "席位"}, 100, 5)
    terms = replace(TERMS, add_ons=(seat,))
    assert terms.require_add_on("seat") == seat
    with pytest.raises(TermsInvalid, match="no add-on 'desk'"):
        terms.require_add_on("desk")
