"""Limits of sign-ups: attempts by address, network and mailbox, and all of an hour.

The counters are those of sign-in (gateway/identity/throttling); their rows are deleted a day after
the last attempt.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.identity.client_origin import ClientOrigin
from gateway.identity.throttling.lockout import AttemptCounter, LockoutPolicy
from gateway.signups.errors import SignupsBusy
from gateway.signups.networks import signup_network
from gateway.tables import Signup
from infra.clock import Clock

_MAILBOX_POLICY = LockoutPolicy(5, timedelta(minutes=10), timedelta(hours=4))
# An office shares one address, and a mobile network one /24.
_ADDRESS_POLICY = LockoutPolicy(30, timedelta(minutes=1), timedelta(hours=1))
_NETWORK_POLICY = LockoutPolicy(100, timedelta(minutes=1), timedelta(hours=1))
_GUESS_POLICY = LockoutPolicy(60, timedelta(minutes=1), timedelta(hours=1))
_HOUR = timedelta(hours=1)


def code_counters(mailbox: str, origin: ClientOrigin) -> Sequence[AttemptCounter]:
    """Return the counters of a code that is to be sent to a mailbox."""
    return (
        AttemptCounter("sign-up-mailbox", mailbox, _MAILBOX_POLICY),
        AttemptCounter("sign-up-address", origin.address, _ADDRESS_POLICY),
        AttemptCounter("sign-up-network", signup_network(origin.address), _NETWORK_POLICY),
    )


def guess_counters(origin: ClientOrigin) -> Sequence[AttemptCounter]:
    """Return the counters of a code that is entered."""
    network = signup_network(origin.address)
    return (AttemptCounter("sign-up-guess", network, _GUESS_POLICY),)


async def require_hourly_limit(session: AsyncSession, clock: Clock, limit: int) -> None:
    """Raise SignupsBusy if as many sign-ups as allowed were started within the last hour."""
    # By the stored time: forms carry the id of their sign-up.
    recent = select(col(Signup.id)).where(col(Signup.created_at) > clock.now() - _HOUR)
    started = await session.scalar(select(func.count()).select_from(recent.limit(limit).subquery()))
    if (started or 0) >= limit:
        raise SignupsBusy
