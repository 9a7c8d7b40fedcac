"""Opening an account: the account itself, how it is billed, what it may spend and how fast."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import create_account
from billing.accounts.profiles import USUAL, NewProfile, open_profile
from billing.metering.quotas import open_quotas
from billing.tables import Account, QuotaKind
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class Terms:
    """What a new account may do: nano-units that it may owe, requests and tokens a minute, and
    streams at a time. None is no limit."""

    credit_nano: int
    requests: int | None
    tokens: int | None
    streams: int | None


async def open_account(
    session: AsyncSession,
    clock: Clock,
    name: str,
    currency: str,
    terms: Terms,
    profile: NewProfile = USUAL,
) -> Account:
    """Make an account under these terms. Raises what `create_account` does, and LimitInvalid."""
    account = await create_account(session, clock, name, currency)
    await open_profile(session, account.id, profile)
    limits = {
        QuotaKind.REQUESTS: terms.requests,
        QuotaKind.TOKENS: terms.tokens,
        QuotaKind.STREAMS: terms.streams,
    }
    await open_quotas(session, clock, account.id, terms.credit_nano, limits)
    return account
