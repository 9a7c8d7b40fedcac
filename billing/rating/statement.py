"""A statement: what the usage of one billing period comes to under one version of terms.

    quantities by model -> meters -> less allowances -> price -> rounded line
                        -> discounts -> minimum

The one place that knows this order; the preview, the running total, the credit that is left and the
invoice all read it here. Pure: no clock, no database.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from uuid import UUID

from billing.money import PPM, nano_per_minor, rounded
from billing.rating.prices import Price, amount_of, reserve_of, slope_of
from billing.rating.products import tier_of
from billing.rating.quantities import NOTHING, Quantities
from billing.rating.terms import ANY_MODEL, Allowance, PlanTerms

_Place = tuple[str, str]  # model, meter


class LineKind(StrEnum):
    """What an invoice line is for."""

    FIXED_FEE = "fixed_fee"
    UNUSED_FEE = "unused_fee"  # the paid fee of a plan that was left, given back
    USAGE = "usage"
    LATE_USAGE = "late_usage"  # of an earlier period, known after its invoice was final
    DISCOUNT = "discount"
    MINIMUM = "minimum"  # what is missing to the plan's minimum
    OUTCOME = "outcome"  # what an outcome contract comes to in a month


@dataclass(frozen=True, slots=True)
class Line:
    """One invoice line; `minor` in the terms' currency, before tax unless they include it.

    Of usage, `quantity` units were used and `included` of them cost nothing. `starts_at` and
    `ends_at` say for which time a fee is, or an outcome's charge, which `charge_id` names.
    """

    kind: LineKind
    minor: int
    version_id: UUID
    model: str | None = None
    meter: str | None = None
    quantity: int | None = None
    included: int = 0
    price: Price | None = None
    ppm: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    charge_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Consumed:
    """What a period counts of one model under one version of terms; `late` of earlier periods."""

    model: str
    quantities: Quantities
    late: Quantities = NOTHING


@dataclass(frozen=True, slots=True)
class Running:
    """A period that is not over: nano-units so far, and what is held beside them (see prices)."""

    amount: int
    reserve: int


@dataclass(frozen=True, slots=True)
class AllowanceTaken:
    """An allowance, how many units it has for the time it holds, and what took them."""

    allowance: Allowance
    quantity: int
    units: Mapping[_Place, int]

    @property
    def taken(self) -> int:
        return sum(self.units.values())


@dataclass(frozen=True, slots=True)
class _Metered:
    """Units of one meter of one model, and how many of them are included."""

    price: Price
    on_time: int
    late: int
    included: int = 0

    @property
    def late_included(self) -> int:
        return max(0, self.included - self.on_time)

    @property
    def on_time_nano(self) -> int:
        return amount_of(self.price, max(0, self.on_time - self.included))

    @property
    def nano(self) -> int:
        return amount_of(self.price, self.on_time + self.late - self.included)


def usage_lines(terms: PlanTerms, share: Fraction, consumed: Iterable[Consumed]) -> list[Line]:
    """The lines of usage, discounts and minimum, in the order of the terms.

    `share` is how much of the billing period the terms were in force: allowances and the minimum
    are that part of the whole.
    """
    metered = _covered(terms, share, consumed)
    unit, version = nano_per_minor(terms.currency), terms.version_id()
    lines: list[Line] = []
    for (model, meter), one in metered.items():
        on_time = rounded(Fraction(one.on_time_nano, unit))
        if one.on_time:
            included = min(one.included, one.on_time)
            place = (version, model, meter, one.on_time, included, one.price)
            lines.append(Line(LineKind.USAGE, on_time, *place))
        if one.late:
            minor = rounded(Fraction(one.nano - one.on_time_nano, unit))
            place = (version, model, meter, one.late, one.late_included, one.price)
            lines.append(Line(LineKind.LATE_USAGE, minor, *place))
    lines += _discounts(terms, lines)
    missing = rounded(terms.minimum * share) - sum(line.minor for line in lines)
    if missing > 0:
        lines.append(Line(LineKind.MINIMUM, missing, version))
    return lines


def running(terms: PlanTerms, share: Fraction, consumed: Iterable[Consumed]) -> Running:
    """What usage comes to so far; a minimum counts only when the period is over."""
    amount = reserve = Fraction(0)
    metered = _covered(terms, share, consumed)
    for one in terms.prices:
        part = _part_to_pay(terms, one.model)
        used = metered.get((one.model, one.meter), _Metered(one.price, 0, 0))
        amount += used.nano * part
        units = used.on_time + used.late - used.included
        reserve += reserve_of(one.price, units) * part
    # Up, where a discount leaves a fraction of a nano-unit: never less than the bill.
    return Running(-int(-amount // 1), -int(-reserve // 1))


def allowances_taken(
    terms: PlanTerms, share: Fraction, consumed: Iterable[Consumed]
) -> list[AllowanceTaken]:
    """How much of each allowance is used."""
    return _allowances_taken(terms, share, _metered(terms, consumed))


def held_prices(terms: PlanTerms, model: str) -> dict[str, int]:
    """Nano-units by meter that a call of the model is held for, and its running cost counts."""
    part = _part_to_pay(terms, model)
    return {
        one.meter: -int(-(slope_of(one.price) * part) // 1)
        for one in terms.prices
        if one.model == model
    }


def part_of(quantity: int, share: Fraction) -> int:
    """An allowance for a part of a period: whole units, rounded down."""
    return int(quantity * share)


def units_of(terms: PlanTerms, model: str, meter: str, of: Quantities) -> int:
    """How many units of a meter these are, as its price counts them.

    Cached input tokens are input tokens, unless they have a price of their own.
    """
    if meter == "input_tokens" and cached_apart(terms, model):
        return of.of("input_tokens") - of.of("cached_input_tokens")
    return of.of(meter)


def cached_apart(terms: PlanTerms, model: str) -> bool:
    """Whether cached input tokens of a model have a price of their own."""
    return terms.price(model, "cached_input_tokens") is not None


def _covered(
    terms: PlanTerms, share: Fraction, consumed: Iterable[Consumed]
) -> dict[_Place, _Metered]:
    """Units by model and meter, in the order of the terms, less what is included.

    A model's own allowance is used before the one of all models, and that one where a further
    unit is held for most: no other way to use them leaves less to pay at the held prices, so calls
    may take allowances in any order and are still held for enough.
    """
    metered = _metered(terms, consumed)
    covered = dict.fromkeys(metered, 0)
    for taken in _allowances_taken(terms, share, metered):
        for place, units in taken.units.items():
            covered[place] += units
    return {
        place: _Metered(one.price, one.on_time, one.late, covered[place])
        for place, one in metered.items()
    }


def _allowances_taken(
    terms: PlanTerms, share: Fraction, metered: Mapping[_Place, _Metered]
) -> list[AllowanceTaken]:
    left = {place: one.on_time + one.late for place, one in metered.items()}
    found: list[AllowanceTaken] = []
    for allowance in sorted(terms.allowances, key=lambda one: one.model == ANY_MODEL):
        quantity = part_of(allowance.quantity, share)
        units: dict[_Place, int] = {}
        for place in _dearest_first(terms, metered, allowance):
            units[place] = min(quantity - sum(units.values()), left[place])
            left[place] -= units[place]
        found.append(AllowanceTaken(allowance, quantity, units))
    return found


def _dearest_first(
    terms: PlanTerms, metered: Mapping[_Place, _Metered], allowance: Allowance
) -> list[_Place]:
    """What the allowance is for; a dear model may be a cheap one after its discount."""

    def held(place: _Place) -> Fraction:
        return slope_of(metered[place].price) * _part_to_pay(terms, place[0])

    # What all models share is of the default tier.
    shared = {model for model, _ in metered if tier_of(model) is None}
    models = {allowance.model} - {ANY_MODEL} or shared
    places = [place for place in metered if place[1] == allowance.meter and place[0] in models]
    return sorted(places, key=held, reverse=True)


def _metered(terms: PlanTerms, consumed: Iterable[Consumed]) -> dict[_Place, _Metered]:
    of: dict[str, list[Consumed]] = {}
    for one in consumed:
        of.setdefault(one.model, []).append(one)
    metered: dict[_Place, _Metered] = {}
    for priced in terms.prices:
        place, all_of = (priced.model, priced.meter), of.get(priced.model, [])
        on_time = sum(units_of(terms, *place, one.quantities) for one in all_of)
        late = sum(units_of(terms, *place, one.late) for one in all_of)
        if on_time or late:
            metered[place] = _Metered(priced.price, on_time, late)
    return metered


def _discounts(terms: PlanTerms, lines: Iterable[Line]) -> list[Line]:
    """One line a discount; that of all models is for those that have none of their own."""
    own = {discount.model for discount in terms.discounts}
    found: list[Line] = []
    for discount in terms.discounts:
        base = sum(
            line.minor
            for line in lines
            if line.model == discount.model
            or (discount.model == ANY_MODEL and line.model not in own)
        )
        off = -rounded(Fraction(base * discount.ppm, PPM))
        if off:
            model = None if discount.model == ANY_MODEL else discount.model
            version = terms.version_id()
            found.append(Line(LineKind.DISCOUNT, off, version, model, ppm=discount.ppm))
    return found


def _part_to_pay(terms: PlanTerms, model: str) -> Fraction:
    ppm = {discount.model: discount.ppm for discount in terms.discounts}
    return Fraction(PPM - ppm.get(model, ppm.get(ANY_MODEL, 0)), PPM)
