"""Plan files: what an operator writes to publish a plan (TOML), read into plan terms.

Amounts are decimal texts in the plan's currency, prices for `per` units of the meter, so that a
person writes what the price list says. Owns the file's fields and their checks; what the terms
mean is in billing/rating/terms.py. Pure.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Literal

import msgspec

from billing.money import minor_from_text, nano_from_text
from billing.rating.price_file import PriceFields, ppm_from_text, price_of
from billing.rating.prices import PerUnit
from billing.rating.products import product
from billing.rating.terms import (
    LIST_PLAN,
    Alignment,
    Allowance,
    Discount,
    Interval,
    ModelPrice,
    PlanTerms,
    TermsInvalid,
)
from billing.rating.tier_files import TierFile, with_tiers
from billing.rating.toml import shaped, told, with_line

# Of each model, nano-units of the plan's currency for one unit of a meter.
ListPrices = Mapping[str, Mapping[str, int]]
_told = partial(told, TermsInvalid)


class _PriceFile(PriceFields, forbid_unknown_fields=True, kw_only=True):
    model: str
    meter: str
    tier: Literal["priority", "flex"] | None = None


class _AllowanceFile(msgspec.Struct, forbid_unknown_fields=True):
    meter: str
    quantity: int
    model: str = "*"


class _DiscountFile(msgspec.Struct, forbid_unknown_fields=True):
    percent: str
    model: str = "*"


class _PlanFile(msgspec.Struct, forbid_unknown_fields=True):
    plan: str
    names: dict[str, str]
    currency: str
    fixed_fee: str = "0"
    interval: Interval = Interval.MONTH
    alignment: Alignment = Alignment.CALENDAR
    trial_days: int = 0
    minimum: str = "0"
    spend_cap: str | None = None
    tax_inclusive: bool = False
    list_prices: bool = False
    price: list[_PriceFile] = []
    tier: list[TierFile] = []
    allowance: list[_AllowanceFile] = []
    discount: list[_DiscountFile] = []


def read_plan_file(text: str, list_prices: Callable[[str], ListPrices]) -> PlanTerms:
    """The terms that the file states.

    With `list_prices = true` each model without a price of its own takes those that
    `list_prices(currency)` gives now; they are written into the terms, so a later change of the
    list does not reach them. Raises TermsInvalid, PriceInvalid naming the field, and its line
    where that is known.
    """
    return with_line(
        text, lambda: _terms(shaped(text, _PlanFile, "The plan", TermsInvalid), list_prices)
    )


def _terms(file: _PlanFile, list_prices: Callable[[str], ListPrices]) -> PlanTerms:
    own = tuple(
        ModelPrice(
            product(one.model, one.tier), one.meter, _told(f"price[{at}]", partial(price_of, one))
        )
        for at, one in enumerate(file.price)
    )
    if file.plan == LIST_PLAN:
        raise TermsInvalid(f"plan: {LIST_PLAN!r} is what the catalog says.", param="plan")
    listed = list_prices(file.currency) if file.list_prices else {}
    return PlanTerms(
        plan=file.plan,
        names=MappingProxyType(file.names),
        currency=file.currency,
        prices=with_tiers((*own, *_from_list(listed, {one.model for one in own})), file.tier),
        allowances=tuple(Allowance(one.model, one.meter, one.quantity) for one in file.allowance),
        discounts=tuple(
            Discount(one.model, _told(f"discount[{at}]", partial(ppm_from_text, one.percent)))
            for at, one in enumerate(file.discount)
        ),
        fixed_fee=_told("fixed_fee", lambda: minor_from_text(file.fixed_fee, file.currency)),
        interval=file.interval,
        alignment=file.alignment,
        trial_days=file.trial_days,
        minimum=_told("minimum", lambda: minor_from_text(file.minimum, file.currency)),
        spend_cap=_told(
            "spend_cap", lambda: None if file.spend_cap is None else nano_from_text(file.spend_cap)
        ),
        tax_inclusive=file.tax_inclusive,
    )


def list_terms(currency: str, list_prices: ListPrices) -> PlanTerms:
    """The terms of whoever has no plan, or calls a model that the plan does not know: the list."""
    return PlanTerms(
        plan=LIST_PLAN,
        names=MappingProxyType({"en": "Pay as you go", "zh": "按量付费"}),
        currency=currency,
        prices=_from_list(list_prices, set()),
    )


def _from_list(listed: ListPrices, but: set[str]) -> tuple[ModelPrice, ...]:
    return tuple(
        ModelPrice(model, meter, PerUnit(unit))
        for model, meters in sorted(listed.items())
        if model not in but
        for meter, unit in sorted(meters.items())
    )
