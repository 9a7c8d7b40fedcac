"""Outcome terms: canonical text, version id and validation."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing.dates import TimeZoneUnknown
from billing.outcomes.contracts.effect_definitions import (
    BaselinePeriodTerms,
    DailyAggregation,
    MachineGroupTerms,
    SwitchbackTerms,
    VariableForm,
    VariableTerms,
)
from billing.outcomes.contracts.nonroutine import (
    AdjustmentTerms,
    ExclusionTerms,
    MeterReplacementTerms,
)
from billing.outcomes.contracts.supporting_calls import AttributionRules
from billing.outcomes.contracts.terms import (
    AttesterKind,
    BaselineGateTerms,
    ContractDeadlines,
    EventEffect,
    ImprovementDirection,
    MeasuredEffect,
    MeasurementDesign,
    OutcomeTerms,
    OutcomeTermsInvalid,
    SavingsShare,
    count_settlements,
    parse_outcome_terms,
)
from billing.rating.price_kinds.graduated import Graduated
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.price_kinds.tiers import Tier
from billing.rating.terms import Allowance

START = datetime(2027, 1, 1, tzinfo=UTC)
SILENCE = "Who says nothing within ten days agrees."
EVENT = OutcomeTerms(
    tag="pumps",
    names={"en": "Pumps", "zh": "水泵"},
    currency="CNY",
    effect="A failure that was foreseen.",
    meter="Work orders",
    kind=EventEffect(lead_hours=24, window_hours=336, apart_hours=720),
    price=PerUnit(1_800 * 10**9),
    attesters=(AttesterKind.CUSTOMER_SYSTEM, AttesterKind.SIGN_OFF),
    deadlines=ContractDeadlines(dispute_days=14, answer_days=10, reversal_days=30),
    starts_at=START,
    ends_at=None,
)
GATES = BaselineGateTerms(cv_rmse_ppm=250_000, nmbe_ppm=100_000, missing_ppm=100_000, days=90)
PARTS = VariableTerms("parts", "pcs")
KIND = MeasuredEffect(
    "kWh", ImprovementDirection.LESS, MeasurementDesign.BASELINE, (PARTS,), 900_000, GATES, looks=13
)
END = START + timedelta(days=365)
MEASURE = replace(
    EVENT, tag="energy", kind=KIND, price=SavingsShare(300_000, 680_000_000), ends_at=END
)
BEFORE = BaselinePeriodTerms(date(2026, 1, 1), date(2026, 12, 1))
MACHINES = MachineGroupTerms(("M1", "M2"), ("M3",))
DEGREES = VariableTerms("outdoor", "degC", DailyAggregation.MEAN, VariableForm.DEGREES)
APART = replace(
    KIND,
    unit="kWh/pcs",
    design=MeasurementDesign.HOLDOUT,
    variables=(PARTS, DEGREES),
    combine=DailyAggregation.MEAN,
    every_minutes=15,
    per="parts",
    looks=13,
    before=BEFORE,
    machines=MACHINES,
)
TURNS = replace(KIND, design=MeasurementDesign.SWITCHBACK, turns=SwitchbackTerms(7, 1))
SPAN = (date(2027, 5, 1), date(2027, 5, 8))
SWAP = MeterReplacementTerms(
    datetime(2027, 6, 1, tzinfo=UTC), "4711", "4712", 1_020_000_000, "burnt out"
)
ROUTINES = replace(
    KIND,
    adjustments=(AdjustmentTerms(SPAN[0], 120 * 10**9, "a second compressor", less=True),),
    excluded=(ExclusionTerms(*SPAN, "the plant was shut"),),
    swaps=(SWAP,),
)
WHOLE = replace(
    EVENT,
    price=Graduated((Tier(100, 6 * 10**9), Tier(None, 4 * 10**9, 5))),
    attesters=tuple(AttesterKind),
    deadlines=ContractDeadlines(1, 730, 0, 10, SILENCE),
    ends_at=END,
    covered=(Allowance("vib", "rows", 10), Allowance("llm", "input_tokens", 5)),
    lower_of_usage=True,
    cap=100,
    floor=100,
    subject_tag="ticket",
    time_zone="Europe/Berlin",
)

NAMED = replace(EVENT, attribution=AttributionRules(("vib",), ("predictions", "infer")))


class TestCanonicalTerms:
    @pytest.mark.parametrize(
        "terms",
        [
            EVENT,
            MEASURE,
            WHOLE,
            NAMED,
            *(replace(MEASURE, kind=one) for one in (APART, TURNS, ROUTINES)),
        ],
    )
    def test_canonical_json_parses_to_the_same_terms(self, terms: OutcomeTerms) -> None:
        again = parse_outcome_terms(terms.canonical_json())
        assert (again, again.canonical_json()) == (terms, terms.canonical_json())
        assert again.version_id() == terms.version_id()

    def test_version_ids_match_recorded_values(self) -> None:
        """The hash of an agreed contract must never change."""
        ids = [terms.version_id().hex for terms in (EVENT, MEASURE, WHOLE)]
        assert ids == [
            "73d3a9ddd2ec86688e7fbd43cf772cc4",
            "aceefc5d4a56744e2aacc675a5c5c931",
            "007df098a857562ae90bc7169e00fa6c",
        ]

    def test_start_in_another_time_zone_gives_the_same_id(self) -> None:
        local = START.astimezone(ZoneInfo("Asia/Shanghai"))
        assert replace(EVENT, starts_at=local).version_id() == EVENT.version_id()

    def test_different_terms_have_different_ids(self) -> None:
        others = [replace(EVENT, meter="Others"), replace(EVENT, floor=1), MEASURE, WHOLE, NAMED]
        assert len({one.version_id() for one in (EVENT, *others)}) == 6

    def test_attribution_is_in_the_text_only_if_declared(self) -> None:
        """Contracts from before the field existed keep their text and hash."""
        assert b"attribution" not in EVENT.canonical_json()
        assert b'"attribution":{"models":["vib"],"operations":["predictions","infer"]}' in (
            NAMED.canonical_json()
        )


def deadlines(**values: Any) -> dict[str, Any]:
    return {"deadlines": replace(EVENT.deadlines, **values)}


def measure(**values: Any) -> dict[str, Any]:
    return {"kind": replace(KIND, **values), "price": MEASURE.price, "ends_at": END}


def gates(**values: Any) -> dict[str, Any]:
    return measure(gates=replace(GATES, **values))


def covered(model: str = "vib", meter: str = "rows", quantity: int = 1) -> dict[str, Any]:
    return {"covered": (Allowance(model, meter, quantity),)}


MEASURED = {"kind": KIND, "price": MEASURE.price, "ends_at": END}
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("lower_of_usage", {"lower_of_usage": True}),
    ("attribution", {**MEASURED, "attribution": NAMED.attribution}),
    ("attribution.models", {"attribution": AttributionRules((), ("infer",))}),
    ("contract", {"tag": "no name"}),
    ("contract", {"tag": "x" * 61}),
    ("names", {"names": {"en": "Pumps"}}),
    ("names", {"names": {"en": "Pumps", "zh": " "}}),
    ("names", {"names": {"en": "x" * 201, "zh": "x"}}),
    ("names", {"names": {"en": "x", "zh": "x", "": "x"}}),
    ("names", {"names": {**dict.fromkeys("abcdefghi", "x"), "en": "x", "zh": "x"}}),
    ("effect", {"effect": ""}),
    ("effect", {"effect": "x\0"}),
    ("meter", {"meter": "two\nlines"}),
    ("attesters", {"attesters": ()}),
    ("attesters", {"attesters": (AttesterKind.SIGN_OFF, AttesterKind.SIGN_OFF)}),
    ("subject", {"subject_tag": "No"}),
    ("currency", {"currency": "yuan"}),
    ("floor", {"floor": -1}),
    ("floor", {"floor": 10**13 + 1}),
    ("cap", {"cap": 10**13 + 1}),
    ("cap", {"cap": 9, "floor": 10}),
    ("price", {"price": SavingsShare(1, 1)}),
    ("price", {"kind": KIND}),
    ("share.percent", {**measure(), "price": SavingsShare(0, 1)}),
    ("share.percent", {**measure(), "price": SavingsShare(1_000_001, 1)}),
    ("share.unit_value", {**measure(), "price": SavingsShare(1, 0)}),
    ("share.unit_value", {**measure(), "price": SavingsShare(1, 10**18 + 1)}),
    ("ends_at", {**measure(), "ends_at": None}),
    ("starts_at", {"starts_at": START.replace(tzinfo=None)}),
    ("ends_at", {"ends_at": START.replace(tzinfo=None)}),
    ("ends_at", {"ends_at": START}),
    ("deadlines.dispute_days", deadlines(dispute_days=0)),
    ("deadlines.answer_days", deadlines(answer_days=731)),
    ("deadlines.reversal_days", deadlines(reversal_days=-1)),
    ("deadlines.silence_days", deadlines(silence_days=0, silence_words=SILENCE)),
    ("deadlines.silence_words", deadlines(silence_days=10)),
    ("deadlines.silence_words", deadlines(silence_days=10, silence_words="x" + " " * 30)),
    ("deadlines.silence_words", deadlines(silence_words=SILENCE)),
    ("event.window_hours", {"kind": EventEffect(24, 24, 0)}),
    ("event.window_hours", {"kind": EventEffect(-1, 24, 0)}),
    ("event.window_hours", {"kind": EventEffect(1, 24 * 731, 0)}),
    ("event.apart_hours", {"kind": EventEffect(1, 2, -1)}),
    ("measure.unit", measure(unit=" ")),
    ("measure.unit", measure(unit="furlong")),
    ("measure.unit", measure(unit="kWh/pcs/h")),
    ("measure.variables", measure(variables=(PARTS, PARTS))),
    ("measure.variables", measure(variables=(VariableTerms("value", "pcs"),))),
    ("measure.variables", measure(variables=(VariableTerms("Parts", "pcs"),))),
    ("measure.variables[0].unit", measure(variables=(VariableTerms("parts", ""),))),
    ("measure.variables[1].unit", measure(variables=(PARTS, VariableTerms("heat", "celsius")))),
    (
        "measure.variables",
        measure(variables=tuple(VariableTerms(one, "m") for one in "abcdefghijk")),
    ),
    ("measure.per", measure(per="value")),
    ("measure.per", measure(per="parts")),
    ("measure.per", measure(per="parts", unit="kWh/t")),
    ("measure.looks", measure(looks=0)),
    ("measure.looks", measure(looks=12)),
    ("measure.looks", measure(looks=1201)),
    ("measure.before", measure(before=BaselinePeriodTerms(date(2026, 1, 1), date(2027, 1, 2)))),
    ("measure.adjustments", measure(adjustments=(AdjustmentTerms(SPAN[0], 0, "x"),))),
    ("measure.adjustments", measure(adjustments=(AdjustmentTerms(SPAN[0], 1, " "),))),
    ("measure.adjustments", measure(adjustments=(AdjustmentTerms(SPAN[0], 1, "x", SPAN[0]),))),
    ("measure.adjustments", measure(adjustments=(AdjustmentTerms(SPAN[0], 1, "x"),) * 51)),
    ("measure.excluded", measure(excluded=(ExclusionTerms(SPAN[1], SPAN[0], "x"),))),
    ("measure.excluded", measure(excluded=(ExclusionTerms(*SPAN, ""),))),
    ("measure.swaps", measure(swaps=(replace(SWAP, factor_nano=0),))),
    ("measure.swaps", measure(swaps=(replace(SWAP, old=""),))),
    ("measure.swaps", measure(swaps=(replace(SWAP, at=datetime(2027, 6, 1)),))),  # noqa: DTZ001
    ("measure.swaps", measure(swaps=(replace(SWAP, machine="z"), SWAP))),
    (
        "measure.adjustments",
        measure(
            design=MeasurementDesign.SWITCHBACK,
            turns=SwitchbackTerms(7, 1),
            adjustments=(AdjustmentTerms(SPAN[0], 1, "x"),),
        ),
    ),
    ("measure.every_minutes", measure(every_minutes=7)),
    ("measure.every_minutes", measure(every_minutes=0)),
    ("measure.before", measure(before=BaselinePeriodTerms(date(2026, 1, 2), date(2026, 1, 2)))),
    (
        "measure.before",
        measure(design=MeasurementDesign.SWITCHBACK, before=BEFORE, turns=SwitchbackTerms(7, 1)),
    ),
    ("measure.turns", measure(design=MeasurementDesign.SWITCHBACK)),
    ("measure.turns", measure(turns=SwitchbackTerms(7, 1))),
    ("measure.turns", measure(design=MeasurementDesign.SWITCHBACK, turns=SwitchbackTerms(7, 7))),
    ("measure.machines", measure(design=MeasurementDesign.HOLDOUT)),
    ("measure.machines", measure(machines=MACHINES)),
    (
        "measure.machines",
        measure(design=MeasurementDesign.HOLDOUT, machines=MachineGroupTerms(("M1",), ())),
    ),
    (
        "measure.machines",
        measure(design=MeasurementDesign.HOLDOUT, machines=MachineGroupTerms(("M1",), ("M1",))),
    ),
    ("measure.confidence", measure(confidence_ppm=500_000)),
    ("measure.confidence", measure(confidence_ppm=1_000_000)),
    ("measure.missing", measure(missing_ppm=1_000_000)),
    ("measure.gates.cv_rmse", gates(cv_rmse_ppm=0)),
    ("measure.gates.nmbe", gates(nmbe_ppm=1_000_001)),
    ("measure.gates.missing", gates(missing_ppm=1_000_000)),
    ("measure.gates.days", gates(days=13)),
    ("covered", {"covered": (Allowance("vib", "rows", 1), Allowance("vib", "rows", 2))}),
    ("covered", {"covered": tuple(Allowance(f"m{at}", "rows", 1) for at in range(51))}),
    ("covered[0].model", covered(model="*")),
    ("covered[0].model", covered(model="")),
    ("covered[0].meter", covered(meter="calls")),
    ("covered[0].quantity", covered(quantity=0)),
]


class TestTermsValidation:
    @pytest.mark.parametrize(("field", "values"), WRONG)
    def test_invalid_value_is_rejected_with_its_field(
        self, field: str, values: dict[str, Any]
    ) -> None:
        with pytest.raises(OutcomeTermsInvalid) as caught:
            replace(EVENT, **values)
        assert caught.value.param == field
        assert caught.value.message.startswith(f"{field}: ")

    @pytest.mark.parametrize(
        ("starts", "ends", "settlements"),
        [
            ((2027, 1, 1), (2028, 1, 1), 12),
            ((2027, 1, 31), (2027, 2, 1), 1),
            ((2027, 1, 31), (2027, 2, 2), 2),
            ((2027, 3, 15), (2028, 3, 15), 13),
        ],
    )
    def test_settlements_are_counted_by_calendar_month(
        self, starts: tuple[int, int, int], ends: tuple[int, int, int], settlements: int
    ) -> None:
        zone = ZoneInfo("Asia/Shanghai")
        span = datetime(*starts, tzinfo=zone), datetime(*ends, tzinfo=zone)
        assert count_settlements(*span, zone) == settlements

    def test_unknown_time_zone_is_rejected(self) -> None:
        with pytest.raises(TimeZoneUnknown):
            replace(EVENT, time_zone="Mars/Olympus")

    def test_effect_text_may_have_several_lines(self) -> None:
        assert replace(EVENT, effect="One.\nTwo.").effect == "One.\nTwo."
