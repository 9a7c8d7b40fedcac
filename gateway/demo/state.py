"""State: what a database holds before the demo is filled, and the mark that it was filled whole."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.accounts import list_accounts
from billing.tables import Account
from gateway.demo.opened import Opened
from gateway.identity.audit_log import COMMAND_LINE, record
from gateway.tables import AuditEntry
from infra.clock import Clock
from infra.errors import AppError

_FILLED = "demo.filled"
# Jobs would bill the past at once, before its calls are written.
_AT_WORK = """
    select exists(select from gateway_process where ended_at is null and expires_at > now())
        or exists(select from jobs.procrastinate_workers
                  where last_heartbeat > now() - interval '30 seconds')
"""


class RealAccounts(AppError):
    """The database holds accounts that are no example."""

    status = 409
    code = "real_accounts"


class ServiceAtWork(AppError):
    """A gateway or a worker runs on the database."""

    status = 409
    code = "service_at_work"


class DemoIncomplete(AppError):
    """An earlier filling ended before its end."""

    status = 409
    code = "demo_incomplete"


@dataclass(frozen=True, slots=True)
class Found:
    """The firms of the demo that are there, whether all of their story is, and other accounts."""

    firms: Sequence[Account]
    filled: bool
    others: Sequence[Account]


async def look(session: AsyncSession, names: Collection[str], first: str) -> Found:
    """What is there of firms of these names; the account that `maas up` made `first` is no other.
    For operators: of all accounts (account_id)."""
    accounts = await list_accounts(session)
    firms = [one for one in accounts if one.name in names]
    query = select(AuditEntry.account_id).where(
        col(AuditEntry.action) == _FILLED, col(AuditEntry.account_id).in_([one.id for one in firms])
    )
    marked = set((await session.scalars(query)).all())
    filled = len(firms) == len(names) and all(one.id in marked for one in firms)
    others = [one for one in accounts if one.name not in (*names, first)]
    return Found(firms, filled, others)


async def require_fillable(session: AsyncSession, found: Found, *, yes: bool) -> None:
    """Raises DemoIncomplete, RealAccounts, ServiceAtWork."""
    if found.firms:
        names = "、".join(one.name for one in found.firms)
        raise DemoIncomplete(
            f"An earlier `maas demo` ended half way ({names}), or other firms have these names. "
            "Begin with an empty database."
        )
    if found.others and not yes:
        raise RealAccounts(
            f"This database holds {len(found.others)} accounts that are no example, as "
            f"{found.others[0].name!r}. Add example firms to them with --yes."
        )
    if await session.scalar(text(_AT_WORK)):
        raise ServiceAtWork(
            "The service runs on this database, and its jobs would bill the past before it is "
            "told. Stop it, run `maas demo`, and start it again."
        )


async def mark_filled(session: AsyncSession, clock: Clock, firms: Sequence[Opened]) -> None:
    """Note that the story was told to its end."""
    for one in firms:
        await record(session, clock, COMMAND_LINE, one.account_id, _FILLED)
