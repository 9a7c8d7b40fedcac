"""Cost breakdown of one call by meter, with the same rating functions that billed it."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.rating.products import product_name
from billing.rating.quantities import METERS, Quantities, units_by_meter
from billing.rating.statement import unit_prices
from billing.rating.terms import PlanTerms
from billing.subscriptions.plans import load_terms
from billing.tables import Settlement, Usage
from infra.errors import AppError


class CallNotFound(AppError):
    """The account has no call with this request id."""

    status = 404
    type = "invalid_request_error"
    code = "call_not_found"


@dataclass(frozen=True, slots=True)
class MeterCost:
    """Units of one meter, of which `included` are covered; the others cost `price` nano-units."""

    meter: str
    units: int
    included: int
    price: int

    @property
    def nano(self) -> int:
        """Cost of the units that are not included, in nano-units."""
        return (self.units - self.included) * self.price


@dataclass(frozen=True, slots=True)
class CallCost:
    """Cost breakdown of a call; `terms` is None if no terms priced it.

    `parts` add up to the billed cost, unless the call consumed more than was reserved for it: the
    rest, `waived` nano-units, was not billed.
    """

    row: Usage
    terms: PlanTerms | None
    parts: tuple[MeterCost, ...]

    @property
    def waived(self) -> int:
        """Cost above the reservation, which was not billed, in nano-units."""
        return sum(part.nano for part in self.parts) - self.row.cost_nano


async def get_call_cost(session: AsyncSession, account_id: UUID, request_id: UUID) -> CallCost:
    """Return the cost breakdown of one of the account's calls. Raises CallNotFound."""
    query = select(Usage).where(
        col(Usage.account_id) == account_id, col(Usage.request_id) == request_id
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise CallNotFound("The account has no such call.", param="request_id")
    terms = None
    if row.plan_version_id is not None:
        terms = (await load_terms(session, [row.plan_version_id])).get(row.plan_version_id)
    if terms is None or not Settlement(row.settlement).billable:
        return CallCost(row, terms, ())
    return CallCost(
        row,
        terms,
        _meter_costs(row, unit_prices(terms, product_name(row.model or "", row.service_tier))),
    )


def _meter_costs(row: Usage, prices: Mapping[str, int]) -> tuple[MeterCost, ...]:
    """Return the units, included units and price (nano-units) of each meter that the call used."""
    units = units_by_meter(Quantities(*(getattr(row, meter) for meter in METERS)), prices)
    covered = {
        meter: sum(units_by_quota.values()) for meter, units_by_quota in (row.covered or {}).items()
    }
    return tuple(
        MeterCost(meter, units[meter], covered.get(meter, 0), price)
        for meter, price in prices.items()
        if units[meter]
    )
