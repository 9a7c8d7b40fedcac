"""Savings by included units (allowances) in a billing period, from usage totals.

    saving = units of billed calls x their unit prices - billed cost

Only usage under terms with allowances is read.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.rating.quantities import Quantities, rate
from billing.rating.statement import unit_prices
from billing.rating.terms import PlanTerms
from billing.subscriptions.plans import load_terms

# A value of the grouping dimension, and the model if usage is also grouped by model.
DimensionValue = tuple[datetime | UUID | str | None, str | None]


async def terms_with_allowances(
    session: AsyncSession, versions: Iterable[UUID]
) -> Mapping[UUID, PlanTerms]:
    """Return the terms of plan versions that have allowances, by id."""
    loaded = await load_terms(session, versions)
    return {version_id: terms for version_id, terms in loaded.items() if terms.allowances}


def savings_by_value(
    terms: Mapping[UUID, PlanTerms], rows: Iterable[Sequence[Any]], *, by_model: bool
) -> dict[DimensionValue, int]:
    """Return savings by included units (nano-units) by dimension value and, if `by_model`, model.

    Rows are (value, model, plan version id, units by meter..., cost).
    """
    savings: dict[DimensionValue, int] = {}
    for value, model, version_id, *units, cost in rows:
        plan_terms = terms.get(version_id)
        if plan_terms is None or not _has_allowance_for(plan_terms, model):
            continue
        full_cost = rate(Quantities(*(int(one) for one in units)), unit_prices(plan_terms, model))
        dimension_value = (value, model if by_model else None)
        savings[dimension_value] = savings.get(dimension_value, 0) + max(full_cost - int(cost), 0)
    return savings


def _has_allowance_for(terms: PlanTerms, model: str) -> bool:
    """Return whether an allowance of the terms covers the model."""
    return any(one.model in ("*", model) for one in terms.allowances)
