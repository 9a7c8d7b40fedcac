"""Comparison of two versions of a plan's terms: what changes for an account that moves to another.

Pure: the values are those of the terms (minor units, nano-units of a spend cap, parts per million).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from billing.rating.terms import PlanTerms

# Fields of the terms that have one value, in the order in which they are shown.
SINGLE_FIELDS = (
    "fixed_fee",
    "interval",
    "alignment",
    "minimum",
    "spend_cap",
    "trial_days",
    "tax_inclusive",
    "payment",
    "names",
)
_Entries = Callable[[PlanTerms], Mapping[tuple[str, str], Any]]


@dataclass(frozen=True, slots=True)
class TermsDifference:
    """One difference of two terms.

    `field` is one of SINGLE_FIELDS, or `price`, `allowance` or `discount` of a `model` and `meter`
    (both empty for a single field, `meter` for a discount). None stands for an entry that one of
    the terms does not have.
    """

    field: str
    before: Any
    after: Any
    model: str = ""
    meter: str = ""


def compare_terms(before: PlanTerms, after: PlanTerms) -> list[TermsDifference]:
    """Return the differences: single fields first, then prices, allowances and discounts.

    Entries are in the order of their models and meters.
    """
    return [*_compare_fields(before, after), *_compare_entries(before, after)]


def _compare_fields(before: PlanTerms, after: PlanTerms) -> Iterator[TermsDifference]:
    """Yield the single fields that differ."""
    for name in SINGLE_FIELDS:
        old, new = getattr(before, name), getattr(after, name)
        if name == "names":
            old, new = dict(old), dict(new)
        if old != new:
            yield TermsDifference(name, old, new)


def _compare_entries(before: PlanTerms, after: PlanTerms) -> Iterator[TermsDifference]:
    """Yield the prices, allowances and discounts that were added, removed or changed."""
    for field, entries in _ENTRIES.items():
        old, new = entries(before), entries(after)
        for key in sorted({*old, *new}):
            if old.get(key) != new.get(key):
                yield TermsDifference(field, old.get(key), new.get(key), *key)


def _prices(terms: PlanTerms) -> Mapping[tuple[str, str], Any]:
    """Return the prices by model and meter."""
    return {(one.model, one.meter): one.price for one in terms.prices}


def _allowances(terms: PlanTerms) -> Mapping[tuple[str, str], Any]:
    """Return the included units by model and meter."""
    return {(one.model, one.meter): one.quantity for one in terms.allowances}


def _discounts(terms: PlanTerms) -> Mapping[tuple[str, str], Any]:
    """Return the discounts in parts per million by model."""
    return {(one.model, ""): one.ppm for one in terms.discounts}


_ENTRIES: Mapping[str, _Entries] = {
    "price": _prices,
    "allowance": _allowances,
    "discount": _discounts,
}
