"""Customers: the platform's accounts, as its operators look for them and see how each stands.

Owns finding accounts by name, id and state, and gathering what there is of one. Every amount is the
ledger's or the quotas'. For operators: it looks across accounts (account_id).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import PREFIX, AccountNotFound
from billing.accounts.profiles import read_profile
from billing.invoice_documents.invoice_list import Listed, invoice_page
from billing.ledger.ledger import Book, balance
from billing.metering.quotas import credit_of, list_limits
from billing.rating.terms import PlanTerms
from billing.subscriptions.plans import terms_of
from billing.subscriptions.subscriptions import standing_of
from billing.tables import Account, BillingProfile, CreditReason, QuotaKind
from infra import ids

_OVERDUE = """
    exists (
        select from invoice i
        where i.account_id = a.id and i.status = 'open' and i.due_at < :now
    )
"""
_STATE = f"""
    case when p.suspended_at is not null then 'suspended' when {_OVERDUE} then 'overdue'
         else 'active' end
"""
_FOUND = f"""
    select a.id, a.name, a.currency, a.created_at, {_STATE},
           (
               select s.plan_version_id from subscription_phase s
               where s.account_id = a.id and s.starts_at <= :now
                 and (s.ends_at is null or s.ends_at > :now)
               order by s.starts_at desc limit 1
           ),
           (
               select coalesce(sum(l.minor), 0) from ledger_posting l
               where l.account_id = a.id and l.book = 'receivable'
           )
    from account a join billing_profile p on p.account_id = a.id
    where (cast(:name as text) is null or strpos(lower(a.name), lower(:name)) > 0)
      and (cast(:id as uuid) is null or a.id = :id)
      and (cast(:state as text) is null or {_STATE} = :state)
      and (cast(:after as uuid) is null or a.id < :after)
    order by a.id desc limit :limit
"""  # noqa: S608  # put together of constants


class State(StrEnum):
    """How an account stands: it may call, it is late with an invoice, or its calls are stopped."""

    ACTIVE = "active"
    OVERDUE = "overdue"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: a part of the name, or an id (`acct_…`), and a state. None is all."""

    text: str = ""
    state: State | None = None
    after: UUID | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Found:
    """An account in the list; `terms` None without a plan, `owed` in minor units."""

    id: UUID
    name: str
    currency: str
    created_at: datetime
    state: State
    terms: PlanTerms | None
    owed: int


@dataclass(frozen=True, slots=True)
class Customer:
    """One account with how it stands. `owed` and `wallet` are in minor units; `credit_limit` is
    what it may owe and `credit_left` what it may still spend, in nano-units, None without limit."""

    account: Account
    profile: BillingProfile
    state: State
    terms: PlanTerms | None
    owed: int
    wallet: int
    credit_limit: int
    credit_left: int | None
    invoices: Sequence[Listed]


async def find_accounts(session: AsyncSession, search: Search, now: datetime) -> list[Found]:
    """The newest first; those before `after` where given."""
    said = search.text.strip()
    # PostgreSQL's texts hold no NUL: no name does.
    if "\x00" in said:
        return []
    identity = ids.parse(PREFIX, said)
    values = {
        "now": now,
        "id": identity,
        "name": said if said and identity is None else None,
        "state": search.state and search.state.value,
        "after": search.after,
        "limit": search.limit,
    }
    rows = (await session.execute(text(_FOUND), values)).all()
    terms = await terms_of(session, {row[5] for row in rows if row[5] is not None})
    return [
        Found(id_, name, currency, created_at, State(state), terms.get(version), int(owed))
        for id_, name, currency, created_at, state, version, owed in rows
    ]


async def read_customer(
    session: AsyncSession, account_id: UUID, now: datetime, invoices: int = 6
) -> Customer:
    """How an account stands now, with its newest invoices. Raises AccountNotFound."""
    account = await session.get(Account, account_id)
    if account is None:
        raise AccountNotFound("There is no such account.")
    standing = await standing_of(session, account_id, now)
    limits = await list_limits(session, account_id)
    credit = next((one for one in limits if one.kind is QuotaKind.CREDIT), None)
    left = None if credit is None or credit.amount is None else credit.amount - credit.used
    return Customer(
        account=account,
        profile=await read_profile(session, account_id),
        state=await _state(session, account_id, now),
        terms=None if standing is None else standing.terms,
        owed=await balance(session, account_id, Book.RECEIVABLE),
        wallet=-await balance(session, account_id, Book.WALLET),
        credit_limit=await credit_of(session, account_id, CreditReason.CREDIT_LIMIT),
        credit_left=left,
        invoices=await invoice_page(session, account_id, invoices),
    )


async def _state(session: AsyncSession, account_id: UUID, now: datetime) -> State:
    query = f"""
        select {_STATE} from account a join billing_profile p on p.account_id = a.id
        where a.id = :account
    """  # noqa: S608  # put together of constants
    found = await session.execute(text(query), {"account": account_id, "now": now})
    return State(found.scalar_one())
