"""A synthetic foundry: rejected castings per day, from a seed, with an effect from a start day.

    rejects = 6 + 3 % of the castings + 5 % of those of hard alloy + noise, and less by the effect

Rejects without the effect are known, so a measurement can be compared with the truth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from billing.outcomes.contracts.contract_file import parse_contract_toml
from billing.outcomes.contracts.terms import AttesterKind, OutcomeTerms
from billing.outcomes.evidence.series import READINGS, ReadingsEvidence
from billing.outcomes.settlement.measured_effects import fit_contract_baseline
from billing.outcomes.settlement.measurement_inputs import MeasurementInputs

FIRST, START = date(2026, 1, 1), date(2026, 10, 1)
RECEIVED = datetime(2028, 1, 1, tzinfo=UTC)
SCRAP = """
contract = "scrap"
names = { en = "Less scrap", zh = "减少废品" }
currency = "CNY"
effect = "Fewer rejected castings for the same output and alloy."
meter = "Reject counter"
attesters = ["neutral_sensor", "customer_system"]
starts_at = 2026-10-01T00:00:00
ends_at = 2027-10-01T00:00:00
deadlines = { dispute_days = 10, answer_days = 5, reversal_days = 60 }

[measure]
unit = "pcs"
direction = "less"
before = { first = 2026-01-01, until = 2026-10-01 }
confidence = "90"
variables = [{ name = "parts", unit = "pcs" }, { name = "hard", unit = "pcs" }]
gates = { cv_rmse = "15", nmbe = "5", missing = "5", days = 250 }

[share]
percent = "25"
unit_value = "42.00"
"""
TERMS = parse_contract_toml(SCRAP)


@dataclass(frozen=True)
class Day:
    """A day's castings, its rejects, and its rejects without the effect."""

    day: date
    parts: int
    hard: int
    rejects: float
    without: float

    def row(self, unit: str = "pcs", factor: float = 1.0) -> str:
        return f"{self.day},{self.rejects * factor:.9f},{unit},{self.parts},{self.hard}"


def foundry(count: int, effect: float = 0.25, seed: int = 11, noise: float = 3.0) -> list[Day]:
    """Days from the first day, with the effect from the start."""
    random = np.random.default_rng(seed)
    found = []
    for at in range(count):
        day = FIRST + timedelta(days=at)
        parts, hard = int(random.integers(900, 1200)), int(random.integers(100, 400))
        without = round(6 + 0.03 * parts + 0.05 * hard + noise * random.standard_normal())
        rejects = without if day < START else round(without * (1 - effect))
        found.append(Day(day, parts, hard, rejects, without))
    return found


def written(days: Sequence[Day], unit: str = "pcs", factor: float = 1.0) -> str:
    """The days as CSV, in a unit of 1 / `factor` pieces."""
    return "\n".join(["at,value,unit,parts,hard", *(one.row(unit, factor) for one in days)])


def told(
    said: str, of: AttesterKind = AttesterKind.NEUTRAL_SENSOR, kind: str = READINGS
) -> ReadingsEvidence:
    return ReadingsEvidence(f"evd_{of}", kind, of.value, of.value, RECEIVED, said)


def month(days: Sequence[Day], first: date, until: date) -> list[Day]:
    return [one for one in days if first <= one.day < until]


def inputs(
    said: Sequence[ReadingsEvidence],
    terms: OutcomeTerms = TERMS,
    baseline: str | None = None,
    span: tuple[date, date] = (START, date(2026, 11, 1)),
) -> str:
    return MeasurementInputs(
        terms.canonical_json().decode(), baseline, *span, tuple(said)
    ).canonical_json()


def baseline(days: Sequence[Day], terms: OutcomeTerms = TERMS) -> str:
    """The baseline fitted to the days before the start."""
    return fit_contract_baseline(terms, [told(written(month(days, FIRST, START)))])
