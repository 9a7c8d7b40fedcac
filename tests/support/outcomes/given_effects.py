"""A scrap reduction contract whose measured effect a test sets; the default is two castings.

The statistics themselves are tested in tests/billing/outcomes/measurement.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from billing.outcomes.contracts.terms import AttesterKind
from billing.outcomes.settlement.bundle import EffectMeasurement
from tests.support.outcomes.castings import TERMS
from tests.support.stories.outcome_story import Contract, proposed
from tests.support.stories.story import Firm

SENSOR, SYSTEM = AttesterKind.NEUTRAL_SENSOR, AttesterKind.CUSTOMER_SYSTEM
FIT = '{"cv_rmse_ppm":50000,"nmbe_ppm":10000,"missing_ppm":0,"days":273}'


def two_castings(inputs: str) -> EffectMeasurement:
    return EffectMeasurement(inputs, {SENSOR.value: 2_000_000})


async def less_scrap(firm: Firm, later: Sequence[datetime] = (), **values: Any) -> Contract:
    """25 % of 42.00 a casting from October on: two are 21.00. At each `later`
    moment another version takes the place of the one before."""
    made = await proposed(firm, TERMS.tag)
    made.baseline, made.measure = FIT, two_castings
    for starts_at in (TERMS.starts_at, *later):
        await made.agrees(replace(TERMS, starts_at=starts_at, **values))
    return made


def row(day: int, rejects: int = 40) -> str:
    """A reading of one day of October."""
    return f"at,value,unit,parts,hard\n2026-10-{day:02},{rejects},pcs,1000,200\n"
