"""Priced calls: one call with how its cost came about, meter by meter.

Owns reading it and the arithmetic, which is that of the hold and of the running cost
(billing/rating/).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.rating.products import product
from billing.rating.quantities import METERS, Quantities, units_by_meter
from billing.rating.statement import held_prices
from billing.rating.terms import PlanTerms
from billing.subscriptions.plans import terms_of
from billing.tables import Settlement, Usage
from infra.errors import AppError


class CallNotFound(AppError):
    """The account has no such call."""

    status = 404
    type = "invalid_request_error"
    code = "call_not_found"


@dataclass(frozen=True, slots=True)
class MeterPriced:
    """Units of a meter, how many of them a plan includes, and what the others cost at `price`
    nano-units each."""

    meter: str
    units: int
    included: int
    price: int

    @property
    def nano(self) -> int:
        return (self.units - self.included) * self.price


@dataclass(frozen=True, slots=True)
class PricedCall:
    """A call; `terms` None where none priced it. `parts` add up to its cost, unless it consumed
    more than was held for it: the rest, `waived` nano-units, was not billed."""

    row: Usage
    terms: PlanTerms | None
    parts: tuple[MeterPriced, ...]

    @property
    def waived(self) -> int:
        return sum(part.nano for part in self.parts) - self.row.cost_nano


async def priced_call(session: AsyncSession, account_id: UUID, request_id: UUID) -> PricedCall:
    """One of the account's calls. Raises CallNotFound."""
    query = select(Usage).where(
        col(Usage.account_id) == account_id, col(Usage.request_id) == request_id
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise CallNotFound("The account has no such call.", param="request_id")
    terms = None
    if row.plan_version_id is not None:
        terms = (await terms_of(session, [row.plan_version_id])).get(row.plan_version_id)
    if terms is None or not Settlement(row.settlement).billable:
        return PricedCall(row, terms, ())
    return PricedCall(
        row, terms, _parts(row, held_prices(terms, product(row.model or "", row.service_tier)))
    )


def _parts(row: Usage, prices: Mapping[str, int]) -> tuple[MeterPriced, ...]:
    units = units_by_meter(Quantities(*(getattr(row, meter) for meter in METERS)), prices)
    covered = {meter: sum(of.values()) for meter, of in (row.covered or {}).items()}
    return tuple(
        MeterPriced(meter, units[meter], covered.get(meter, 0), price)
        for meter, price in prices.items()
        if units[meter]
    )
