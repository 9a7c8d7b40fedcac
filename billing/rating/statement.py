"""Statement of a billing period: invoice lines and running totals of usage under plan terms.

    quantities by model -> meters -> less packs and allowances -> price -> rounded line
                        -> discounts -> minimum

Previews, running totals, available credit and invoices all use this module, so they apply the
same order.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from uuid import UUID

from billing.money import PPM, nano_per_minor, rounded
from billing.rating.price_kinds.price import Price
from billing.rating.products import tier_of_product
from billing.rating.quantities import NO_USAGE, Quantities
from billing.rating.terms import ANY_MODEL, Allowance, PlanTerms

_ModelMeter = tuple[str, str]  # model, meter
ExtraUnits = Mapping[_ModelMeter, int]
"""Units that add-ons include beside the allowances of the terms, by their model and meter."""
NO_EXTRA_UNITS: ExtraUnits = MappingProxyType({})


class LineKind(StrEnum):
    """Type of an invoice line."""

    FIXED_FEE = "fixed_fee"
    UNUSED_FEE = "unused_fee"  # prorated credit for a paid fee after a plan change
    USAGE = "usage"
    LATE_USAGE = "late_usage"  # of an earlier period, recorded after its invoice was finalised
    DISCOUNT = "discount"
    MINIMUM = "minimum"  # difference to the plan's minimum commitment
    OUTCOME = "outcome"  # monthly charge of an outcome contract
    LATE_FEE = "late_fee"  # of an overdue invoice
    PACK = "pack"  # purchase of a prepaid pack
    ADD_ON = "add_on"  # fee of an add-on of the plan
    UNUSED_ADD_ON = "unused_add_on"  # prorated credit for a paid add-on after a plan change


@dataclass(frozen=True, slots=True)
class StatementLine:
    """An invoice line. `minor` is in minor units, before tax unless the terms are tax-inclusive.

    For usage, `included` of the `quantity` units are covered by allowances and prepaid packs, of
    which `packed` by packs. `starts_at` and `ends_at` are the service period of a fee or an outcome
    charge (`charge_id`). `add_on` is the name of an add-on, of which the line bills `quantity`.
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
    packed: int = 0
    add_on: str | None = None


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """Usage of one model in a period under one version of terms; `late` is of earlier periods.

    `packed` and `late_packed` are the units by meter that prepaid packs covered. They are known
    for each call, so neither allowances nor prices apply to them.
    """

    model: str
    quantities: Quantities
    late: Quantities = NO_USAGE
    packed: Mapping[str, int] = field(default_factory=dict)
    late_packed: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "ModelUsage") -> "ModelUsage":
        """Add usage of the same model, separately for usage in time and late usage."""
        return ModelUsage(
            self.model,
            self.quantities + other.quantities,
            self.late + other.late,
            Counter(self.packed) + Counter(other.packed),
            Counter(self.late_packed) + Counter(other.late_packed),
        )


@dataclass(frozen=True, slots=True)
class RunningTotal:
    """Running total of an open period in nano-units, with the reserve (see Price.reserve)."""

    amount: int
    reserve: int


@dataclass(frozen=True, slots=True)
class AllowanceUsage:
    """An allowance with its prorated quantity and the units used, by model and meter."""

    allowance: Allowance
    quantity: int
    units: Mapping[_ModelMeter, int]

    @property
    def used_units(self) -> int:
        """Units of the allowance used by all models."""
        return sum(self.units.values())


@dataclass(frozen=True, slots=True)
class _MeterUsage:
    """Units of one meter of one model, and how many of them are covered by allowances.

    Units that prepaid packs covered are counted apart, in `packed` and `late_packed`.
    """

    price: Price
    on_time: int
    late: int
    packed: int = 0
    late_packed: int = 0
    included: int = 0

    @property
    def late_included(self) -> int:
        """Late units (of earlier periods) that allowances cover, after the period's own units."""
        return max(0, self.included - self.on_time)

    @property
    def on_time_nano(self) -> int:
        """Cost, in nano-units, of the period's own usage, without late usage of earlier periods."""
        return self.price.amount(max(0, self.on_time - self.included))

    @property
    def nano(self) -> int:
        """Cost, in nano-units, of the period's own usage and of late usage together."""
        return self.price.amount(self.on_time + self.late - self.included)


