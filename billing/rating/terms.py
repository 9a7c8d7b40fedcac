"""Plan terms: the immutable price terms of a plan version, and their canonical JSON.

    terms = fixed fee + allowances + prices by model and meter + discounts + minimum + spend cap

The SHA-256 of the canonical JSON is the version's id, so the JSON proves which terms an invoice
was made under. The field names and the encoding must therefore never change.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec

from billing.money import PPM, require_currency
from billing.rating.payment_terms import PaymentTerms, parse_payment_terms
from billing.rating.price_kinds.price import Price
from billing.rating.price_kinds.registry import price_from_json
from billing.rating.quantities import METERS
from infra.errors import AppError

ANY_MODEL = "*"
LIST_PLAN = "list"  # reserved name of the pay-as-you-go terms made from the model catalog
PACK_PLAN = "prepaid_packs"  # reserved name of the terms that state the price of a prepaid pack
_MAX_MINOR_UNITS = 10**13
_MAX_ALLOWANCE_UNITS = 10**15


class TermsInvalid(AppError):
    """The plan's terms are incomplete, out of range or inconsistent."""

    status = 400
    type = "invalid_request_error"
    code = "plan_terms_invalid"


class Interval(StrEnum):
    """Billing interval of the fixed fee, which is due in advance."""

    MONTH = "month"
    YEAR = "year"


class Alignment(StrEnum):
    """Billing anchor: periods begin with the calendar month or on the subscription's day."""

    CALENDAR = "calendar"
    ANNIVERSARY = "anniversary"


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """The price of one meter of one model."""

    model: str
    meter: str
    price: Price


@dataclass(frozen=True, slots=True)
class Allowance:
    """Units of a meter that the fixed fee includes in each billing period.

    For one model or for all models (`*`); then the most expensive units are covered first.
    """

    model: str
    meter: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Discount:
    """A discount in parts per million on the usage charges of a model (or of all, `*`)."""

    model: str
    ppm: int


