"""Covered value: what included units saved in a billing period, added up as spending is.

    covered value = units of all billed calls x their prices - what the calls cost

Only calls under terms that include units are read, by model and terms, from the totals.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.rating.quantities import Quantities, rate
from billing.rating.statement import held_prices
from billing.rating.terms import PlanTerms
from billing.subscriptions.plans import terms_of

# A value of a dimension, and the model where times are added up by models too.
Place = tuple[datetime | UUID | str | None, str | None]


async def including_terms(
    session: AsyncSession, versions: Iterable[UUID]
) -> Mapping[UUID, PlanTerms]:
    """Of these versions of terms those that include any units."""
    found = await terms_of(session, versions)
    return {version_id: terms for version_id, terms in found.items() if terms.allowances}


def covered_by_place(
    terms: Mapping[UUID, PlanTerms], rows: Iterable[Sequence[Any]], *, by_model: bool
) -> dict[Place, int]:
    """What included units saved, in nano-units, by place. Rows are the value, the model, the
    version of terms, the units by meter and the cost."""
    found: dict[Place, int] = {}
    for value, model, version_id, *units, cost in rows:
        of = terms.get(version_id)
        if of is None or not _may_include(of, model):
            continue
        full = rate(Quantities(*(int(one) for one in units)), held_prices(of, model))
        place = (value, model if by_model else None)
        found[place] = found.get(place, 0) + max(full - int(cost), 0)
    return found


def _may_include(terms: PlanTerms, model: str) -> bool:
    return any(one.model in ("*", model) for one in terms.allowances)
