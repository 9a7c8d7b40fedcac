"""Tags on an invoice: which part of each line of usage is of which value of a tag.

A line's amount is divided by the units that the calls of each value consumed of its meter, and a
rest for calls without the tag, so that the parts add up to the line exactly. Values and tags beyond
the most costly ones are shown together.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.money import allocate
from billing.rating.quantities import METERS, NOTHING, Quantities
from billing.rating.statement import Line, LineKind, units_of
from billing.rating.terms import PlanTerms
from billing.subscriptions.usage_totals import NO_TERMS

MOST_TAGS = 10
MOST_VALUES = 100
USAGE_KINDS = (LineKind.USAGE, LineKind.LATE_USAGE)

# The values of each tag by what their calls cost as they went; those beyond the most costly ones
# are added up here, so that no number of order numbers fills the memory.
_TOTALS = f"""
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
_Of = tuple[UUID, str, bool]  # terms, model, late


class PartKind(StrEnum):
    """What a part of a tag is of."""

    VALUE = "value"
    OTHERS = "others"  # further values, each costing less
    UNTAGGED = "untagged"


@dataclass(frozen=True, slots=True)
class LinePart:
    """What a part has of an invoice's line, by its number: units and minor units."""

    number: int
    quantity: int
    minor: int


@dataclass(frozen=True, slots=True)
class Part:
    """A value of a tag, or `count` further ones together, or the calls without it."""

    kind: PartKind
    value: str
    count: int
    lines: tuple[LinePart, ...]

    @property
    def minor(self) -> int:
        return sum(line.minor for line in self.lines)


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag's parts, sorted by amount and then by name, with other values and calls without the tag
    last; together they are the lines of usage."""

    name: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class TagUsage:
    """What calls with one value of a tag consumed, by terms, model and whether late.

    `value` None are `count` further values together.
    """

    tag: str
    value: str | None
    count: int
    used: Mapping[_Of, Quantities]


async def tag_usage(
    session: AsyncSession, account_id: UUID, period_id: UUID, list_version: UUID
) -> list[TagUsage]:
    """What a period counts by tag. `list_version` priced what names no terms."""
    values = {
        "account": account_id,
        "period": period_id,
        "tags": MOST_TAGS,
        "values": MOST_VALUES,
    }
    found: dict[tuple[str, str | None], tuple[int, dict[_Of, Quantities]]] = {}
    for row in (await session.execute(text(_TOTALS), values)).all():
        tag, value, of_tag, version_id, model, late, *sums = row
        count = 1 if value is not None else of_tag - MOST_VALUES
        of = (list_version if version_id == NO_TERMS else version_id, model, late)
        used = found.setdefault((tag, value), (count, {}))[1]
        used[of] = used.get(of, NOTHING) + Quantities(*(int(one) for one in sums))
    return [TagUsage(*place, *of) for place, of in found.items()]


def divide(
    lines: Sequence[Line], terms: Mapping[UUID, PlanTerms], usage: Iterable[TagUsage]
) -> list[Tag]:
    """Divide an invoice's lines, which are numbered from 1, by each tag."""
    by_tag: dict[str, list[TagUsage]] = {}
    for one in usage:
        by_tag.setdefault(one.tag, []).append(one)
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.kind in USAGE_KINDS]
    return [_tag(name, values, numbered, terms) for name, values in by_tag.items()]


def _tag(
    name: str,
    values: Sequence[TagUsage],
    lines: Iterable[tuple[int, Line]],
    terms: Mapping[UUID, PlanTerms],
) -> Tag:
    parts: list[list[LinePart]] = [[] for _ in (*values, None)]
    for number, line in lines:
        units = [_units(line, terms[line.version_id], one) for one in values]
        units.append(max(0, (line.quantity or 0) - sum(units)))
        for part, quantity, minor in zip(parts, units, allocate(line.minor, units), strict=True):
            if quantity or minor:
                part.append(LinePart(number, quantity, minor))
    named = sorted((_part(one, part) for one, part in zip(values, parts, strict=False)), key=_place)
    untagged = Part(PartKind.UNTAGGED, "", 0, tuple(parts[-1]))
    return Tag(name, (*named, untagged) if untagged.lines else tuple(named))


def _part(one: TagUsage, lines: Iterable[LinePart]) -> Part:
    kind = PartKind.OTHERS if one.value is None else PartKind.VALUE
    return Part(kind, one.value or "", one.count, tuple(lines))


def _place(part: Part) -> tuple[bool, int, str]:
    """Where a part stands: amounts descending, equal ones by name."""
    return part.kind is PartKind.OTHERS, -part.minor, part.value


def _units(line: Line, terms: PlanTerms, one: TagUsage) -> int:
    model, meter = line.model or "", line.meter or ""
    late = line.kind is LineKind.LATE_USAGE
    used = one.used.get((line.version_id, model, late), NOTHING)
    return units_of(terms, model, meter, used)
