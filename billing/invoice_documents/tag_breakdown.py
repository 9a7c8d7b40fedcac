"""Tag breakdown of an invoice: divides the usage lines by the values of each tag.

A line's amount is allocated by the units that the calls with each tag value consumed of its meter,
with a remainder for calls without the tag, so that the shares add up to the line exactly. Values
beyond the most costly ones are combined; tags beyond the most costly ones are omitted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.money import allocate
from billing.rating.quantities import METERS, NO_USAGE, Quantities
from billing.rating.statement import LineKind, StatementLine, billable_units
from billing.rating.terms import PlanTerms
from billing.subscriptions.usage_totals import NO_TERMS_ID

MAX_TAGS = 10
MAX_VALUES_PER_TAG = 100
USAGE_KINDS = (LineKind.USAGE, LineKind.LATE_USAGE)

# The values of each tag by the cost of their calls. Values beyond the most costly ones are summed
# in SQL, so that a tag with very many values does not exhaust memory.
_SELECT_TAG_TOTALS = f"""
    with each_value as (
        select tag, value, sum(cost_nano) as cost
        from usage_tag_total
        where account_id = :account and period_id = :period
        group by tag, value
    ),
    biggest as (
        select tag from each_value group by tag order by sum(cost) desc, tag collate "C"
        limit :tags
    ),
    placed as (
        select tag, value, count(*) over (partition by tag) as of_tag, row_number() over (
            partition by tag order by cost desc, value collate "C"
        ) as place
        from each_value join biggest using (tag)
    )
    select t.tag, case when p.place <= :values then t.value end, min(p.of_tag), t.plan_version_id,
           t.model, t.late, {", ".join(f"sum(t.{meter})" for meter in METERS)}
    from usage_tag_total t join placed p using (tag, value)
    where t.account_id = :account and t.period_id = :period
    group by t.tag, 2, t.plan_version_id, t.model, t.late
    order by t.tag collate "C", min(p.place)
"""  # noqa: S608  # put together of constants
_UsageKey = tuple[UUID, str, bool]  # terms, model, late


class TagShareKind(StrEnum):
    """What a share of a tag breakdown stands for."""

    VALUE = "value"
    OTHERS = "others"  # the remaining values, each less costly
    UNTAGGED = "untagged"  # calls without the tag


@dataclass(frozen=True, slots=True)
class TagLineShare:
    """A share's part of an invoice line, by line number: units and minor units."""

    number: int
    quantity: int
    minor: int


@dataclass(frozen=True, slots=True)
class TagShare:
    """The share of one tag value, of `count` combined values, or of calls without the tag."""

    kind: TagShareKind
    value: str
    count: int
    lines: tuple[TagLineShare, ...]

    @property
    def minor(self) -> int:
        """The amount of the share in minor units."""
        return sum(line.minor for line in self.lines)


@dataclass(frozen=True, slots=True)
class TagBreakdown:
    """The shares of a tag, which add up to the usage lines.

    Sorted by descending amount, then by value; combined values and untagged calls come last.
    """

    name: str
    parts: tuple[TagShare, ...]


@dataclass(frozen=True, slots=True)
class TagUsage:
    """The quantities consumed by calls with one tag value, by terms version, model and lateness.

    `value` None stands for `count` combined values.
    """

    tag: str
    value: str | None
    count: int
    quantities: Mapping[_UsageKey, Quantities]


async def load_tag_usage(
    session: AsyncSession, account_id: UUID, period_id: UUID, list_version: UUID
) -> list[TagUsage]:
    """Load a period's usage by tag.

    `list_version` is the price list version that priced calls without terms.
    """
    params = {
        "account": account_id,
        "period": period_id,
        "tags": MAX_TAGS,
        "values": MAX_VALUES_PER_TAG,
    }
    usages: dict[tuple[str, str | None], TagUsage] = {}
    quantities_by_value: dict[tuple[str, str | None], dict[_UsageKey, Quantities]] = {}
    for row in (await session.execute(text(_SELECT_TAG_TOTALS), params)).all():
        tag, value, value_count, version_id, model, late, *sums = row
        count = 1 if value is not None else value_count - MAX_VALUES_PER_TAG
        key = (list_version if version_id == NO_TERMS_ID else version_id, model, late)
        quantities = quantities_by_value.setdefault((tag, value), {})
        usages.setdefault((tag, value), TagUsage(tag, value, count, quantities))
        quantities[key] = quantities.get(key, NO_USAGE) + Quantities(
            *(int(total) for total in sums)
        )
    return list(usages.values())


def divide_lines_by_tag(
    lines: Sequence[StatementLine], terms: Mapping[UUID, PlanTerms], usage: Iterable[TagUsage]
) -> list[TagBreakdown]:
    """Divide an invoice's usage lines, numbered from 1, by the values of each tag."""
    by_tag: dict[str, list[TagUsage]] = {}
    for tag_usage in usage:
        by_tag.setdefault(tag_usage.tag, []).append(tag_usage)
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.kind in USAGE_KINDS]
    return [_build_breakdown(name, usages, numbered, terms) for name, usages in by_tag.items()]


def _build_breakdown(
    name: str,
    usages: Sequence[TagUsage],
    lines: Iterable[tuple[int, StatementLine]],
    terms: Mapping[UUID, PlanTerms],
) -> TagBreakdown:
    """Divide the lines by the values of one tag; calls without the tag come last."""
    # One list of line shares per tag value, and a last one for untagged calls.
    line_shares: list[list[TagLineShare]] = [[] for _ in (*usages, None)]
    for number, line in lines:
        units = [_line_units(line, terms[line.version_id], usage) for usage in usages]
        units.append(max(0, (line.quantity or 0) - sum(units)))
        amounts = allocate(line.minor, units)
        for shares, quantity, minor in zip(line_shares, units, amounts, strict=True):
            if quantity or minor:
                shares.append(TagLineShare(number, quantity, minor))
    tagged = sorted(
        (_build_share(usage, shares) for usage, shares in zip(usages, line_shares, strict=False)),
        key=_share_sort_key,
    )
    untagged = TagShare(TagShareKind.UNTAGGED, "", 0, tuple(line_shares[-1]))
    return TagBreakdown(name, (*tagged, untagged) if untagged.lines else tuple(tagged))


def _build_share(usage: TagUsage, lines: Iterable[TagLineShare]) -> TagShare:
    """Build the share of one tag value; a usage without value combines all other values."""
    kind = TagShareKind.OTHERS if usage.value is None else TagShareKind.VALUE
    return TagShare(kind, usage.value or "", usage.count, tuple(lines))


def _share_sort_key(share: TagShare) -> tuple[bool, int, str]:
    """Sort by descending amount, then by value, with combined values last."""
    return share.kind is TagShareKind.OTHERS, -share.minor, share.value


def _line_units(line: StatementLine, terms: PlanTerms, usage: TagUsage) -> int:
    """Return the units of a line's meter and terms that a tag value's usage accounts for."""
    model, meter = line.model or "", line.meter or ""
    is_late = line.kind is LineKind.LATE_USAGE
    used = usage.quantities.get((line.version_id, model, is_late), NO_USAGE)
    return billable_units(terms, model, meter, used)
