"""Prices and included allowances of an account, by model, at a moment.

A model costs what the account's plan says; a model that is not in the plan costs the catalog's list
price. Calls tagged with an outcome contract in force have the prices of the contract's terms, for
the models in these terms. Terms are stored before a call refers to them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoices.included_units import IncludedQuotas, get_included_quotas
from billing.metering.packs import PackQuotaRef, UsablePacks, find_usable_packs
from billing.metering.quotas import QuotaRef, month_start
from billing.rating.plan_file import ListPrices, list_price_terms
from billing.rating.products import (
    BATCH_TIER,
    TIERS,
    model_of_product,
    product_name,
    tier_of_product,
)
from billing.rating.statement import unit_prices
from billing.rating.terms import ANY_MODEL, PlanTerms
from billing.subscriptions.covered_calls import CoverageSpan, list_coverage_spans
from billing.subscriptions.plans import load_terms, publish_plan
from billing.subscriptions.subscriptions import SubscriptionState, find_subscription
from gateway.call.values import ModelPrices
from infra.clock import Clock
from models.catalog import Catalog, Meter, Model

_MAX_CACHED = 1_000


@dataclass(frozen=True, slots=True)
class AccountPrices:
    """The prices of an account's calls by model, and in which time they are valid.

    `outcome_contract_prices` apply to calls tagged with an outcome contract, by contract tag and
    model. `valid_from` and `valid_until` are None if no change of prices is known on that side.
    """

    model_prices: Mapping[str, ModelPrices]
    outcome_contract_prices: Mapping[str, Mapping[str, ModelPrices]]
    valid_from: datetime | None
    valid_until: datetime | None


class PriceBook:
    """Looks up account prices, for one gateway process. Terms are immutable, so the prices of each
    combination of terms are cached."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self._catalog_version = catalog.version
        self._list_terms: dict[str, PlanTerms] = {}
        self._prices_by_terms: dict[tuple[UUID, ...], Mapping[str, ModelPrices]] = {}

    async def get_account_prices(
        self, session: AsyncSession, account_id: UUID, currency: str, at: datetime
    ) -> AccountPrices:
        """Return the prices and allowances that apply to an account's calls at a moment."""
        list_terms = await self._published_list_terms(session, currency)
        subscription = await find_subscription(session, account_id, at)
        # Key records are cached within one calendar month, so earlier coverage is not needed.
        spans = await list_coverage_spans(session, account_id, month_start(at))
        version_ids = {span.tag: span.plan_version_id for span in spans if span.contains(at)}
        contract_terms = await load_terms(session, version_ids.values())
        plan_terms = [] if subscription is None else [subscription.terms]
        included = await _get_allowances(
            session, account_id, [*plan_terms, *contract_terms.values()], at
        )
        packs = await find_usable_packs(session, account_id, at)
        changes = [*_price_changes(subscription, spans, included), *packs.changes]
        return AccountPrices(
            _with_packs(_with_allowances(self._by_model(*plan_terms, list_terms), included), packs),
            {
                tag: _with_packs(
                    _with_allowances(self._by_model(contract_terms[version_id]), included), packs
                )
                for tag, version_id in version_ids.items()
            },
            max((change for change in changes if change <= at), default=None),
            min((change for change in changes if change > at), default=None),
        )

    async def _published_list_terms(self, session: AsyncSession, currency: str) -> PlanTerms:
        """Return the list prices as plan terms, published in the database once per process.

        Changed list prices of the catalog are new terms: calls that were admitted before keep the
        terms that they were priced by.
        """
        self._forget_replaced_catalog()
        terms = self._list_terms.get(currency)
        if terms is None:
            version = self._catalog_version
            terms = catalog_price_terms(self._catalog, currency)
            await publish_plan(session, self._clock, terms)
            if version == self._catalog.version:
                self._list_terms[currency] = terms
        return terms

    def _forget_replaced_catalog(self) -> None:
        """Clear the caches if the catalog has changed since they were filled."""
        if self._catalog_version != self._catalog.version:
            self._catalog_version = self._catalog.version
            self._list_terms.clear()
            self._prices_by_terms.clear()

    def _by_model(self, *terms: PlanTerms) -> Mapping[str, ModelPrices]:
        """Return the prices by model and service tier, each from the first terms that sell it."""
        version_ids = tuple(one.version_id() for one in terms)
        prices = self._prices_by_terms.get(version_ids)
        if prices is None:
            if len(self._prices_by_terms) >= _MAX_CACHED:
                self._prices_by_terms.clear()
            prices = self._prices_by_terms[version_ids] = MappingProxyType(
                {
                    name: _model_prices(selling[0], name)
                    for model in (*self._catalog.models, *self._catalog.services)
                    if (selling := [one for one in terms if one.has_model(model)])
                    for name in _product_names(selling[0], model)
                }
            )
        return prices


