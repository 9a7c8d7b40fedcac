"""Account opening: the account, its billing profile and its quotas in one transaction."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import create_account
from billing.accounts.companies import register_company
from billing.accounts.profiles import DEFAULT_PROFILE, NewProfile, create_profile
from billing.metering.quotas import create_account_quotas
from billing.tables import Account, QuotaKind
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """The limits of a new account; None means no limit.

    `credit_nano` is the credit limit in nano-units, `requests` and `tokens` are per minute and
    `streams` is the number of concurrent streams.
    """

    credit_nano: int
    requests: int | None
    tokens: int | None
    streams: int | None


async def open_account(
    session: AsyncSession,
    clock: Clock,
    name: str,
    currency: str,
    account_limits: AccountLimits,
    profile: NewProfile = DEFAULT_PROFILE,
) -> Account:
    """Create an account with its company, billing profile and quotas.

    Raises AccountNameInvalid, AccountNameTaken, ProfileInvalid, TimeZoneUnknown, LimitInvalid.
    """
    account = await create_account(session, clock, name, currency)
    await register_company(session, clock, account.id, account.name)
    await create_profile(session, account.id, profile)
    limits = {
        QuotaKind.REQUESTS: account_limits.requests,
        QuotaKind.TOKENS: account_limits.tokens,
        QuotaKind.STREAMS: account_limits.streams,
    }
    await create_account_quotas(session, clock, account.id, account_limits.credit_nano, limits)
    return account
