"""Plan terms: all that a plan version says about money, as one immutable value.

    terms = fixed fee + allowances + prices by model and meter + discounts + minimum + spend cap

Owns the value, its rules, and its one canonical JSON form, whose SHA-256 is the version's id: who
holds the text can prove which terms a bill was made under. Pure.
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
from billing.rating.prices import Graduated, Package, PerUnit, Price, Tier, Volume
from billing.rating.quantities import METERS
from infra.errors import AppError

ANY_MODEL = "*"
LIST_PLAN = "list"  # what the catalog says; nobody publishes it
_MOST_MINOR = 10**13
_MOST_UNITS = 10**15


class TermsInvalid(AppError):
    """A plan's terms are incomplete, absurd or contradict themselves."""

    status = 400
    type = "invalid_request_error"
    code = "plan_terms_invalid"


class Interval(StrEnum):
    """How often the fixed fee falls due, in advance."""

    MONTH = "month"
    YEAR = "year"


class Alignment(StrEnum):
    """Where billing periods begin: with the calendar month, or on the day of subscribing."""

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

    Of one model, or of all models together (`*`): then the dearest is covered first.
    """

    model: str
    meter: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Discount:
    """Parts per million off what the usage of a model (or of all, `*`) comes to."""

    model: str
    ppm: int


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """One version of a plan. Fees and minimum in minor units, the spend cap in nano-units.

    `tax_inclusive` says that all its amounts include tax, where the account pays any. Raises
    TermsInvalid.
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
    # Told for every line that is made, so it is worked out once.
    _version_id: UUID = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _require(self.plan.isidentifier() and len(self.plan) <= 60, "plan", "is a short name")
        _require("en" in self.names and "zh" in self.names, "names", "needs en and zh")
        for name, most in (("fixed_fee", _MOST_MINOR), ("minimum", _MOST_MINOR)):
            _require(0 <= getattr(self, name) <= most, name, "is negative or absurd")
        _require(0 <= self.trial_days <= 730, "trial_days", "is 0 to 730")
        _require(self.spend_cap is None or 0 <= self.spend_cap <= 10**18, "spend_cap", "is absurd")
        try:
            require_currency(self.currency)
        except ValueError as error:
            raise TermsInvalid(f"currency: {error}.", param="currency") from None
        self._require_once()
        self._require_of_something()
        digest = hashlib.sha256(self.text()).digest()
        object.__setattr__(self, "_version_id", UUID(bytes=digest[:16]))

    def _require_once(self) -> None:
        named: dict[str, list[tuple[str, ...]]] = {
            "prices": [(price.model, price.meter) for price in self.prices],
            "allowances": [(one.model, one.meter) for one in self.allowances],
            "discounts": [(one.model,) for one in self.discounts],
        }
        for name, keys in named.items():
            twice = next((" ".join(key) for key in keys if keys.count(key) > 1), None)
            _require(twice is None, name, f"{twice} is there twice")

    def _require_of_something(self) -> None:
        priced = {(price.model, price.meter) for price in self.prices}
        models, meters = {model for model, _ in priced}, {meter for _, meter in priced}
        _require(ANY_MODEL not in models, "prices", "are of one model each")
        _require(meters <= set(METERS), "prices", f"are for {', '.join(METERS)}")
        for one in self.allowances:
            there = one.meter in meters if one.model == ANY_MODEL else (one.model, one.meter)
            what = f"{one.model} {one.meter}"
            _require(there is True or there in priced, "allowances", f"{what} has no price")
            _require(0 < one.quantity <= _MOST_UNITS, "allowances", f"of {what} so many are absurd")
        for discount in self.discounts:
            known = discount.model in {ANY_MODEL, *models}
            _require(known, "discounts", f"{discount.model} has no price here")
            _require(0 < discount.ppm <= PPM, "discounts", "are more than 0 and at most 100 %")

    def price(self, model: str, meter: str) -> Price | None:
        """What a meter of a model costs; None where the plan says nothing of it."""
        found = (one.price for one in self.prices if (one.model, one.meter) == (model, meter))
        return next(found, None)

    def has_model(self, model: str) -> bool:
        return any(one.model == model for one in self.prices)

    def text(self) -> bytes:
        """The canonical JSON: sorted keys, no spaces, defaults spelled out."""
        return msgspec.json.encode(_as_json(self), order="sorted")

    def version_id(self) -> UUID:
        """The first 16 bytes of the text's SHA-256; the same terms have the same id everywhere."""
        return self._version_id


@lru_cache(maxsize=1024)
def read_terms(text: bytes) -> PlanTerms:
    """The reverse of `PlanTerms.text`; the same text is read once, as terms never change."""
    said = msgspec.json.decode(text)
    return PlanTerms(
        **{
            **said,
            "names": MappingProxyType(said["names"]),
            "prices": tuple(
                ModelPrice(one["model"], one["meter"], price_from_json(one["price"]))
                for one in said["prices"]
            ),
            "allowances": tuple(Allowance(**one) for one in said["allowances"]),
            "discounts": tuple(Discount(**one) for one in said["discounts"]),
            "interval": Interval(said["interval"]),
            "alignment": Alignment(said["alignment"]),
        }
    )


def price_json(price: Price) -> dict[str, Any]:
    """A price as JSON says it, in nano-units."""
    match price:
        case PerUnit(unit):
            return {"kind": "per_unit", "unit": unit}
        case Package(size, amount):
            return {"kind": "package", "size": size, "amount": amount}
        case Graduated(tiers):
            return {"kind": "graduated", "tiers": [msgspec.to_builtins(tier) for tier in tiers]}
    return {"kind": "volume", "tiers": [msgspec.to_builtins(tier) for tier in price.tiers]}


def price_from_json(said: dict[str, Any]) -> Price:
    """The reverse of `price_json`."""
    kind = said["kind"]
    if kind == "per_unit":
        return PerUnit(said["unit"])
    if kind == "package":
        return Package(said["size"], said["amount"])
    tiers = tuple(Tier(**tier) for tier in said["tiers"])
    return Graduated(tiers) if kind == "graduated" else Volume(tiers)


def _as_json(terms: PlanTerms) -> dict[str, Any]:
    names = [name for name in PlanTerms.__slots__ if not name.startswith("_")]
    said = {name: getattr(terms, name) for name in names}
    prices = [
        {"model": one.model, "meter": one.meter, "price": price_json(one.price)}
        for one in terms.prices
    ]
    return {**said, "names": dict(terms.names), "prices": prices}


def _require(holds: bool, field: str, otherwise: str) -> None:
    if not holds:
        raise TermsInvalid(f"{field}: {otherwise}.", param=field)