def usage_lines(
    terms: PlanTerms,
    share: Fraction,
    consumed: Iterable[ModelUsage],
    extra: ExtraUnits = NO_EXTRA_UNITS,
) -> list[StatementLine]:
    """Return the usage, discount and minimum lines, in the order of the terms' prices.

    `share` is the part of the billing period in which the terms were in force; allowances and the
    minimum are prorated by it. `extra` units are included beside the allowances, as they are.
    """
    metered = _apply_allowances(terms, share, consumed, extra)
    nano_per_unit, version = nano_per_minor(terms.currency), terms.version_id()
    lines: list[StatementLine] = []
    for (model, meter), usage in metered.items():
        on_time = rounded(Fraction(usage.on_time_nano, nano_per_unit))
        if usage.on_time or usage.packed:
            lines.append(
                StatementLine(
                    LineKind.USAGE,
                    on_time,
                    version,
                    model,
                    meter,
                    usage.on_time + usage.packed,
                    min(usage.included, usage.on_time) + usage.packed,
                    usage.price,
                    packed=usage.packed,
                )
            )
        if usage.late or usage.late_packed:
            minor = rounded(Fraction(usage.nano - usage.on_time_nano, nano_per_unit))
            lines.append(
                StatementLine(
                    LineKind.LATE_USAGE,
                    minor,
                    version,
                    model,
                    meter,
                    usage.late + usage.late_packed,
                    usage.late_included + usage.late_packed,
                    usage.price,
                    packed=usage.late_packed,
                )
            )
    lines += _discount_lines(terms, lines)
    shortfall = rounded(terms.minimum * share) - sum(line.minor for line in lines)
    if shortfall > 0:
        lines.append(StatementLine(LineKind.MINIMUM, shortfall, version))
    return lines