def catalog_price_terms(catalog: Catalog, currency: str) -> PlanTerms:
    """Return the catalog's current list prices as plan terms."""
    return list_price_terms(currency, catalog_prices(catalog, currency))


def catalog_prices(catalog: Catalog, currency: str) -> ListPrices:
    """Return the catalog's list prices by product and meter, in nano-units per unit.

    The products are the models, the models at the service tier of batches, and the services.
    """
    priced = [model for model in catalog.models.values() if currency in model.prices]
    batch_prices = {
        product_name(model.id, BATCH_TIER): _batch_prices(model, currency) for model in priced
    }
    services = {
        one.id: one.prices[currency] for one in catalog.services.values() if currency in one.prices
    }
    return {**{model.id: model.prices[currency] for model in priced}, **batch_prices, **services}


def _batch_prices(model: Model, currency: str) -> Mapping[str, int]:
    """Return the prices of a model's calls in batches, rounded up to whole nano-units.

    Fine-tuning is no call of a batch.
    """
    return {
        meter: -(-nano * model.batch_percent // 100)
        for meter, nano in model.prices[currency].items()
        if meter != Meter.ADAPTATION_SECONDS
    }


async def _get_allowances(
    session: AsyncSession, account_id: UUID, terms: Sequence[PlanTerms], at: datetime
) -> IncludedQuotas | None:
    """Return the allowance quotas of the terms, or None if the terms have no allowances."""
    with_allowances = [one for one in terms if one.allowances]
    if not with_allowances:
        return None
    return await get_included_quotas(session, account_id, with_allowances, at)


def _price_changes(
    subscription: SubscriptionState | None,
    coverage_spans: Iterable[CoverageSpan],
    included: IncludedQuotas | None,
) -> list[datetime]:
    """Return the moments at which the account's prices or included allowances change."""
    spans = [(span.starts_at, span.ends_at) for span in coverage_spans]
    if subscription is not None:
        spans.append((subscription.phase.starts_at, subscription.phase.ends_at))
    if included is not None:
        spans.append((included.valid_from, included.valid_until))
    return [moment for span in spans for moment in span if moment is not None]


def _with_allowances(
    prices: Mapping[str, ModelPrices], included: IncludedQuotas | None
) -> Mapping[str, ModelPrices]:
    """Return the prices with the allowances that calls of each model may consume."""
    if included is None:
        return prices
    return {
        model: replace(
            model_prices,
            allowances=tuple(
                quota
                for quota in included.quotas.get(model_prices.plan_version_id, ())
                if _applies_to(quota, model, model_prices)
            ),
        )
        for model, model_prices in prices.items()
    }


def _with_packs(prices: Mapping[str, ModelPrices], packs: UsablePacks) -> Mapping[str, ModelPrices]:
    """Return the prices with the packs that calls of each model may consume, after allowances."""
    if not packs.quotas:
        return prices
    return {
        model: replace(
            one,
            allowances=one.allowances
            + tuple(quota for quota in packs.quotas if _is_paid_by(quota, model, one)),
        )
        for model, one in prices.items()
    }


def _applies_to(quota: QuotaRef, model: str, model_prices: ModelPrices) -> bool:
    """Whether an allowance covers a priced meter of a model; a shared one, only at default tier."""
    shared = quota.model == ANY_MODEL and model_prices.service_tier is None
    return (shared or quota.model == model) and model_prices.prices.get(quota.meter, 0) > 0


def _is_paid_by(pack: PackQuotaRef, product: str, model_prices: ModelPrices) -> bool:
    """Whether a pack covers a priced meter of a product: a model by default or in batches."""
    is_model = pack.model in (ANY_MODEL, model_of_product(product))
    is_tier = model_prices.service_tier in (None, BATCH_TIER)
    return is_model and is_tier and model_prices.prices.get(pack.meter, 0) > 0


def _product_names(terms: PlanTerms, model: str) -> list[str]:
    """Return the product names of a model: at the default tier and at the tiers the terms sell."""
    names = [product_name(model, tier) for tier in (None, *TIERS)]
    return [name for name in names if terms.has_model(name)]


def _model_prices(terms: PlanTerms, name: str) -> ModelPrices:
    """Return the prices of a product under the plan terms, with its service tier."""
    prices = MappingProxyType(unit_prices(terms, name))
    return ModelPrices(terms.version_id(), prices, service_tier=tier_of_product(name))
