"""Revokes the unused starting grant of an account whose payer has had one for another account.

The sign-up goes to the review, as an accountant may pay for two companies: an operator gives the
grant back or not. A grant that an operator has approved is not revoked, so that a company is
reviewed once at most.

Payers become known with payments: WeChat Pay's openid, Alipay's buyer id, Stripe's fingerprint of a
card (also once it is stored), the account of a bank transfer. The earlier sign-up keeps its grant.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.payers import record_bank_payers
from billing.cycle import aggregate_and_refresh_credit, revoke_account_grant
from gateway.identity.audit_log import CLI_ACTOR, record_audit_event
from gateway.signups.decision import Outcome, Reason
from gateway.signups.messages import SignupMessages
from gateway.signups.opening import SIGNUP_ID_PREFIX
from gateway.tables import Signup
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

# Confirmed bank lines of this time are read again at each run.
_OVERLAP = timedelta(days=2)
_PAGE_SIZE = 1_000
_SHARED = text(
    """
    select distinct s.id
    from signup s
    join account_payer own on own.account_id = s.account_id
    join account_payer theirs on theirs.kind = own.kind and theirs.digest = own.digest
        and theirs.account_id <> own.account_id
    join signup earlier on earlier.account_id = theirs.account_id
        and earlier.grant_id is not null
        and (earlier.verified_at, earlier.id) < (s.verified_at, s.id)
    join wallet_grant g on g.id = s.grant_id
    where s.grant_id is not null and s.revoked_at is null and s.decided_by is null
        and (g.expires_at is null or g.expires_at > :now)
        and s.id <> all(cast(:failed as uuid[]))
    order by s.id
    limit :most
    """
)


async def revoke_shared_grants(
    database: Database, clock: Clock, messages: SignupMessages
) -> list[UUID]:
    """Revoke grants of accounts with the payer of an earlier one. Returns the sign-ups' ids.

    What usage so far needs of a grant is left. An error of one sign-up is logged and does not stop
    the others; the next run tries it again.
    """
    async with database.transaction() as session:
        await record_bank_payers(session, clock.now() - _OVERLAP)
    revoked: list[UUID] = []
    failed: list[UUID] = []
    while shared := await _list_shared(database, clock, failed):
        if not revoked and not failed:
            await aggregate_and_refresh_credit(database, clock)
        for signup_id in shared:
            is_revoked = await _try_to_revoke(database, clock, messages, signup_id)
            (revoked if is_revoked else failed).append(signup_id)
    return revoked


async def _list_shared(database: Database, clock: Clock, failed: Sequence[UUID]) -> list[UUID]:
    """List the next page of sign-ups whose grants are to be revoked, without the failed ones."""
    async with database.transaction() as session:
        values = {"now": clock.now(), "failed": failed, "most": _PAGE_SIZE}
        return list((await session.scalars(_SHARED, values)).all())


async def _try_to_revoke(
    database: Database, clock: Clock, messages: SignupMessages, signup_id: UUID
) -> bool:
    """End the grant of a sign-up in a transaction; log an error and return False."""
    try:
        async with database.transaction() as session:
            await _revoke(session, clock, messages, signup_id)
    except (AppError, SQLAlchemyError) as error:
        log = structlog.get_logger()
        log.error("a grant could not be revoked", signup=signup_id.hex, reason=str(error))
        return False
    return True


async def _revoke(
    session: AsyncSession, clock: Clock, messages: SignupMessages, signup_id: UUID
) -> None:
    """End the grant of a sign-up, once, with a notice to the owners and a review by an operator."""
    row = await session.get_one(Signup, signup_id, with_for_update=True)
    is_decided = row.revoked_at is not None or row.decided_by is not None
    if is_decided or row.account_id is None or row.grant_id is None:
        return
    row.revoked_at = clock.now()
    row.status, row.outcome = "review", Outcome.REVIEW.value
    row.reasons = [Reason.SAME_PAYER.value]
    row.facts = None if row.facts is None else {**row.facts, "shared_payer": True}
    minor = await revoke_account_grant(session, clock, row.account_id, row.grant_id)
    await messages.notify_owners(session, row.account_id, "signup_grant_revoked", row.id.hex, {})
    await record_audit_event(
        session,
        clock,
        CLI_ACTOR,
        row.account_id,
        "signup.grant_revoked",
        ids.format_id(SIGNUP_ID_PREFIX, row.id),
        {"minor": minor},
    )
