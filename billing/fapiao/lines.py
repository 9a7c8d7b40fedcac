"""The lines of a fapiao: its total divided by service category, with the tax of each line.

The tax platform computes the tax of each line from its amount including tax and the rate. Lines are
therefore amounts including tax, whose tax `apply_tax` computes, and they are chosen so that the
taxes of the lines are the tax of the fapiao. A fapiao of a whole invoice has the tax of the invoice
(net n and rounded tax give n again when the tax is taken out). Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations
from typing import Any

from billing.money import PPM, allocate
from billing.rating.statement import LineKind
from billing.rating.taxes import Tax, TaxedAmount, apply_tax

ANY_PRODUCT = "*"


@dataclass(frozen=True, slots=True)
class Category:
    """A service category: 19-digit tax code and the item name on the fapiao."""

    code: str
    item: str


@dataclass(frozen=True, slots=True)
class FapiaoLine:
    """A line of a fapiao in minor units: net, tax and total, which add up."""

    code: str
    item: str
    net: int
    tax: int
    total: int

    def to_json(self) -> dict[str, Any]:
        """Return the line as stored."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class BilledItem:
    """What decides the category of an invoice line: its model, else its kind; and its amount."""

    model: str | None
    kind: str
    minor: int


def category_weights(
    items: Sequence[BilledItem], categories: Mapping[str, Category]
) -> dict[Category, int]:
    """Add up the amounts of invoice lines by service category.

    A model's or line kind's own category applies, else that of `*`. Discounts of a whole plan
    belong to no category and so reduce all of them alike. A category whose lines do not add up to
    more than zero is left out; if none is left, the default has the weight 1.
    """
    weights: dict[Category, int] = {}
    for item in items:
        if item.kind == LineKind.DISCOUNT and item.model is None:
            continue
        product = item.model or item.kind
        category = categories.get(product, categories[ANY_PRODUCT])
        weights[category] = weights.get(category, 0) + item.minor
    positive = {category: weight for category, weight in weights.items() if weight > 0}
    return positive or {categories[ANY_PRODUCT]: 1}


def build_lines(total: int, weights: Mapping[Category, int], tax: Tax) -> tuple[FapiaoLine, ...]:
    """Divide a fapiao's total (minor units with tax) into lines by the weights of categories.

    The lines add up to the total, and their taxes to the tax that `total` contains.
    """
    categories = sorted(weights, key=lambda one: (-weights[one], one.code, one.item))
    while True:
        amounts = allocate(total, [weights[one] for one in categories])
        parts = {one: part for one, part in zip(categories, amounts, strict=True) if part}
        balanced = _with_tax_of_total(list(parts.values()), tax)
        if balanced is not None:
            return tuple(map(_line, parts, balanced))
        # Very small amounts may have no such division: the smallest category joins the largest.
        categories.pop()


def part_of_lines(lines: Sequence[FapiaoLine], total: int, tax: Tax) -> tuple[FapiaoLine, ...]:
    """Return the lines of a red letter over `total` of a fapiao with these remaining lines.

    All that remains is returned as it is, so that red letters cancel a fapiao exactly.
    """
    if total == sum(line.total for line in lines):
        return tuple(line for line in lines if line.total)
    parts = allocate(total, [line.total for line in lines])
    return tuple(
        _bounded(line, contained_tax(part, tax))
        for line, part in zip(lines, parts, strict=True)
        if part
    )


def subtract_lines(
    lines: Sequence[FapiaoLine], others: Sequence[FapiaoLine]
) -> tuple[FapiaoLine, ...]:
    """Return what is left of lines after red letters, by category."""
    left = {(line.code, line.item): line for line in lines}
    for other in others:
        line = left[other.code, other.item]
        left[other.code, other.item] = FapiaoLine(
            line.code,
            line.item,
            line.net - other.net,
            line.tax - other.tax,
            line.total - other.total,
        )
    return tuple(left.values())


def sum_of_lines(lines: Sequence[FapiaoLine]) -> TaxedAmount:
    """Add up lines."""
    net, tax = sum(line.net for line in lines), sum(line.tax for line in lines)
    return TaxedAmount(net, tax, sum(line.total for line in lines))


def lines_from_json(stored: Sequence[Mapping[str, Any]]) -> tuple[FapiaoLine, ...]:
    """Return stored lines."""
    return tuple(FapiaoLine(**line) for line in stored)


def contained_tax(total: int, tax: Tax) -> TaxedAmount:
    """Return net and tax of an amount that includes tax, at the rate that applies."""
    return apply_tax(total, True, Tax(ppm=tax.applied_ppm))


def _line(category: Category, amount: TaxedAmount) -> FapiaoLine:
    """Return the line of a category."""
    return FapiaoLine(category.code, category.item, amount.net, amount.tax, amount.total)


def _bounded(line: FapiaoLine, amount: TaxedAmount) -> FapiaoLine:
    """Return a part of a line whose net and tax are at most what the line has left."""
    tax = max(min(amount.tax, line.tax), amount.total - line.net)
    return FapiaoLine(line.code, line.item, amount.total - tax, tax, amount.total)


def _with_tax_of_total(amounts: list[int], tax: Tax) -> list[TaxedAmount] | None:
    """Move minor units between amounts until their taxes add up to the tax of their sum.

    Returns None if no small move does. One step of a line's tax takes 1 + 1/rate minor units.
    """
    wanted = contained_tax(sum(amounts), tax).tax
    step = 2 + (PPM // tax.applied_ppm if tax.applied_ppm else 0)
    while (off := _tax_sum(amounts, tax) - wanted) != 0:
        moved = _move(amounts, off, step, tax)
        if moved is None:
            return None
        amounts = moved
    return [contained_tax(amount, tax) for amount in amounts]


def _move(amounts: Sequence[int], off: int, step: int, tax: Tax) -> list[int] | None:
    """Return the amounts after the smallest move that brings their taxes one closer, or None."""
    before = _tax_sum(amounts, tax)
    for units in range(1, step + 1):
        for giver, taker in permutations(range(len(amounts)), 2):
            if amounts[giver] <= units:
                continue
            moved = list(amounts)
            moved[giver] -= units
            moved[taker] += units
            if _tax_sum(moved, tax) == before - (1 if off > 0 else -1):
                return moved
    return None


def _tax_sum(amounts: Sequence[int], tax: Tax) -> int:
    """Return the sum of the taxes that the amounts contain, each rounded by itself."""
    return sum(contained_tax(amount, tax).tax for amount in amounts)
