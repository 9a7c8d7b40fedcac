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
from billing.rating.toml import field_message
from infra.errors import AppError
from infra.sentences import Sentence, message_of, sentence

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
            sentence("must be an identifier (letters, digits, `_`) of at most 60 characters"),
        )
        has_names = "en" in self.names and "zh" in self.names
        _require(has_names, "names", sentence("must have en and zh"))
        for name, limit in (("fixed_fee", _MAX_MINOR_UNITS), ("minimum", _MAX_MINOR_UNITS)):
            in_range = 0 <= getattr(self, name) <= limit
            _require(in_range, name, sentence("must not be negative or above the maximum"))
        _require(0 <= self.trial_days <= 730, "trial_days", sentence("must be 0 to 730"))
        in_range = self.spend_cap is None or 0 <= self.spend_cap <= 10**18
        _require(in_range, "spend_cap", sentence("is out of range"))
        try:
            require_currency(self.currency)
        except ValueError as error:
            message = field_message("currency", message_of(error))
            raise TermsInvalid(message, param="currency") from None
        self._require_unique_entries()
        self._require_valid_references()
        self._require_valid_add_ons()
        digest = hashlib.sha256(self.canonical_json()).digest()
        object.__setattr__(self, "_version_id", UUID(bytes=digest[:16]))

    def _require_unique_entries(self) -> None:
        """Raise TermsInvalid if two prices, allowances or discounts share a model and meter."""
        named: dict[str, list[tuple[str, ...]]] = {
            "price": [(price.model, price.meter) for price in self.prices],
            "allowance": [(one.model, one.meter) for one in self.allowances],
            "discount": [(one.model,) for one in self.discounts],
            "add_on": [(one.name,) for one in self.add_ons],
        }
        for name, keys in named.items():
            seen: set[tuple[str, ...]] = set()
            for at, key in enumerate(keys):
                if key in seen:
                    message = sentence("{entry} occurs twice", entry=" ".join(key))
                    raise _invalid(f"{name}[{at}]", message)
                seen.add(key)

    def _require_valid_references(self) -> None:
        """Raise TermsInvalid if an entry names an unpriced model or meter, or is out of range."""
        priced = {(price.model, price.meter) for price in self.prices}
        models, meters = {model for model, _ in priced}, {meter for _, meter in priced}
        for at, price in enumerate(self.prices):
            if price.model == ANY_MODEL:
                raise _invalid(f"price[{at}]", sentence("must name one model"))
            if price.meter not in METERS:
                message = sentence("the meter must be one of {meters}", meters=", ".join(METERS))
                raise _invalid(f"price[{at}]", message)
        for at, one in enumerate(self.allowances):
            any_price = one.model == ANY_MODEL and one.meter in meters
            has_price = any_price or (one.model, one.meter) in priced
            message = sentence("{entry} has no price", entry=f"{one.model} {one.meter}")
            _require(has_price, f"allowance[{at}]", message)
            in_range = 0 < one.quantity <= _MAX_ALLOWANCE_UNITS
            _require(in_range, f"allowance[{at}]", sentence("the quantity is out of range"))
        for at, discount in enumerate(self.discounts):
            is_priced = discount.model in {ANY_MODEL, *models}
            message = sentence("the plan has no price of the model {model}", model=discount.model)
            _require(is_priced, f"discount[{at}]", message)
            message = sentence("must be more than 0 and at most 100 %")
            _require(0 < discount.ppm <= PPM, f"discount[{at}]", message)

    def _require_valid_add_ons(self) -> None:
        """Raise TermsInvalid if an add-on is out of range, or includes what the plan does not."""
        included = {(one.model, one.meter) for one in self.allowances}
        for at, one in enumerate(self.add_ons):
            field = f"add_on[{at}]"
            is_name = one.name.isidentifier() and one.name.isascii() and len(one.name) <= 60
            message = sentence("the name must be an identifier of at most 60 characters")
            _require(is_name, field, message)
            has_names = "en" in one.names and "zh" in one.names
            _require(has_names, field, sentence("names must have en and zh"))
            in_range = 0 < one.fee <= _MAX_MINOR_UNITS and 0 < one.max_quantity <= 10_000
            _require(in_range, field, sentence("fee or max_quantity is out of range"))
            for units in one.allowances:
                target = f"{units.model} {units.meter}"
                has_allowance = (units.model, units.meter) in included
                message = sentence("the plan has no allowance of {entry}", entry=target)
                _require(has_allowance, field, message)
                in_range = 0 < units.quantity <= _MAX_ALLOWANCE_UNITS // one.max_quantity
                message = sentence("the quantity of {entry} is out of range", entry=target)
                _require(in_range, field, message)

    def add_on(self, name: str) -> AddOn | None:
        """Return the add-on with a name, or None if the terms offer none."""
        return next((one for one in self.add_ons if one.name == name), None)

    def require_add_on(self, name: str) -> AddOn:
        """Return the add-on with a name, which the terms must offer. Raises TermsInvalid."""
        found = self.add_on(name)
        if found is None:
            raise TermsInvalid(
                sentence("The plan has no add-on {name}.", name=repr(name[:60])), param="add_on"
            )
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


def _require(condition: bool, field: str, message: Sentence) -> None:
    """Raise TermsInvalid for the field, with the message, if the condition is false."""
    if not condition:
        raise _invalid(field, message)


def _invalid(field: str, message: Sentence) -> TermsInvalid:
    """Return the error of a field."""
    return TermsInvalid(field_message(field, message), param=field)
