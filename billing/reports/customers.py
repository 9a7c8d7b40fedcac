"""Customer accounts for operators: search by name, id or state, and details of one account.

Amounts are from the ledger and the quotas. Reads across accounts (account_id).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import ACCOUNT_ID_PREFIX, AccountNotFound
from billing.accounts.profiles import get_profile
from billing.invoice_documents.invoice_list import InvoiceListItem, list_invoices
from billing.ledger.ledger import Book, book_balance
from billing.metering.quotas import list_quota_states, sum_credit_entries
from billing.rating.terms import PlanTerms
from billing.subscriptions.plans import load_terms
from billing.subscriptions.subscriptions import find_subscription
from billing.tables import Account, BillingProfile, CreditReason, QuotaKind
from infra import ids

_IS_OVERDUE = """
    exists (
        select from invoice i
        where i.account_id = a.id and i.status = 'open' and i.due_at < :now
    )
"""
_ACCOUNT_STATE = f"""
    case when p.suspended_at is not null then 'suspended' when {_IS_OVERDUE} then 'overdue'
         else 'active' end
"""
_SEARCH_ACCOUNTS = f"""
    select a.id, a.name, a.currency, a.created_at, {_ACCOUNT_STATE},
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
      and (cast(:state as text) is null or {_ACCOUNT_STATE} = :state)
      and (cast(:after as uuid) is null or a.id < :after)
    order by a.id desc limit :limit
"""  # noqa: S608  # put together of constants


class CustomerState(StrEnum):
    """State of an account: active, overdue with an invoice, or suspended."""

    ACTIVE = "active"
    OVERDUE = "overdue"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class CustomerSearch:
    """Search criteria: a part of the name or an id (`acct_…`), and a state; None means all."""

    text: str = ""
    state: CustomerState | None = None
    after: UUID | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """An account in a search result; `terms` is None without a plan, `owed` in minor units."""

    id: UUID
    name: str
    currency: str
    created_at: datetime
    state: CustomerState
    terms: PlanTerms | None
    owed: int


@dataclass(frozen=True, slots=True)
class Customer:
    """Details of one account.

    `owed` and `wallet` are in minor units. `credit_limit` is the most it may owe and `credit_left`
    what it may still spend (None: unlimited), in nano-units.
    """

    account: Account
    profile: BillingProfile
    state: CustomerState
    terms: PlanTerms | None
    owed: int
    wallet: int
    credit_limit: int
    credit_left: int | None
    invoices: Sequence[InvoiceListItem]


async def search_customers(
    session: AsyncSession, search: CustomerSearch, now: datetime
) -> list[CustomerRow]:
    """Search accounts, newest first, after the account `search.after` if it is set."""
    search_text = search.text.strip()
    # PostgreSQL text cannot contain NUL, so no name matches.
    if "\x00" in search_text:
        return []
    account_id = ids.parse_id(ACCOUNT_ID_PREFIX, search_text)
    values = {
        "now": now,
        "id": account_id,
        "name": search_text if search_text and account_id is None else None,
        "state": search.state and search.state.value,
        "after": search.after,
        "limit": search.limit,
    }
    rows = (await session.execute(text(_SEARCH_ACCOUNTS), values)).all()
    terms = await load_terms(session, {row[5] for row in rows if row[5] is not None})
    return [
        CustomerRow(
            id_, name, currency, created_at, CustomerState(state), terms.get(version), int(owed)
        )
        for id_, name, currency, created_at, state, version, owed in rows
    ]


async def get_customer(
    session: AsyncSession, account_id: UUID, now: datetime, invoices: int = 6
) -> Customer:
    """Return an account's details and `invoices` newest invoices. Raises AccountNotFound."""
    account = await session.get(Account, account_id)
    if account is None:
        raise AccountNotFound("The account does not exist.")
    subscription = await find_subscription(session, account_id, now)
    limits = await list_quota_states(session, account_id)
    credit = next((limit for limit in limits if limit.kind is QuotaKind.CREDIT), None)
    credit_left = None if credit is None or credit.amount is None else credit.amount - credit.used
    return Customer(
        account=account,
        profile=await get_profile(session, account_id),
        state=await _get_state(session, account_id, now),
        terms=None if subscription is None else subscription.terms,
        owed=await book_balance(session, account_id, Book.RECEIVABLE),
        wallet=-await book_balance(session, account_id, Book.WALLET),
        credit_limit=await sum_credit_entries(session, account_id, CreditReason.CREDIT_LIMIT),
        credit_left=credit_left,
        invoices=await list_invoices(session, account_id, invoices),
    )


async def _get_state(session: AsyncSession, account_id: UUID, now: datetime) -> CustomerState:
    """Return the account's state at an instant: active, overdue or suspended."""
    query = f"""
        select {_ACCOUNT_STATE} from account a join billing_profile p on p.account_id = a.id
        where a.id = :account
    """  # noqa: S608  # put together of constants
    rows = await session.execute(text(query), {"account": account_id, "now": now})
    return CustomerState(rows.scalar_one())
