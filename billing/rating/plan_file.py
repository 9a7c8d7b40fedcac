"""Parser for the TOML file from which an operator publishes a plan.

Amounts are decimal strings in the plan's currency; prices are for `per` units of the meter. The
terms themselves are defined in billing/rating/terms.py.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from types import MappingProxyType
from typing import Literal

import msgspec

from billing.money import minor_from_text, nano_from_text, ppm_from_percent
from billing.rating.add_on_file import AddOnFile, build_add_ons
from billing.rating.payment_file import PaymentFile, build_payment_terms
from billing.rating.price_kinds.per_unit import PerUnit
from billing.rating.price_kinds.price_fields import PriceFields
from billing.rating.price_kinds.registry import price_from_fields
from billing.rating.products import model_of_product, product_name, tier_of_product
from billing.rating.terms import (
    LIST_PLAN,
    PACK_PLAN,
    Alignment,
    Allowance,
    Discount,
    Interval,
    ModelPrice,
    PlanTerms,
    TermsInvalid,
)
from billing.rating.tier_files import TierFile, add_tier_prices
from billing.rating.toml import field_message, parse_toml, read_field, with_line_number
from billing.translations.catalog import LOCALES, billing_texts
from infra.sentences import sentence
from infra.translations import gettext_noop

# Model -> meter -> price of one unit in nano-units of the plan's currency.
ListPrices = Mapping[str, Mapping[str, int]]
_read_field = partial(read_field, TermsInvalid)


class _PriceFile(PriceFields, forbid_unknown_fields=True, kw_only=True):
    """A `[[price]]` table: the price of a model's meter, optionally at a service tier."""

    model: str
    meter: str
    tier: Literal["priority", "flex", "batch"] | None = None


class _AllowanceFile(msgspec.Struct, forbid_unknown_fields=True):
    """An `[[allowance]]` table: included units per billing period."""

    meter: str
    quantity: int
    model: str = "*"


class _DiscountFile(msgspec.Struct, forbid_unknown_fields=True):
    """A `[[discount]]` table: a percentage off a model's usage charges."""

    percent: str
    model: str = "*"


class _PlanFile(msgspec.Struct, forbid_unknown_fields=True):
    """The top level of a plan file."""

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
    payment: PaymentFile | None = None
    add_on: list[AddOnFile] = []


def parse_plan_file(text: str, list_prices: Callable[[str], ListPrices]) -> PlanTerms:
    """Parse a plan file into plan terms.

    With `list_prices = true` each model without its own price gets the current list prices from
    `list_prices(currency)`. They are copied into the terms, so later changes of the list do not
    affect the plan. Raises TermsInvalid or PriceInvalid with the field and, if known, its line.
    """
    return with_line_number(
        text,
        lambda: _build_terms(
            parse_toml(text, _PlanFile, sentence("The plan"), TermsInvalid), list_prices
        ),
    )


def _build_terms(file: _PlanFile, list_prices: Callable[[str], ListPrices]) -> PlanTerms:
    """Build the plan terms. Raises TermsInvalid or PriceInvalid with the field."""
    own = tuple(
        ModelPrice(
            product_name(one.model, one.tier),
            one.meter,
            _read_field(f"price[{at}]", partial(price_from_fields, one)),
        )
        for at, one in enumerate(file.price)
    )
    if file.plan == LIST_PLAN:
        message = sentence(
            "the name {name} is reserved for the catalog's list prices", name=LIST_PLAN
        )
        raise TermsInvalid(field_message("plan", message), param="plan")
    if file.plan == PACK_PLAN:
        message = sentence("the name {name} is reserved for packs", name=PACK_PLAN)
        raise TermsInvalid(field_message("plan", message), param="plan")
    listed = list_prices(file.currency) if file.list_prices else {}
    listed = {
        name: meters for name, meters in listed.items() if not _is_restated(name, listed, file)
    }
    return PlanTerms(
        plan=file.plan,
        names=MappingProxyType(file.names),
        currency=file.currency,
        prices=add_tier_prices(
            (*own, *_list_model_prices(listed, {one.model for one in own})), file.tier
        ),
        allowances=tuple(Allowance(one.model, one.meter, one.quantity) for one in file.allowance),
        discounts=tuple(
            Discount(
                one.model, _read_field(f"discount[{at}]", partial(ppm_from_percent, one.percent))
            )
            for at, one in enumerate(file.discount)
        ),
        fixed_fee=_read_field("fixed_fee", lambda: minor_from_text(file.fixed_fee, file.currency)),
        interval=file.interval,
        alignment=file.alignment,
        trial_days=file.trial_days,
        minimum=_read_field("minimum", lambda: minor_from_text(file.minimum, file.currency)),
        spend_cap=_read_field(
            "spend_cap", lambda: None if file.spend_cap is None else nano_from_text(file.spend_cap)
        ),
        tax_inclusive=file.tax_inclusive,
        payment=_read_field("payment", partial(build_payment_terms, file.payment, file.currency)),
        add_ons=_read_field("add_on", partial(build_add_ons, file.add_on, file.currency)),
    )


def _is_restated(product: str, listed: ListPrices, file: _PlanFile) -> bool:
    """Return whether a plan file states the price of a listed product at a service tier itself.

    That is a `[[tier]]` table for it, or an own price of its model: the list's discount would apply
    to the list's price.
    """
    model, tier_name = model_of_product(product), tier_of_product(product)
    if tier_name is None:
        return False
    return any(one.model == model for one in file.price) or any(
        tier.name == tier_name
        and (model in tier.models if tier.models else "output_tokens" in listed[product])
        for tier in file.tier
    )


def list_price_terms(currency: str, list_prices: ListPrices) -> PlanTerms:
    """Return the pay-as-you-go terms: for accounts without a plan, or models their plan lacks."""
    return PlanTerms(
        plan=LIST_PLAN,
        names=_list_plan_names(),
        currency=currency,
        prices=_list_model_prices(list_prices, set()),
    )


@cache
def _list_plan_names() -> Mapping[str, str]:
    """Return the display names of the pay-as-you-go price list, by locale."""
    name = gettext_noop("Pay as you go")
    return MappingProxyType({locale: billing_texts(locale).text(name) for locale in LOCALES})


def _list_model_prices(listed: ListPrices, excluded: set[str]) -> tuple[ModelPrice, ...]:
    """Return per-unit prices from the list prices, without the models in `excluded`."""
    return tuple(
        ModelPrice(model, meter, PerUnit(unit))
        for model, meters in sorted(listed.items())
        if model not in excluded
        for meter, unit in sorted(meters.items())
    )
