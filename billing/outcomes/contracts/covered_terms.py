"""Covering: at which prices the calls go that are used for an effect.

They have the account's ordinary prices of the day of the agreement, with what the contract covers
as included units; so within it they cost nothing, and beyond it as ever.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.outcomes.contracts.terms import OutcomeTerms, OutcomeTermsInvalid
from billing.rating.terms import ANY_MODEL, Discount, PlanTerms
from billing.subscriptions.subscriptions import standing_of


async def covering_terms(
    session: AsyncSession,
    account_id: UUID,
    at: datetime,
    contract_id: UUID,
    terms: OutcomeTerms,
    listed: PlanTerms,
) -> PlanTerms:
    """The terms of covered calls, as the account's plan and the list are at a moment. Raises
    OutcomeTermsInvalid for a model that has no price there, whether covered or named by
    [attribution]."""
    standing = await standing_of(session, account_id, at)
    own = None if standing is None else standing.terms
    _require_callable(terms, own, listed)
    return _terms(contract_id, terms, own, listed)


def _terms(
    contract_id: UUID, terms: OutcomeTerms, own: PlanTerms | None, listed: PlanTerms
) -> PlanTerms:
    models = sorted({one.model for one in terms.covered})
    sources = {model: _source(model, own, listed) for model in models}
    _require_prices(terms, sources)
    return PlanTerms(
        plan=f"outcome_{contract_id.hex}",
        names=terms.names,
        currency=terms.currency,
        prices=tuple(
            price for model in models for price in sources[model].prices if price.model == model
        ),
        allowances=terms.covered,
        discounts=tuple(
            Discount(model, ppm) for model in models if (ppm := _discount(sources[model], model))
        ),
        tax_inclusive=any(source.tax_inclusive for source in sources.values()),
    )


def _source(model: str, own: PlanTerms | None, listed: PlanTerms) -> PlanTerms:
    return own if own is not None and own.has_model(model) else listed


def _require_callable(terms: OutcomeTerms, own: PlanTerms | None, listed: PlanTerms) -> None:
    """Only a model that the account can call may support a claim."""
    for at, model in enumerate(terms.attribution.models if terms.attribution else ()):
        if not _source(model, own, listed).has_model(model):
            raise _invalid(f"attribution.models[{at}]", f"{model} has no price for the account")


def _require_prices(terms: OutcomeTerms, sources: dict[str, PlanTerms]) -> None:
    for at, one in enumerate(terms.covered):
        if sources[one.model].price(one.model, one.meter) is None:
            raise _invalid(
                f"covered[{at}]", f"{one.model} {one.meter} has no price for the account"
            )
    if len({source.tax_inclusive for source in sources.values()}) > 1:
        raise _invalid("covered", "some of the models are priced with tax and some without")


def _discount(source: PlanTerms, model: str) -> int:
    """One of a model takes the place of the one for all."""
    by_model = {one.model: one.ppm for one in source.discounts}
    return by_model.get(model, by_model.get(ANY_MODEL, 0))


def _invalid(field: str, what: str) -> OutcomeTermsInvalid:
    return OutcomeTermsInvalid(f"{field}: {what}.", param=field)
