"""Project breakdown of an invoice: divides the usage lines by the project of the calls.

A line's amount is allocated by the units that the calls of each project consumed, with the
remainder for the default project, so that the sections add up to the invoice's usage exactly.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.invoice_documents.tag_breakdown import (
    TagLineShare,
    TagShare,
    TagUsage,
    divide_lines_by_tag,
)
from billing.metering.project_ids import DEFAULT_NAME, project_public_id
from billing.money import minor_text
from billing.rating.quantities import METERS, NO_USAGE, Quantities
from billing.rating.statement import StatementLine
from billing.rating.terms import PlanTerms
from billing.subscriptions.usage_totals import NO_TERMS_ID
from billing.tables import Project

_SELECT_TOTALS = f"""
    select project_id, plan_version_id, model, late, {", ".join(f"sum({one})" for one in METERS)}
    from usage_project_total
    where account_id = :account and period_id = :period
      and settlement in ('complete', 'client_abort')
    group by 1, 2, 3, 4
    order by 1, 2, 3, 4
"""  # noqa: S608  # put together of constants
_UsageKey = tuple[UUID, str, bool]  # terms, model, late


@dataclass(frozen=True, slots=True)
class ProjectSection:
    """The usage of one project on an invoice: its part of each line, in minor units."""

    project_id: UUID
    name: str
    lines: tuple[TagLineShare, ...]

    @property
    def has_default_name(self) -> bool:
        """Whether the project has the name that default projects get."""
        return self.name == DEFAULT_NAME

    @property
    def minor(self) -> int:
        """The amount of the section in minor units."""
        return sum(line.minor for line in self.lines)

    def to_json(self, account_id: UUID, currency: str) -> dict[str, Any]:
        """Return the section as JSON."""
        return {
            "project_id": project_public_id(self.project_id, account_id),
            "name": self.name,
            "amount": minor_text(self.minor, currency),
            "lines": [
                {
                    "line": line.number,
                    "quantity": line.quantity,
                    "amount": minor_text(line.minor, currency),
                }
                for line in self.lines
            ],
        }


async def load_project_sections(
    session: AsyncSession,
    account_id: UUID,
    period_id: UUID,
    lines: Sequence[StatementLine],
    terms: Mapping[UUID, PlanTerms],
    list_version: UUID,
) -> tuple[ProjectSection, ...]:
    """Return the sections of an invoice's usage, the most costly first.

    None if only the default project has usage. `list_version` is the price list version that
    priced calls without terms.
    """
    usage = await _load_usage(session, account_id, period_id, list_version)
    names = await _load_names(session, account_id)
    return divide_lines_by_project(account_id, lines, terms, usage, names)


def divide_lines_by_project(
    account_id: UUID,
    lines: Sequence[StatementLine],
    terms: Mapping[UUID, PlanTerms],
    usage: Iterable[TagUsage],
    names: Mapping[UUID, str],
) -> tuple[ProjectSection, ...]:
    """Divide usage lines by project; the values of `usage` are ids of projects."""
    parts = [part for one in divide_lines_by_tag(lines, terms, usage) for part in one.parts]
    sections = [_section(account_id, part, names) for part in parts]
    return tuple(sorted(sections, key=lambda one: (-one.minor, one.name, one.project_id)))


def _section(account_id: UUID, part: TagShare, names: Mapping[UUID, str]) -> ProjectSection:
    """Return the section of a share; what no other project used is of the default project."""
    project_id = UUID(part.value) if part.value else account_id
    name = names.get(project_id, DEFAULT_NAME)
    return ProjectSection(project_id, name, part.lines)


async def _load_usage(
    session: AsyncSession, account_id: UUID, period_id: UUID, list_version: UUID
) -> list[TagUsage]:
    """Load a period's usage of each project other than the default one."""
    values = {"account": account_id, "period": period_id}
    by_project: dict[UUID, dict[_UsageKey, Quantities]] = {}
    for row in (await session.execute(text(_SELECT_TOTALS), values)).all():
        project_id, version_id, model, late, *sums = row
        quantities = by_project.setdefault(project_id, {})
        key = (list_version if version_id == NO_TERMS_ID else version_id, model, late)
        units = Quantities(*(int(total) for total in sums))
        quantities[key] = quantities.get(key, NO_USAGE) + units
    return [
        TagUsage("project", project_id.hex, 1, quantities)
        for project_id, quantities in by_project.items()
    ]


async def _load_names(session: AsyncSession, account_id: UUID) -> dict[UUID, str]:
    """Return the names of an account's projects; names that are not unique end with the id."""
    query = select(Project.id, Project.name).where(col(Project.account_id) == account_id)
    rows = (await session.execute(query)).all()
    times = Counter(name for _, name in rows)
    return {
        project_id: name
        if times[name] == 1
        else f"{name} ({project_public_id(project_id, account_id)})"
        for project_id, name in rows
    }
