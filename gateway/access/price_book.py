"""Contracts: at which prices an account calls, model by model, and what of it is included.

A model costs what the account's plan says; one that the plan does not know costs the list price of
the catalog. Calls for an outcome contract in force have the terms that it covers them by, where
these know the model. Owns that choice, and seeing to it that terms are kept before a call names
them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoices.included_units import Included, included_at
from billing.metering.quotas import QuotaRef, month_of
from billing.rating.plan_file import ListPrices, list_terms
from billing.rating.products import TIERS, product, tier_of
from billing.rating.statement import held_prices
from billing.rating.terms import ANY_MODEL, PlanTerms
from billing.subscriptions.covered_calls import Covering, coverings_of
from billing.subscriptions.plans import publish, terms_of
from billing.subscriptions.subscriptions import Standing, standing_of
from gateway.call.values import Priced
from infra.clock import Clock
from models.catalog import Catalog

_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class Contract:
    """Prices by model; those of calls for outcome contracts by the contract's tag, too; and for
    calls of which time they hold, as far as is known."""

    prices: Mapping[str, Priced]
    coverings: Mapping[str, Mapping[str, Priced]]
    since: datetime | None
    until: datetime | None


class Contracts:
    """The contracts of one gateway process; terms never change, so what they come to is kept."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self._listed: dict[str, PlanTerms] = {}
        self._prices: dict[tuple[UUID, ...], Mapping[str, Priced]] = {}

    async def contract(
        self, session: AsyncSession, account_id: UUID, currency: str, at: datetime
    ) -> Contract:
        """What holds for an account at a moment."""
        listed = await self._list(session, currency)
        standing = await standing_of(session, account_id, at)
        # No key is known for longer than a month, and what was over before is of no call.
        coverings = await coverings_of(session, account_id, month_of(at))
        tags = {one.tag: one.plan_version_id for one in coverings if one.holds(at)}
        covering = await terms_of(session, tags.values())
        own = [] if standing is None else [standing.terms]
        included = await _included(session, account_id, [*own, *covering.values()], at)
        changes = _changes(standing, coverings, included)
        return Contract(
            _including(self._by_model(*own, listed), included),
            {
                tag: _including(self._by_model(covering[version_id]), included)
                for tag, version_id in tags.items()
            },
            max((one for one in changes if one <= at), default=None),
            min((one for one in changes if one > at), default=None),
        )

    async def _list(self, session: AsyncSession, currency: str) -> PlanTerms:
        terms = self._listed.get(currency)
        if terms is None:
            terms = listed_terms(self._catalog, currency)
            await publish(session, self._clock, terms)
            self._listed[currency] = terms
        return terms

    def _by_model(self, *terms: PlanTerms) -> Mapping[str, Priced]:
        """Each model at the first of these terms that know it."""
        place = tuple(one.version_id() for one in terms)
        prices = self._prices.get(place)
        if prices is None:
            if len(self._prices) >= _REMEMBERED:
                self._prices.clear()
            prices = self._prices[place] = MappingProxyType(
                {
                    name: _priced(known[0], name)
                    for model in self._catalog.models
                    if (known := [one for one in terms if one.has_model(model)])
                    for name in _products(known[0], model)
                }
            )
        return prices


def listed_terms(catalog: Catalog, currency: str) -> PlanTerms:
    """The list prices of now, as terms."""
    return list_terms(currency, catalog_prices(catalog, currency))


def catalog_prices(catalog: Catalog, currency: str) -> ListPrices:
    """The list, in nano-units for one unit of a meter."""
    return {
        model.id: model.prices[currency]
        for model in catalog.models.values()
        if currency in model.prices
    }


async def _included(
    session: AsyncSession, account_id: UUID, terms: Sequence[PlanTerms], at: datetime
) -> Included | None:
    """The allowances of these terms; None where they have none."""
    including = [one for one in terms if one.allowances]
    return await included_at(session, account_id, including, at) if including else None


def _changes(
    standing: Standing | None, coverings: Iterable[Covering], included: Included | None
) -> list[datetime]:
    """The moments at which prices or what is included become others."""
    spans = [(one.starts_at, one.ends_at) for one in coverings]
    if standing is not None:
        spans.append((standing.phase.starts_at, standing.phase.ends_at))
    if included is not None:
        spans.append((included.since, included.until))
    return [moment for span in spans for moment in span if moment is not None]


def _including(prices: Mapping[str, Priced], included: Included | None) -> Mapping[str, Priced]:
    """The same prices with the allowances that calls of each model may take from."""
    if included is None:
        return prices
    return {
        model: replace(
            priced,
            included=tuple(
                one
                for one in included.quotas.get(priced.version_id, ())
                if _covers(one, model, priced)
            ),
        )
        for model, priced in prices.items()
    }


def _covers(quota: QuotaRef, model: str, priced: Priced) -> bool:
    """What costs nothing needs no allowance; what all models share is of the default tier."""
    shared = quota.model == ANY_MODEL and priced.service_tier is None
    return (shared or quota.model == model) and priced.prices.get(quota.meter, 0) > 0


def _products(terms: PlanTerms, model: str) -> list[str]:
    """The model at the default tier, and at those that the terms sell."""
    names = [product(model, tier) for tier in (None, *TIERS)]
    return [name for name in names if terms.has_model(name)]


def _priced(terms: PlanTerms, name: str) -> Priced:
    prices = MappingProxyType(held_prices(terms, name))
    return Priced(terms.version_id(), prices, service_tier=tier_of(name))
