"""Reviews of sign-ups by operators, and the release of a company whose owner objects.

API, pages and CLI call the same functions.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.companies import (
    CompanyInvalid,
    find_company_accounts,
    lock_company,
    release_company,
)
from billing.accounts.profiles import update_profile
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.operations.accounts import AccountChange, suspend_account
from gateway.signups.claims import UNCONDITIONAL_KINDS, claim_grant, release_claims
from gateway.signups.decision import Outcome, SignupFacts, decide
from gateway.signups.errors import CreditCodeTaken, NotInReview
from gateway.signups.messages import SignupMessages
from gateway.signups.opening import SIGNUP_ID_PREFIX, give_grant, open_signup_account
from gateway.signups.policy import SignupPolicy
from gateway.signups.queries import find_signup, signup_json
from gateway.signups.service import SignupService
from gateway.tables import Signup
from infra import ids
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class SignupReview:
    """What reviews need: the clock, the policy, the e-mails and the key of the claims' hashes."""

    clock: Clock
    policy: SignupPolicy
    messages: SignupMessages
    pepper: bytes

    @classmethod
    def of_service(cls, service: SignupService, clock: Clock) -> "SignupReview":
        """Return the reviews of a process's sign-up service."""
        return cls(clock, service.policy, service.messages, service.pepper)

    async def approve(
        self, session: AsyncSession, actor: Actor, name: str, note: str, *, grant: bool = True
    ) -> Signup:
        """Approve a sign-up in review: open its account if it has none, and give the grant.

        A grant that was given before for the mailbox, credit code or company is not given again.
        Raises SignupNotFound, NotInReview, CreditCodeTaken.
        """
        row = await self._lock_in_review(session, name)
        has_account = row.account_id is not None
        await lock_company(session, row.name_key, row.credit_code)
        if not has_account:
            await self._open(session, row)
        granted = grant and await self._grant(session, actor, row)
        row.status = "opened"
        row.outcome = (Outcome.GRANT if granted else Outcome.NO_GRANT).value
        self._set_decided(row, actor, note)
        await session.flush()
        await self._record(session, actor, row, "signup.approved")
        kind = "signup_grant_given" if granted else "signup_rejected"
        kind = kind if has_account else "signup_approved"
        await self.messages.notify_applicant(session, row, kind, note)
        return row

    async def reject(self, session: AsyncSession, actor: Actor, name: str, note: str) -> Signup:
        """Reject a sign-up in review: no account, or no grant if the account is open.

        Raises SignupNotFound, NotInReview.
        """
        row = await self._lock_in_review(session, name)
        has_account = row.account_id is not None
        row.status = "opened" if has_account else "refused"
        row.outcome = (Outcome.NO_GRANT if has_account else Outcome.REFUSE).value
        row.password_hash = None
        self._set_decided(row, actor, note)
        await session.flush()
        await self._record(session, actor, row, "signup.rejected")
        await self.messages.notify_applicant(session, row, "signup_rejected", note)
        return row

    async def _lock_in_review(self, session: AsyncSession, name: str) -> Signup:
        """Lock and return a sign-up in review. Raises SignupNotFound, NotInReview."""
        row = await find_signup(session, name, lock=True)
        if row.status != "review":
            raise NotInReview(f"The sign-up is {row.status}, not in review.")
        return row

    async def _open(self, session: AsyncSession, row: Signup) -> None:
        """Open the account of a sign-up. Raises CreditCodeTaken."""
        accounts = await find_company_accounts(session, row.name_key, row.credit_code)
        if row.credit_code and row.credit_code in {one.credit_code for one in accounts}:
            raise CreditCodeTaken(
                "Another account has this credit code. Release it there first "
                "(`maas signups release`)."
            )
        try:
            await open_signup_account(session, self.clock, self.policy, row)
        except CompanyInvalid as error:
            raise CreditCodeTaken(error.message) from error

    async def _grant(self, session: AsyncSession, actor: Actor, row: Signup) -> bool:
        """Give the grant unless one was given for the same mailbox, credit code or company."""
        if not self.policy.grant_minor(row.plan):
            return False
        before = await claim_grant(session, self.pepper, row)
        if before & UNCONDITIONAL_KINDS:
            await release_claims(session, row)
            return False
        return await give_grant(session, self.clock, self.policy, actor, row) is not None

    def _set_decided(self, row: Signup, actor: Actor, note: str) -> None:
        """Store who decided, when and why."""
        row.decided_at, row.note = self.clock.now(), note
        row.decided_by = actor.public_id or "cli"

    async def _record(self, session: AsyncSession, actor: Actor, row: Signup, action: str) -> None:
        """Record a review in the audit log of the account, or of the platform."""
        details = {"reason": row.note, "outcome": row.outcome, "company": row.company_name}
        subject = ids.format_id(SIGNUP_ID_PREFIX, row.id)
        await record_audit_event(
            session, self.clock, actor, row.account_id, action, subject, details
        )


def reviewed_signup_json(row: Signup) -> dict[str, Any]:
    """Return a sign-up for operators, and what its facts decide now (`decided_again`)."""
    fields = signup_json(row)
    if row.facts is not None:
        decision = decide(SignupFacts.from_json(row.facts))
        fields["decided_again"] = {
            "outcome": decision.outcome.value,
            "reasons": [reason.value for reason in decision.reasons],
        }
    return fields


async def release_account_company(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    reason: str,
    *,
    suspend: bool = False,
) -> str | None:
    """Release the company of an account whose rightful owner objects; returns its credit code.

    The account loses the code, also on its next invoices, and can be suspended. Raises
    ReasonMissing.
    """
    change = AccountChange(actor, account_id, reason)
    code = await release_company(session, account_id)
    await update_profile(session, account_id, tax_number="")
    details = {"reason": reason.strip(), "credit_code": code or ""}
    await record_audit_event(
        session, clock, actor, account_id, "signup.company_released", "", details
    )
    if suspend:
        await suspend_account(session, clock, change)
    return code
