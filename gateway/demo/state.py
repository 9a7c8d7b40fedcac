"""Inspect a database before the demo is filled, and mark a completed demo in the audit log."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.accounts import list_accounts
from billing.tables import Account
from gateway.demo.context import DemoAccount
from gateway.identity.audit_log import CLI_ACTOR, record_audit_event
from gateway.tables import AuditEntry
from infra.clock import Clock
from infra.errors import AppError

_FILLED_ACTION = "demo.filled"
# A running worker would bill past periods before their calls are recorded.
_RUNNING_QUERY = """
    select exists(
            select from gateway_process where ended_at is null and expires_at > now() and pid > 0)
        or exists(select from jobs.procrastinate_workers
                  where last_heartbeat > now() - interval '30 seconds')
"""


class RealAccounts(AppError):
    """The database contains accounts that are not demo firms."""

    status = 409
    code = "real_accounts"


class ServiceAtWork(AppError):
    """A gateway or a worker is running on the database."""

    status = 409
    code = "service_at_work"


class DemoIncomplete(AppError):
    """An earlier filling was interrupted."""

    status = 409
    code = "demo_incomplete"


@dataclass(frozen=True, slots=True)
class DemoState:
    """The demo's accounts, whether the demo is complete, and the other accounts."""

    firms: Sequence[Account]
    is_filled: bool
    other_accounts: Sequence[Account]


async def inspect_database(
    session: AsyncSession, firm_names: Collection[str], default_account: str
) -> DemoState:
    """Return the demo's firms, whether they are filled, and other accounts in the database.

    `default_account`, which `maas up` creates, does not count as another account.
    Operates on all accounts.
    """
    accounts = await list_accounts(session)
    firms = [account for account in accounts if account.name in firm_names]
    query = select(AuditEntry.account_id).where(
        col(AuditEntry.action) == _FILLED_ACTION,
        col(AuditEntry.account_id).in_([account.id for account in firms]),
    )
    filled_ids = set((await session.scalars(query)).all())
    is_filled = len(firms) == len(firm_names) and all(account.id in filled_ids for account in firms)
    other_accounts = [
        account for account in accounts if account.name not in (*firm_names, default_account)
    ]
    return DemoState(firms, is_filled, other_accounts)


async def require_fillable(session: AsyncSession, state: DemoState, *, yes: bool) -> None:
    """Raise an error unless the demo can be filled; `yes` accepts other accounts.

    Raises DemoIncomplete, RealAccounts, ServiceAtWork.
    """
    if state.firms:
        names = "、".join(firm.name for firm in state.firms)
        raise DemoIncomplete(
            f"An earlier `maas demo` did not complete, or other accounts have the same names "
            f"({names}). Start with an empty database."
        )
    if state.other_accounts and not yes:
        raise RealAccounts(
            f"The database contains {len(state.other_accounts)} other accounts, such as "
            f"{state.other_accounts[0].name!r}. Use --yes to add the example companies anyway."
        )
    if await session.scalar(text(_RUNNING_QUERY)):
        raise ServiceAtWork(
            "The service is running on this database, and its jobs would invoice incomplete "
            "periods. Stop the service, run `maas demo`, and start the service again."
        )


async def mark_filled(session: AsyncSession, clock: Clock, accounts: Sequence[DemoAccount]) -> None:
    """Record in each firm's audit log that all its demo data are created."""
    for account in accounts:
        await record_audit_event(session, clock, CLI_ACTOR, account.account_id, _FILLED_ACTION)
