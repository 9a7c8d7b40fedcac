"""Contract files: the templates, TOML and JSON, and errors."""

import tomllib
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from billing.dates import TimeZoneUnknown
from billing.outcomes.contracts.contract_file import parse_contract_json, parse_contract_toml
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
from billing.outcomes.contracts.pricing import month_bounds
from billing.outcomes.contracts.supporting_calls import AttributionRules, default_attribution
from billing.outcomes.contracts.terms import (
    BaselineGateTerms,
    ContractDeadlines,
    EventEffect,
    ImprovementDirection,
    MeasuredEffect,
    MeasurementDesign,
    OutcomeTermsInvalid,
    SavingsShare,
    parse_outcome_terms,
)
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.price_kinds.price import PriceInvalid
from billing.rating.terms import Allowance
from infra.errors import AppError
from models.catalog import Task, load_catalog
from tests.support.builders import CATALOG
from tests.support.outcomes.contract_texts import EVENT, MEASURE

TEMPLATES = Path(__file__).parents[4] / "docs" / "outcomes"
PARTS = VariableTerms("parts", "pcs")
NMBE = "measure.gates.nmbe"
COVERED = '\n[[covered]]\nmodel = "vib"\nmeter = "rows"\nquantity = 10\n'
EMBEDDED = '[attribution]\nmodels = ["vib"]\noperations = ["embeddings"]\n'


def as_json(toml: str) -> bytes:
    return msgspec.json.encode(tomllib.loads(toml))


class TestContractTemplates:
    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("predictive_maintenance", EventEffect),
            ("predicted_failures", EventEffect),
            ("scrap_reduction", MeasuredEffect),
            ("energy_per_part", MeasuredEffect),
            ("maintenance_tickets", EventEffect),
        ],
    )
    def test_template_is_parsed_and_covers_priced_models(self, name: str, kind: type) -> None:
        terms = parse_contract_toml((TEMPLATES / f"{name}.toml").read_text(encoding="utf-8"))
        assert isinstance(terms.kind, kind)
        models = {one.model: CATALOG.models[one.model] for one in terms.covered}
        assert models
        for one in terms.covered:
            assert one.meter in models[one.model].prices[terms.currency]

    def test_template_directory_has_five_files(self) -> None:
        assert len(list(TEMPLATES.iterdir())) == 5

    @pytest.mark.parametrize("name", ["predictive_maintenance", "maintenance_tickets"])
    def test_event_template_declares_the_default_attribution(self, name: str) -> None:
        terms = parse_contract_toml((TEMPLATES / f"{name}.toml").read_text(encoding="utf-8"))
        assert terms.attribution is not None
        assert set(terms.attribution.models) <= CATALOG.models.keys()
        assert terms.attribution == default_attribution(terms.covered)


class TestPredictionRules:
    def test_rules_of_the_template_are_parsed_in_ppm(self) -> None:
        terms = parse_contract_toml((TEMPLATES / "predicted_failures.toml").read_text("utf-8"))
        rules = terms.predictions
        assert rules is not None
        assert (rules.event, len(rules.subjects), rules.models) == (
            "pump_failure",
            10,
            (load_catalog("cpu").with_task(Task.CLASSIFICATION)[0].id,),
        )
        assert (rules.probability_ppm, rules.confidence_ppm, rules.settle_months) == (
            600_000,
            990_000,
            6,
        )
        assert month_bounds(terms, Fraction(1), None).cap == 6 * 9_000_00
        assert parse_outcome_terms(terms.canonical_json()) == terms

    @pytest.mark.parametrize(
        ("line", "field"),
        [
            ('event = "Pump"', "predictions.event"),
            ("subjects = []", "predictions.subjects"),
            ('subjects = ["a", "a"]', "predictions.subjects"),
            ('subjects = [" "]', "predictions.subjects"),
            ("models = []", "predictions.models"),
            ('agents = ["a", "a"]', "predictions.agents"),
            ('probability = "0"', "predictions.probability"),
            ('precision = "101"', "predictions.precision"),
            ('confidence = "89"', "predictions.confidence"),
            ("settle_months = 13", "predictions.settle_months"),
            ("version = 2", "predictions.version"),
            ('recall = "x"', "predictions.recall"),
        ],
    )
    def test_rule_out_of_range_is_named(self, line: str, field: str) -> None:
        usual = {
            "event": 'event = "pump_failure"',
            "subjects": 'subjects = ["P-1"]',
            "models": 'models = ["vib"]',
            "probability": 'probability = "60"',
        }
        rules = {**usual, line.partition(" ")[0]: line}
        with pytest.raises(OutcomeTermsInvalid) as caught:
            parse_contract_toml(f"{EVENT}[predictions]\n" + "\n".join(rules.values()))
        assert caught.value.param == field

    def test_rules_need_an_event_with_time_between_lead_and_window(self) -> None:
        text = f"""{EVENT}[predictions]
event = "e"
subjects = ["P-1"]
models = ["vib"]
probability = "60"
"""
        with pytest.raises(OutcomeTermsInvalid, match="window_hours"):
            parse_contract_toml(text.replace("lead_hours = 24", "lead_hours = 336"))
        measured = f"{MEASURE}\n{text.partition('price = ')[2].partition(chr(10))[2]}"
        with pytest.raises(OutcomeTermsInvalid, match="events"):
            parse_contract_toml(measured)


