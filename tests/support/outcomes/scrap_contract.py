"""A contract on less scrap in a foundry, and the days by which it is measured."""

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
    """25 % of 42.00 a casting at 90 % for twelve settlements, against 273 days before."""
    made = await proposed(firm, "scrap")
    made.before = written(BEFORE)
    await made.agrees(replace(TERMS, **values))
    return made
