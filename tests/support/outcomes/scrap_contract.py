"""A scrap reduction contract of a foundry, and the days of its measurement."""

from dataclasses import replace
from datetime import date
from typing import Any

from tests.support.outcomes.castings import FIRST, START, TERMS, foundry, month, written
from tests.support.stories.outcome_story import Contract, proposed
from tests.support.stories.story import Firm

DAYS = foundry(365)
BEFORE = month(DAYS, FIRST, START)
OCTOBER = month(DAYS, START, date(2026, 11, 1))


async def scrap_contract(firm: Firm, **values: Any) -> Contract:
    """25 % of 42.00 per casting, 90 % confidence for twelve settlements, 273 baseline days."""
    made = await proposed(firm, "scrap")
    made.before = written(BEFORE)
    await made.agrees(replace(TERMS, **values))
    return made
