"""Keys as people see them: how each stands, what it may, what it has spent and when it was used."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.quotas import QuotaState, list_limits, month_of
from billing.reports.key_last_used import last_hours
from billing.tables import ApiKey, QuotaKind
from gateway.access.api_keys import KeyNotFound, list_keys
from gateway.access.key_limits import KeyLimits, limits_of


@dataclass(frozen=True, slots=True)
class KeyView:
    """`state` is `active`, `ending` (rotated, works until it expires), `expired` or `revoked`.

    spent: in nano-units in this calendar month of UTC, as its budget counts it. used_in: the
    beginning of the hour in which it was last called with, None where that was not in 30 days.
    successor: the key that replaces it.
    """

    row: ApiKey
    state: str
    limits: KeyLimits
    spent: int
    used_in: datetime | None
    successor: ApiKey | None

    @property
    def works(self) -> bool:
        return self.state in ("active", "ending")


async def view_keys(session: AsyncSession, account_id: UUID, now: datetime) -> list[KeyView]:
    """All keys of an account: those that work first, each time the newest first."""
    rows = await list_keys(session, account_id)
    quotas = await list_limits(session, account_id)
    hours = await last_hours(session, account_id, now)
    successors = {row.replaces: row for row in rows if row.revoked_at is None}
    views = [
        KeyView(
            row=row,
            state=_state(row, now),
            limits=limits_of(row, quotas),
            spent=_spent(row, quotas, now),
            used_in=hours.get(row.id),
            successor=successors.get(row.id),
        )
        for row in reversed(rows)
    ]
    return sorted(views, key=lambda view: not view.works)


async def view_key(session: AsyncSession, account_id: UUID, key_id: UUID, now: datetime) -> KeyView:
    """One of them. Raises KeyNotFound."""
    for view in await view_keys(session, account_id, now):
        if view.row.id == key_id:
            return view
    raise KeyNotFound("This account has no such key.")


def _state(row: ApiKey, now: datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at is None:
        return "active"
    return "ending" if row.expires_at > now else "expired"


def _spent(row: ApiKey, quotas: Sequence[QuotaState], now: datetime) -> int:
    month = month_of(now)
    return next(
        (
            quota.used
            for quota in quotas
            if quota.key_id == row.id
            and quota.kind is QuotaKind.BUDGET
            and quota.period_start == month
        ),
        0,
    )