@dataclass(frozen=True, slots=True)
class AddOn:
    """An item that customers add to the plan, for a fee in minor units per interval of the plan.

    Each one includes further units of allowances of the plan per billing period.
    """

    name: str
    names: Mapping[str, str]
    fee: int
    max_quantity: int
    allowances: tuple[Allowance, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """The terms of one plan version. Fee and minimum in minor units, spend cap in nano-units.

    With `tax_inclusive` all amounts include tax. Raises TermsInvalid.
    """

    plan: str
    names: Mapping[str, str]
    currency: str
    prices: tuple[ModelPrice, ...]
    allowances: tuple[Allowance, ...] = ()
    discounts: tuple[Discount, ...] = ()
    fixed_fee: int = 0
    interval: Interval = Interval.MONTH
    alignment: Alignment = Alignment.CALENDAR
    trial_days: int = 0
    minimum: int = 0
    spend_cap: int | None = None
    tax_inclusive: bool = False
    payment: PaymentTerms | None = None
    add_ons: tuple[AddOn, ...] = ()
    # Computed once, because every statement line needs it.
    _version_id: UUID = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _require(
            self.plan.isidentifier() and len(self.plan) <= 60,
            "plan",
            "must be an identifier (letters, digits, `_`) of at most 60 characters",
        )
        _require("en" in self.names and "zh" in self.names, "names", "must have en and zh")
        for name, limit in (("fixed_fee", _MAX_MINOR_UNITS), ("minimum", _MAX_MINOR_UNITS)):
            _require(
                0 <= getattr(self, name) <= limit, name, "must not be negative or above the maximum"
            )
        _require(0 <= self.trial_days <= 730, "trial_days", "is 0 to 730")
        _require(
            self.spend_cap is None or 0 <= self.spend_cap <= 10**18, "spend_cap", "is out of range"
        )
        try:
            require_currency(self.currency)
        except ValueError as error:
            raise TermsInvalid(f"currency: {error}.", param="currency") from None
        self._require_unique_entries()
        self._require_valid_references()
        self._require_valid_add_ons()
        digest = hashlib.sha256(self.canonical_json()).digest()
        object.__setattr__(self, "_version_id", UUID(bytes=digest[:16]))

    def _require_unique_entries(self) -> None:
        """Raise TermsInvalid if two prices, allowances or discounts share a model and meter."""
        named: dict[str, list[tuple[str, ...]]] = {
            "prices": [(price.model, price.meter) for price in self.prices],
            "allowances": [(one.model, one.meter) for one in self.allowances],
            "discounts": [(one.model,) for one in self.discounts],
            "add_ons": [(one.name,) for one in self.add_ons],
        }
        for name, keys in named.items():
            duplicate = next((" ".join(key) for key in keys if keys.count(key) > 1), None)
            _require(duplicate is None, name, f"contains {duplicate} twice")

    def _require_valid_references(self) -> None:
        """Raise TermsInvalid if an entry names an unpriced model or meter, or is out of range."""
        priced = {(price.model, price.meter) for price in self.prices}
        models, meters = {model for model, _ in priced}, {meter for _, meter in priced}
        _require(ANY_MODEL not in models, "prices", "must each name one model")
        _require(meters <= set(METERS), "prices", f"must be for the meters {', '.join(METERS)}")
        for one in self.allowances:
            has_price = one.meter in meters if one.model == ANY_MODEL else (one.model, one.meter)
            target = f"{one.model} {one.meter}"
            _require(
                has_price is True or has_price in priced, "allowances", f"{target} has no price"
            )
            _require(
                0 < one.quantity <= _MAX_ALLOWANCE_UNITS,
                "allowances",
                f"the quantity of {target} is out of range",
            )
        for discount in self.discounts:
            is_priced = discount.model in {ANY_MODEL, *models}
            _require(
                is_priced,
                "discounts",
                f"name the model {discount.model}, which has no price in this plan",
            )
            _require(0 < discount.ppm <= PPM, "discounts", "must be more than 0 and at most 100 %")

    def _require_valid_add_ons(self) -> None:
        """Raise TermsInvalid if an add-on is out of range, or includes what the plan does not."""
        included = {(one.model, one.meter) for one in self.allowances}
        for one in self.add_ons:
            is_name = one.name.isidentifier() and one.name.isascii() and len(one.name) <= 60
            _require(is_name, "add_ons", "must have names that are identifiers of at most 60")
            _require("en" in one.names and "zh" in one.names, "add_ons", "must have en and zh")
            in_range = 0 < one.fee <= _MAX_MINOR_UNITS and 0 < one.max_quantity <= 10_000
            _require(in_range, "add_ons", f"the fee or max_quantity of {one.name} is out of range")
            for units in one.allowances:
                target = f"{units.model} {units.meter}"
                has_allowance = (units.model, units.meter) in included
                _require(has_allowance, "add_ons", f"the plan has no allowance of {target}")
                in_range = 0 < units.quantity <= _MAX_ALLOWANCE_UNITS // one.max_quantity
                _require(in_range, "add_ons", f"the quantity of {target} is out of range")

    def add_on(self, name: str) -> AddOn | None:
        """Return the add-on with a name, or None if the terms offer none."""
        return next((one for one in self.add_ons if one.name == name), None)

    def require_add_on(self, name: str) -> AddOn:
        """Return the add-on with a name, which the terms must offer. Raises TermsInvalid."""
        found = self.add_on(name)
        if found is None:
            raise TermsInvalid(f"The plan has no add-on {name[:60]!r}.", param="add_on")
        return found

    def price(self, model: str, meter: str) -> Price | None:
        """Return the price of a model's meter, or None if the terms have none."""
        matching = (one.price for one in self.prices if (one.model, one.meter) == (model, meter))
        return next(matching, None)

    def has_model(self, model: str) -> bool:
        """Return whether the terms price a model."""
        return any(one.model == model for one in self.prices)

    def canonical_json(self) -> bytes:
        """Return the canonical JSON: sorted keys, no spaces, defaults written out."""
        return msgspec.json.encode(_terms_json(self), order="sorted")

    def version_id(self) -> UUID:
        """Return the version id: the first 16 bytes of the canonical JSON's SHA-256."""
        return self._version_id


@lru_cache(maxsize=1024)
def parse_terms(text: bytes) -> PlanTerms:
    """Parse `PlanTerms.canonical_json`. Cached, as terms never change."""
    payload = msgspec.json.decode(text)
    return PlanTerms(
        **{
            **payload,
            "names": MappingProxyType(payload["names"]),
            "prices": tuple(
                ModelPrice(one["model"], one["meter"], price_from_json(one["price"]))
                for one in payload["prices"]
            ),
            "allowances": tuple(Allowance(**one) for one in payload["allowances"]),
            "discounts": tuple(Discount(**one) for one in payload["discounts"]),
            "interval": Interval(payload["interval"]),
            "alignment": Alignment(payload["alignment"]),
            **_parse_payment(payload),
            "add_ons": tuple(_parse_add_on(one) for one in payload.get("add_ons", ())),
        }
    )


def _parse_add_on(payload: dict[str, Any]) -> AddOn:
    """Return an add-on from its JSON."""
    allowances = tuple(Allowance(**one) for one in payload["allowances"])
    return AddOn(
        **{**payload, "names": MappingProxyType(payload["names"]), "allowances": allowances}
    )


def _parse_payment(payload: dict[str, Any]) -> dict[str, PaymentTerms]:
    """Return the payment terms as an argument of PlanTerms, if the JSON has them."""
    value = payload.get("payment")
    return {} if value is None else {"payment": parse_payment_terms(value)}


def _terms_json(terms: PlanTerms) -> dict[str, Any]:
    """Return the JSON object of plan terms, with all defaults; its hash is the version id."""
    names = [name for name in PlanTerms.__slots__ if not name.startswith("_")]
    fields_json = {name: getattr(terms, name) for name in names}
    if terms.payment is None:
        del fields_json["payment"]  # terms from before there were payment terms keep their id
    del fields_json["add_ons"]  # as those from before there were add-ons
    if terms.add_ons:
        fields_json["add_ons"] = [
            {
                "name": one.name,
                "names": dict(one.names),
                "fee": one.fee,
                "max_quantity": one.max_quantity,
                "allowances": one.allowances,
            }
            for one in terms.add_ons
        ]
    prices = [
        {"model": one.model, "meter": one.meter, "price": one.price.to_json()}
        for one in terms.prices
    ]
    return {**fields_json, "names": dict(terms.names), "prices": prices}


def _require(condition: bool, field: str, message: str) -> None:
    """Raise TermsInvalid for the field, with the message, if the condition is false."""
    if not condition:
        raise TermsInvalid(f"{field}: {message}.", param=field)