class TestContractParsing:
    def test_attribution_is_parsed(self) -> None:
        text = f'{EVENT}\n[attribution]\nmodels = ["vib"]\noperations = ["infer"]\n'
        terms = parse_contract_toml(text)
        assert terms.attribution == terms.supporting == AttributionRules(("vib",), ("infer",))
        assert parse_contract_json(as_json(text)) == terms

    def test_event_contract_is_parsed(self) -> None:
        terms = parse_contract_toml(f'cap = "9000"\nfloor = "1.5"{EVENT}{COVERED}')
        assert (terms.kind, terms.price) == (EventEffect(24, 336, 720), PerUnit(1_800 * 10**9))
        assert (terms.cap, terms.floor, terms.ends_at) == (900_000, 150, None)
        assert terms.deadlines == ContractDeadlines(14, 10, 30)
        assert terms.covered == (Allowance("vib", "rows", 10),)

    def test_measured_contract_is_parsed_with_defaults(self) -> None:
        terms = parse_contract_toml(MEASURE)
        gates = BaselineGateTerms(250_000, 100_000, 100_000, 90)
        kind = MeasuredEffect(
            "kWh",
            ImprovementDirection.LESS,
            MeasurementDesign.BASELINE,
            (PARTS,),
            900_000,
            gates,
            looks=12,
        )
        assert (terms.kind, terms.price) == (kind, SavingsShare(300_000, 680_000_000))

    def test_measured_contract_with_all_fields_is_parsed(self) -> None:
        more = """
[measure]
design = "holdout"
combine = "mean"
every_minutes = 60
per = "parts"
looks = 12
before = { first = 2026-01-01, until = 2026-11-01 }
machines = { having = ["M1"], lacking = ["M2", "M3"] }
excluded = [{ first = 2026-12-24, until = 2027-01-02, reason = "shut" }]
swaps = [{ at = 2027-03-01T12:00:00, old = "1", new = "2", factor = "1.02", reason = "burnt" }]
"""
        degrees = '{ name = "outdoor", unit = "degC", combine = "mean", shape = "degrees" }'
        text = changed(MEASURE, "\n[measure]\n", more).replace("}]\n\n", f"}}, {degrees}]\n\n")
        text = changed(text, 'unit = "kWh"', 'unit = "kWh/pcs"')
        kind = parse_contract_toml(text).kind
        assert isinstance(kind, MeasuredEffect)
        assert kind.variables[1:] == (
            VariableTerms("outdoor", "degC", DailyAggregation.MEAN, VariableForm.DEGREES),
        )
        assert (kind.combine, kind.every_minutes, kind.per) == (DailyAggregation.MEAN, 60, "parts")
        assert kind.looks == 12
        assert kind.excluded == (ExclusionTerms(date(2026, 12, 24), date(2027, 1, 2), "shut"),)
        noon = datetime(2027, 3, 1, 4, tzinfo=UTC)
        assert kind.swaps == (MeterReplacementTerms(noon, "1", "2", 1_020_000_000, "burnt"),)
        assert kind.before == BaselinePeriodTerms(date(2026, 1, 1), date(2026, 11, 1))
        assert kind.machines == MachineGroupTerms(("M1",), ("M2", "M3"))
        assert parse_contract_json(as_json(text)) == parse_contract_toml(text)

    def test_adjustment_is_parsed(self) -> None:
        change = '{ first = 2026-12-01, per_day = "12.5", reason = "a second shift", less = true }'
        text = changed(MEASURE, "[measure]", f"[measure]\nadjustments = [{change}]")
        kind = parse_contract_toml(text).kind
        assert isinstance(kind, MeasuredEffect)
        (one,) = kind.adjustments
        assert one == AdjustmentTerms(
            date(2026, 12, 1), 12_500_000_000, "a second shift", None, less=True
        )
        assert parse_contract_json(as_json(text)) == parse_contract_toml(text)

    def test_switchback_is_parsed_with_default_days(self) -> None:
        text = changed(MEASURE, "[measure]", '[measure]\ndesign = "switchback"\nturns = {}')
        kind = parse_contract_toml(text).kind
        assert isinstance(kind, MeasuredEffect)
        assert kind.turns == SwitchbackTerms(7, 1)

    def test_json_and_toml_give_the_same_terms(self) -> None:
        for text in (EVENT, MEASURE):
            assert parse_contract_json(as_json(text)) == parse_contract_toml(text)

    def test_local_times_are_in_the_plant_time_zone(self) -> None:
        ends = "ends_at = 2027-11-01T00:00:00+01:00"
        terms = parse_contract_toml(f'{ends}\ntime_zone = "Europe/Berlin"{EVENT}')
        assert terms.starts_at == datetime(2026, 10, 31, 23, tzinfo=UTC)
        assert terms.ends_at == datetime(2027, 10, 31, 23, tzinfo=UTC)


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


