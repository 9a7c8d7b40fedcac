"""Accounts: the customers that call models and pay for the calls."""

from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import Account
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

ACCOUNT_ID_PREFIX = "acct"


class AccountNameTaken(AppError):
    """Another account has this name."""

    status = 409
    type = "invalid_request_error"
    code = "account_name_taken"


class AccountNameInvalid(AppError):
    """The account name is empty, too long or has control characters."""

    status = 400
    type = "invalid_request_error"
    code = "account_name_invalid"


class AccountNotFound(AppError):
    """No account has this id or name."""

    status = 404
    type = "invalid_request_error"
    code = "account_not_found"


async def create_account(session: AsyncSession, clock: Clock, name: str, currency: str) -> Account:
    """Create an account. Raises AccountNameInvalid, AccountNameTaken."""
    name = name.strip()
    if not 0 < len(name) <= 200 or not name.isprintable():
        raise AccountNameInvalid("An account name must have 1 to 200 printable characters.")
    account = Account(id=ids.new_id(), name=name, currency=currency, created_at=clock.now())
    session.add(account)
    try:
        await session.flush()
    except IntegrityError as error:
        raise AccountNameTaken(
            f"An account named {name!r} exists already. Choose another name."
        ) from error
    return account


async def list_accounts(session: AsyncSession) -> list[Account]:
    """List all accounts, oldest first. For operators only."""
    return list((await session.scalars(select(Account).order_by(col(Account.id)))).all())


async def get_account(session: AsyncSession, account: str) -> Account:
    """Find an account by id (`acct_…`) or exact name. Raises AccountNotFound."""
    identity: UUID | None = ids.parse_id(ACCOUNT_ID_PREFIX, account)
    condition = col(Account.name) == account if identity is None else col(Account.id) == identity
    row = (await session.scalars(select(Account).where(condition))).one_or_none()
    if row is None:
        raise AccountNotFound(f"Account not found: {account!r}. Use its ID (acct_…) or name.")
    return row
