"""Projects, members, keys and service accounts as JSON, in OpenAI's organization shapes.

`budget` of a project is an extension: amounts are decimal text in the account's currency.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency
from billing.metering.budget_periods import BudgetPeriod, scoped_budgets
from billing.metering.budget_quotas import BudgetState, list_budget_states
from billing.metering.project_ids import SERVICE_ACCOUNT_ID_PREFIX
from billing.money import nano_text
from billing.reports.key_last_used import last_used_hours
from billing.tables import ApiKey, Project, ServiceAccount
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.identity.audit_log import PERSON_ID_PREFIX
from gateway.projects.budgets import BUDGET_NAMES
from gateway.projects.members import ProjectMemberView
from gateway.projects.projects import format_project_id
from gateway.projects.service_accounts import list_service_accounts
from infra import ids

_States = Mapping[tuple[UUID, BudgetPeriod], BudgetState]


@dataclass(frozen=True, slots=True)
class ProjectView:
    """A project with its budgets by name (`daily`, `monthly`, `total`); None is no budget."""

    row: Project
    budgets: Mapping[str, BudgetState | None]
    currency: str

    @property
    def public_id(self) -> str:
        """The public id of the project."""
        return format_project_id(self.row.id)

    def to_json(self) -> dict[str, Any]:
        """Return the project in OpenAI's shape, with its budget."""
        row = self.row
        return {
            "id": self.public_id,
            "object": "organization.project",
            "name": row.name,
            "created_at": unix(row.created_at),
            "archived_at": row.archived_at and unix(row.archived_at),
            "status": "archived" if row.archived_at else "active",
            "is_default": row.is_default,
            "budget": {
                "currency": self.currency,
                **{name: _budget_json(state) for name, state in self.budgets.items()},
                "alert_percentages": row.alert_percentages,
            },
        }


async def load_project_views(
    session: AsyncSession, account_id: UUID, rows: Sequence[Project], now: datetime
) -> list[ProjectView]:
    """Return projects of an account with what their budgets have used."""
    states = {
        (state.owner_id, state.period): state
        for state in await list_budget_states(session, account_id, now)
    }
    currency = await get_account_currency(session, account_id)
    return [ProjectView(row, _budgets(row, states, now), currency) for row in rows]


async def load_key_views(
    session: AsyncSession, project: Project, rows: Iterable[ApiKey], now: datetime
) -> list[dict[str, Any]]:
    """Return keys of a project in OpenAI's shape, without their secrets."""
    hours = await last_used_hours(session, project.account_id, now)
    owners = {
        row.id: row for row in await list_service_accounts(session, project.account_id, project.id)
    }
    return [_key_json(row, hours.get(row.id), owners) for row in rows]


def member_json(member: ProjectMemberView) -> dict[str, Any]:
    """Return a member in OpenAI's shape."""
    return {
        "object": "organization.project.user",
        "id": ids.format_id(PERSON_ID_PREFIX, member.person_id),
        "name": member.name,
        "email": member.email,
        "role": member.role,
        "added_at": unix(member.added_at),
    }


def service_account_json(row: ServiceAccount) -> dict[str, Any]:
    """Return a service account in OpenAI's shape."""
    return {
        "object": "organization.project.service_account",
        "id": ids.format_id(SERVICE_ACCOUNT_ID_PREFIX, row.id),
        "name": row.name,
        "role": row.role,
        "created_at": unix(row.created_at),
    }


def unix(moment: datetime) -> int:
    """Return a moment as Unix seconds."""
    return int(moment.timestamp())


def _budgets(row: Project, states: _States, now: datetime) -> dict[str, BudgetState | None]:
    """Return the budgets of a project by name; those of archived projects have no usage."""
    amounts = scoped_budgets(row)
    found: dict[str, BudgetState | None] = {}
    for name, period in BUDGET_NAMES.items():
        amount = amounts.get(period)
        empty = (
            None
            if amount is None
            else BudgetState(row.id, period, amount, 0, 0, period.start(now), period.end(now))
        )
        found[name] = states.get((row.id, period), empty)
    return found


def _budget_json(state: BudgetState | None) -> dict[str, Any] | None:
    """Return one budget with what was spent in its current period."""
    if state is None:
        return None
    return {
        "limit": nano_text(state.amount),
        "spent": nano_text(state.used),
        "remaining": nano_text(max(0, state.amount - state.used)),
        "resets_at": state.resets_at and unix(state.resets_at),
    }


def _key_json(
    row: ApiKey, used_in: datetime | None, owners: Mapping[UUID, ServiceAccount]
) -> dict[str, Any]:
    """Return a key in OpenAI's shape; `owner` is null for a key of no service account."""
    owner = None if row.service_account_id is None else owners.get(row.service_account_id)
    return {
        "object": "organization.project.api_key",
        "id": ids.format_id(KEY_PREFIX, row.id),
        "name": row.name,
        "redacted_value": row.hint,
        "created_at": unix(row.created_at),
        "last_used_at": used_in and unix(used_in),
        "expires_at": row.expires_at and unix(row.expires_at),
        "revoked_at": row.revoked_at and unix(row.revoked_at),
        "owner": None
        if owner is None
        else {"type": "service_account", "service_account": service_account_json(owner)},
    }