class TestContractErrors:
    @pytest.mark.parametrize(
        ("text", "param", "line"),
        [
            (changed(EVENT, '"1800.00"', '"x"'), "price", 11),
            (changed(EVENT, "Work orders", ""), "meter", 6),
            (changed(EVENT, "window_hours = 336", "window_hours = 1"), "event.window_hours", 10),
            (changed(EVENT, "sign_off", "hearsay"), "attesters[1]", None),
            (changed(EVENT, "dispute_days = 14", "dispute_days = 0"), "deadlines.dispute_days", 9),
            (f'cap = "1.234"{EVENT}', "cap", 1),
            (f'floor = "-1"{EVENT}', "floor", 1),
            (f"ends_at = 2026-10-31T00:00:00{EVENT}", "ends_at", 1),
            (changed(EVENT, 'price = { price = "1800.00" }', ""), "price", None),
            (f'{EVENT}[share]\npercent = "1"\nunit_value = "1"', "price", 11),
            (changed(MEASURE, '"30"', '"101"'), "share.percent", 18),
            (changed(MEASURE, '"0.68"', '"1e3"'), "share.unit_value", 19),
            (changed(MEASURE, 'unit = "kWh"\n', ""), "measure.unit", 12),
            (changed(MEASURE, 'unit = "kWh"', 'unit = "kilowatts"'), "measure.unit", 13),
            (changed(MEASURE, "ends_at = 2027-11-01T00:00:00\n", ""), "ends_at", None),
            (changed(MEASURE, "ends_at = 2027", "ends_at = 2026"), "ends_at", 9),
            (changed(MEASURE, "[share]", '[measure.gates]\nnmbe = "0"\n[share]'), NMBE, 18),
            (f'{EVENT}[measure]\nunit = "h"\ndirection = "less"', "event", 10),
            (f"{EVENT}{COVERED}{changed(COVERED, '10', '0')}", "covered[1].quantity", 21),
            (f"tag = 1{EVENT}", "tag", 1),
            (f"{EVENT}{EMBEDDED}", "attribution.operations", 14),
            (f"{EVENT}\n[attribution]\n", "attribution.models", 13),
        ],
    )
    def test_error_names_field_and_line(self, text: str, param: str, line: int | None) -> None:
        with pytest.raises(AppError) as caught:
            parse_contract_toml(text)
        assert caught.value.param == param
        told = caught.value.message.endswith(f"(line {line})")
        assert told if line else "line" not in caught.value.message

    def test_error_type_depends_on_the_cause(self) -> None:
        for text, fact in (
            ("contract =", OutcomeTermsInvalid),
            (changed(EVENT, '{ price = "1800.00" }', '{ price = "9999999" }'), PriceInvalid),
            (f'time_zone = "Mars"{EVENT}', TimeZoneUnknown),
        ):
            with pytest.raises(fact):
                parse_contract_toml(text)

    def test_ambiguous_local_time_is_rejected(self) -> None:
        twice = changed(EVENT, "2026-11-01T00:00:00", "2026-10-25T02:30:00")
        with pytest.raises(OutcomeTermsInvalid, match="add the UTC offset") as caught:
            parse_contract_toml(f'time_zone = "Europe/Berlin"{twice}')
        assert caught.value.param == "starts_at"

    @pytest.mark.parametrize(
        ("body", "param", "what"),
        [
            (b"{", None, "not valid JSON"),
            (b"\xff", None, "not valid JSON"),
            (b"[]", None, "expected `object`"),
            (b'{"names": ' + b"[" * 5000, "names", "expected `object`"),
            (as_json(EVENT.replace('"Work orders"', "3")), "meter", "expected `str`"),
        ],
    )
    def test_invalid_json_is_rejected(self, body: bytes, param: str | None, what: str) -> None:
        with pytest.raises(OutcomeTermsInvalid, match=what) as caught:
            parse_contract_json(body)
        assert caught.value.param == param
