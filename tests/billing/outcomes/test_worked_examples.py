"""The worked examples of docs/outcomes.md: each figure again, by the templates themselves."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from billing.outcomes.contracts.attribution import SettledOutcome, SupportingCall, is_billable
from billing.outcomes.contracts.contract_file import parse_contract_toml
from billing.outcomes.contracts.effect_definitions import EventEffect, MeasuredEffect
from billing.outcomes.contracts.pricing import (
    SILENCE,
    MonthPrice,
    VersionQuantities,
    month_bounds,
    price_month,
)
from billing.outcomes.contracts.terms import MICRO, AttesterKind, OutcomeTerms
from tests.support.builders import SPECIALIST

DOCS = Path(__file__).parents[3] / "docs"
TEXT = (DOCS / "outcomes.md").read_text("utf-8").partition("## Worked examples")[2]
SENSOR, SYSTEM = AttesterKind.NEUTRAL_SENSOR, AttesterKind.CUSTOMER_SYSTEM
SIGNED = AttesterKind.SIGN_OFF
WHOLE = Fraction(1)


def template(name: str) -> OutcomeTerms:
    return parse_contract_toml((DOCS / "outcomes" / f"{name}.toml").read_text("utf-8"))


def priced(terms: OutcomeTerms, usage: int | None = None, **units: int) -> MonthPrice:
    """What a whole month with so many whole units comes to."""
    counted = [VersionQuantities(terms, {kind: count * MICRO for kind, count in units.items()})]
    return price_month(month_bounds(terms, WHOLE, usage), counted)


def parts(found: MonthPrice) -> dict[str, int]:
    return {part.attested_by: part.minor for part in found.parts}


def shown(minor: int) -> str:
    """As the page writes it, where it does."""
    text = f"{minor / 100:,.2f}"
    assert text in TEXT
    return text


class TestPredictiveMaintenance:
    TERMS = template("predictive_maintenance")

    @pytest.mark.parametrize(
        ("warned", "failed", "by", "before", "counts"),
        [
            ((3, 8), (5, 14), SYSTEM, None, True),
            ((10, 20), (11, 6), SYSTEM, None, False),
            ((12, 9), (15, 9), SYSTEM, (5, 14), False),
            ((2, 8), (20, 8), SYSTEM, None, False),
            ((18, 9), (21, 9), SIGNED, None, True),
        ],
    )
    def test_each_pump(
        self,
        warned: tuple[int, int],
        failed: tuple[int, int],
        by: AttesterKind,
        before: tuple[int, int] | None,
        counts: bool,
    ) -> None:
        def settled(happened: tuple[int, int], called: tuple[int, int]) -> SettledOutcome:
            at, call = (
                datetime(2027, 3, day, hour, tzinfo=UTC) for day, hour in (happened, called)
            )
            supporting = SupportingCall(call, SPECIALIST, "predictions")
            return SettledOutcome(at, at, by.value, at, (supporting,))

        kind = self.TERMS.kind
        assert isinstance(kind, EventEffect)
        others = [] if before is None else [settled(before, (3, 8))]
        assert is_billable(self.TERMS, kind, settled(failed, warned), others) == counts

    def test_hours_are_those_of_the_table(self) -> None:
        for (day, hour), (later, at), hours in (
            ((3, 8), (5, 14), 54),
            ((10, 20), (11, 6), 10),
            ((12, 9), (15, 9), 72),
            ((2, 8), (20, 8), 432),
            ((5, 14), (15, 9), 235),
        ):
            apart = datetime(2027, 3, later, at) - datetime(2027, 3, day, hour)  # noqa: DTZ001
            assert apart == timedelta(hours=hours)
            assert f" {hours} h" in TEXT

    def test_the_month(self) -> None:
        found = priced(self.TERMS, customer_system=1, sign_off=1)
        assert shown(found.minor) == "3,600.00"
        assert parts(found) == {"customer_system": 1_800_00, "sign_off": 1_800_00}
        assert shown(priced(self.TERMS, customer_system=6).minor) == "9,000.00"
        assert (self.TERMS.covered[0].quantity, shown(6 * 1_800_00)) == (200_000, "10,800.00")


class TestScrapReduction:
    TERMS = template("scrap_reduction")

    def test_april(self) -> None:
        assert 1_240 - 1_010 - 60 == 170
        found = priced(self.TERMS, customer_system=170)
        assert shown(170 * 42_00) == "7,140.00"
        assert shown(found.minor) == "1,785.00"
        assert parts(found) == {"customer_system": 1_785_00}

    def test_may_and_june_cost_the_floor(self) -> None:
        assert shown(priced(self.TERMS).minor) == "500.00"
        kind = self.TERMS.kind
        assert isinstance(kind, MeasuredEffect)
        assert 4 * 1_000_000 // 30 > kind.missing_ppm
        assert "13.3 %" in TEXT


class TestEnergyPerPart:
    TERMS = template("energy_per_part")

    @pytest.mark.parametrize(
        ("usage", "cost"), [(1_200_00, "1,101.60"), (800_00, "800.00"), (9_999_00, "1,101.60")]
    )
    def test_february(self, usage: int, cost: str) -> None:
        assert 61_200 - 54_700 - 1_100 == 5_400
        assert shown(5_400 * 68) == "3,672.00"
        found = priced(self.TERMS, usage, neutral_sensor=5_400)
        assert shown(found.minor) == cost
        assert list(parts(found)) == ["neutral_sensor"]


class TestMaintenanceTickets:
    TERMS = template("maintenance_tickets")

    def test_march(self) -> None:
        found = priced(self.TERMS, sign_off=90, customer_system=25, **{SILENCE: 15})
        assert shown(found.minor) == "720.00"
        assert {by: shown(minor) for by, minor in parts(found).items()} == {
            "sign_off": "498.46",
            "customer_system": "138.46",
            "silence": "83.08",
        }

    def test_without_silence(self) -> None:
        found = priced(self.TERMS, sign_off=90, customer_system=25)
        assert shown(found.minor) == "660.00"
        assert self.TERMS.deadlines.silence_days == 10