def running_total(
    terms: PlanTerms,
    share: Fraction,
    consumed: Iterable[ModelUsage],
    extra: ExtraUnits = NO_EXTRA_UNITS,
) -> RunningTotal:
    """Return cost and reserve (nano-units) of an open period, after discounts, without minimum."""
    amount = reserve = Fraction(0)
    metered = _apply_allowances(terms, share, consumed, extra)
    for one in terms.prices:
        discounted_share = _share_after_discount(terms, one.model)
        usage = metered.get((one.model, one.meter), _MeterUsage(one.price, 0, 0))
        amount += usage.nano * discounted_share
        units = usage.on_time + usage.late - usage.included
        reserve += one.price.reserve(units) * discounted_share
    # Rounded up where a discount leaves a fraction of a nano-unit: never less than the invoice.
    return RunningTotal(-int(-amount // 1), -int(-reserve // 1))


def allowance_usage(
    terms: PlanTerms,
    share: Fraction,
    consumed: Iterable[ModelUsage],
    extra: ExtraUnits = NO_EXTRA_UNITS,
) -> list[AllowanceUsage]:
    """Return the units that each allowance covers in a period, by model and meter."""
    return _consume_allowances(terms, share, _meter_usage(terms, consumed), extra)


def unit_prices(terms: PlanTerms, model: str) -> dict[str, int]:
    """Return a model's unit prices by meter, in nano-units, after discounts.

    Calls are reserved and their running cost is computed at these prices (the highest tier).
    """
    discounted_share = _share_after_discount(terms, model)
    return {
        one.meter: -int(-(one.price.slope * discounted_share) // 1)
        for one in terms.prices
        if one.model == model
    }


def prorated_units(quantity: int, share: Fraction) -> int:
    """Return `quantity` times the share of the period, rounded down to whole units."""
    return int(quantity * share)


def billable_units(terms: PlanTerms, model: str, meter: str, quantities: Quantities) -> int:
    """Return the units of one meter that a model's terms charge for.

    Cached input tokens count as input tokens unless they have their own price.
    """
    if meter == "input_tokens" and has_cached_price(terms, model):
        return quantities.get("input_tokens") - quantities.get("cached_input_tokens")
    return quantities.get(meter)


def has_cached_price(terms: PlanTerms, model: str) -> bool:
    """Return whether cached input tokens of a model have their own price."""
    return terms.price(model, "cached_input_tokens") is not None


def _apply_allowances(
    terms: PlanTerms, share: Fraction, consumed: Iterable[ModelUsage], extra: ExtraUnits
) -> dict[_ModelMeter, _MeterUsage]:
    """Return the usage by model and meter with its covered units, in the order of the prices.

    Model-specific allowances are used before those for all models; the latter cover the most
    expensive units first. No other order leaves a lower cost at the reserved unit prices, so
    calls may use allowances in any order and their reservations still suffice.
    """
    metered = _meter_usage(terms, consumed)
    covered = dict.fromkeys(metered, 0)
    for usage in _consume_allowances(terms, share, metered, extra):
        for model_meter, units in usage.units.items():
            covered[model_meter] += units
    return {
        model_meter: replace(meter_usage, included=covered[model_meter])
        for model_meter, meter_usage in metered.items()
    }


def _consume_allowances(
    terms: PlanTerms,
    share: Fraction,
    metered: Mapping[_ModelMeter, _MeterUsage],
    extra: ExtraUnits,
) -> list[AllowanceUsage]:
    """Return the units that each allowance covers, model-specific allowances first."""
    remaining = {model_meter: one.on_time + one.late for model_meter, one in metered.items()}
    usages: list[AllowanceUsage] = []
    for allowance in sorted(terms.allowances, key=lambda one: one.model == ANY_MODEL):
        more = extra.get((allowance.model, allowance.meter), 0)
        quantity = prorated_units(allowance.quantity, share) + more
        units: dict[_ModelMeter, int] = {}
        for model_meter in _by_descending_price(terms, metered, allowance):
            units[model_meter] = min(quantity - sum(units.values()), remaining[model_meter])
            remaining[model_meter] -= units[model_meter]
        usages.append(AllowanceUsage(allowance, quantity, units))
    return usages


def _by_descending_price(
    terms: PlanTerms, metered: Mapping[_ModelMeter, _MeterUsage], allowance: Allowance
) -> list[_ModelMeter]:
    """Return the meters that an allowance applies to, highest price after discount first."""

    def reserved_price(model_meter: _ModelMeter) -> Fraction:
        """Return the highest unit price after discount, in nano-units."""
        return metered[model_meter].price.slope * _share_after_discount(terms, model_meter[0])

    # Allowances for all models apply to the default service tier only.
    default_tier_models = {model for model, _ in metered if tier_of_product(model) is None}
    models = {allowance.model} - {ANY_MODEL} or default_tier_models
    candidates = [
        model_meter
        for model_meter in metered
        if model_meter[1] == allowance.meter and model_meter[0] in models
    ]
    return sorted(candidates, key=reserved_price, reverse=True)


def _meter_usage(
    terms: PlanTerms, consumed: Iterable[ModelUsage]
) -> dict[_ModelMeter, _MeterUsage]:
    """Return the billable units, on time and late, of each priced meter that has usage."""
    usage_by_model: dict[str, list[ModelUsage]] = {}
    for one in consumed:
        usage_by_model.setdefault(one.model, []).append(one)
    metered: dict[_ModelMeter, _MeterUsage] = {}
    for priced in terms.prices:
        model_meter, model_usage = (
            (priced.model, priced.meter),
            usage_by_model.get(priced.model, []),
        )
        on_time = sum(billable_units(terms, *model_meter, one.quantities) for one in model_usage)
        late = sum(billable_units(terms, *model_meter, one.late) for one in model_usage)
        packed = sum(one.packed.get(priced.meter, 0) for one in model_usage)
        late_packed = sum(one.late_packed.get(priced.meter, 0) for one in model_usage)
        if on_time or late:
            metered[model_meter] = _MeterUsage(
                priced.price, on_time - packed, late - late_packed, packed, late_packed
            )
    return metered


def _discount_lines(terms: PlanTerms, lines: Iterable[StatementLine]) -> list[StatementLine]:
    """Return one line per discount. A discount on all models skips models with their own."""
    own = {discount.model for discount in terms.discounts}
    result: list[StatementLine] = []
    for discount in terms.discounts:
        base = sum(
            line.minor
            for line in lines
            if line.model == discount.model
            or (discount.model == ANY_MODEL and line.model not in own)
        )
        discount_amount = -rounded(Fraction(base * discount.ppm, PPM))
        if discount_amount:
            model = None if discount.model == ANY_MODEL else discount.model
            version = terms.version_id()
            result.append(
                StatementLine(LineKind.DISCOUNT, discount_amount, version, model, ppm=discount.ppm)
            )
    return result


def _share_after_discount(terms: PlanTerms, model: str) -> Fraction:
    """Return the share of a model's price that remains after its discount: 1 if none."""
    ppm = {discount.model: discount.ppm for discount in terms.discounts}
    return Fraction(PPM - ppm.get(model, ppm.get(ANY_MODEL, 0)), PPM)
