"""Price terms of the calls that an outcome contract covers.

They are the account's regular prices at the time of the agreement, with the covered units as
allowances: covered units are free, further units cost the regular price.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.outcomes.contracts.terms import OutcomeTerms, OutcomeTermsInvalid
from billing.rating.terms import ANY_MODEL, Discount, PlanTerms
from billing.subscriptions.subscriptions import find_subscription


async def covered_call_terms(
    session: AsyncSession,
    account_id: UUID,
    at: datetime,
    contract_id: UUID,
    terms: OutcomeTerms,
    list_prices: PlanTerms,
) -> PlanTerms:
    """Return the price terms of calls that a contract covers, from plan and list prices.

    Raises OutcomeTermsInvalid if a model that is covered or named by [attribution] has no price.
    """
    standing = await find_subscription(session, account_id, at)
    plan_terms = None if standing is None else standing.terms
    _require_callable_models(terms, plan_terms, list_prices)
    return _build_covered_terms(contract_id, terms, plan_terms, list_prices)


def _build_covered_terms(
    contract_id: UUID, terms: OutcomeTerms, plan_terms: PlanTerms | None, list_prices: PlanTerms
) -> PlanTerms:
    """Build terms: the covered models' prices and discounts (plan, else list), included units."""
    models = sorted({one.model for one in terms.covered})
    sources = {model: _price_source(model, plan_terms, list_prices) for model in models}
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
            Discount(model, ppm)
            for model in models
            if (ppm := _discount_ppm(sources[model], model))
        ),
        tax_inclusive=any(source.tax_inclusive for source in sources.values()),
    )


def _price_source(model: str, plan_terms: PlanTerms | None, list_prices: PlanTerms) -> PlanTerms:
    """Return the plan's terms if they price the model, else the list prices."""
    return plan_terms if plan_terms is not None and plan_terms.has_model(model) else list_prices


def _require_callable_models(
    terms: OutcomeTerms, plan_terms: PlanTerms | None, list_prices: PlanTerms
) -> None:
    """Require a price for each model named by [attribution]. Raises OutcomeTermsInvalid."""
    for at, model in enumerate(terms.attribution.models if terms.attribution else ()):
        if not _price_source(model, plan_terms, list_prices).has_model(model):
            raise _invalid(f"attribution.models[{at}]", f"{model} has no price for the account")


def _require_prices(terms: OutcomeTerms, sources: dict[str, PlanTerms]) -> None:
    """Raise OutcomeTermsInvalid if a covered meter has no price, or only some include tax."""
    for at, one in enumerate(terms.covered):
        if sources[one.model].price(one.model, one.meter) is None:
            raise _invalid(
                f"covered[{at}]", f"{one.model} {one.meter} has no price for the account"
            )
    if len({source.tax_inclusive for source in sources.values()}) > 1:
        raise _invalid("covered", "all models must be priced either with or without tax")


def _discount_ppm(source: PlanTerms, model: str) -> int:
    """Return the discount of a model in ppm; a model's own discount overrides the general one."""
    by_model = {one.model: one.ppm for one in source.discounts}
    return by_model.get(model, by_model.get(ANY_MODEL, 0))


def _invalid(field: str, what: str) -> OutcomeTermsInvalid:
    """Return an OutcomeTermsInvalid error that names the field."""
    return OutcomeTermsInvalid(f"{field}: {what}.", param=field)
