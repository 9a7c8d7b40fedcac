"""Sign-up from the form to the account: start, send another code, enter the code, ask for a review.

The answer to a form is the same whether or not the address is registered: a code is sent, and
everything else follows after it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.companies import CompanyAccount
from billing.plan_changes.offers import list_public_offers
from billing.subscriptions.plans import plan_not_found
from billing.tables import Account
from gateway.access.api_keys import IssuedKey
from gateway.identity.audit_log import Actor
from gateway.identity.client_origin import ClientOrigin
from gateway.identity.passwords import Passwords
from gateway.identity.sessions import NewSession, create_session
from gateway.identity.throttling.lockout import count_attempt
from gateway.signups.codes import (
    CODE_LIFETIME,
    MAX_CODE_ATTEMPTS,
    MAX_CODES,
    code_digest,
    code_matches,
    generate_code,
)
from gateway.signups.decision import Outcome, Reason, RegisterAnswer
from gateway.signups.errors import (
    NotInReview,
    SignupCodeExpired,
    SignupCodeWrong,
    SignupDisabled,
    SignupEnded,
    SignupNotFound,
    TooManyCodes,
)
from gateway.signups.evaluation import Evaluation, evaluate
from gateway.signups.form import SignupForm, ValidForm, validate_form
from gateway.signups.limits import code_counters, guess_counters, require_hourly_limit
from gateway.signups.messages import SignupMessages
from gateway.signups.opening import (
    OpenedAccount,
    create_default_key,
    give_grant,
    open_signup_account,
)
from gateway.signups.policy import SignupPolicy
from gateway.signups.ports import CodeSender, CompanyRegister
from gateway.tables import Signup
from infra.clock import Clock
from infra.database.database import Database

SIGNUP_LIFETIME = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SignupResult:
    """A sign-up after its code was entered.

    `account` and `key` are set if the account is open. `session` is set for a new person; one who
    had a password signs in with it.
    """

    row: Signup
    account: Account | None = None
    key: IssuedKey | None = None
    session: NewSession | None = None


@dataclass(frozen=True, slots=True)
class SignupService:
    """Handles sign-ups. `register` is None if no company register is configured."""

    database: Database
    clock: Clock
    passwords: Passwords
    pepper: bytes
    policy: SignupPolicy
    messages: SignupMessages
    sender: CodeSender
    register: CompanyRegister | None = None

    async def start(
        self,
        form: SignupForm,
        origin: ClientOrigin,
        signup_id: UUID,
        device: str | None = None,
    ) -> datetime:
        """Store a sign-up and send its code; a repeated id changes nothing.

        Returns when the code expires. Raises the errors of `validate_form`, PlanNotFound,
        LockedOut, SignupsBusy, SignInBusy.
        """
        valid, now = validate_form(form, self.policy, self.clock, origin), self.clock.now()
        async with self.database.transaction() as session:
            await self._require_plan(session, form.plan)
            known = await session.get(Signup, signup_id)
            if known is not None:
                return known.code_expires_at
            await require_hourly_limit(session, self.clock, self.policy.hourly_limit)
            await count_attempt(session, self.clock, code_counters(valid.mailbox, origin))
        password_hash = await self.passwords.hash(form.password)
        async with self.database.transaction() as session:
            await self._insert(session, signup_id, valid, device, password_hash)
        return now + CODE_LIFETIME

    async def send_another_code(self, signup_id: UUID, origin: ClientOrigin) -> datetime:
        """Send a new code, which replaces the previous one. Returns when it expires.

        Raises SignupDisabled, SignupNotFound, SignupEnded, TooManyCodes, LockedOut.
        """
        self._require_enabled()
        async with self.database.transaction() as session:
            row = await self._lock(session, signup_id)
            if row.status != "unverified":
                raise SignupEnded
            if row.codes_sent >= MAX_CODES:
                raise TooManyCodes
            await count_attempt(session, self.clock, code_counters(row.mailbox, origin))
            code = generate_code()
            row.code_digest = code_digest(self.pepper, row.id, code)
            row.code_expires_at = self.clock.now() + CODE_LIFETIME
            row.code_attempts, row.codes_sent = 0, row.codes_sent + 1
            await session.flush()
            await self.sender.send_code(session, row, code)
            return row.code_expires_at

    async def enter_code(self, signup_id: UUID, code: str, origin: ClientOrigin) -> SignupResult:
        """Check the code, decide, and open the account, all of it once.

        Raises SignupDisabled, SignupNotFound, SignupEnded, SignupCodeWrong, SignupCodeExpired,
        LockedOut, CompanyInvalid, PlanNotFound.
        """
        self._require_enabled()
        stored = await self._count_guess(signup_id, origin)
        if not code_matches(stored, code_digest(self.pepper, signup_id, code)):
            raise SignupCodeWrong
        register = await self._ask_register(signup_id)
        async with self.database.transaction() as session:
            row = await self._lock(session, signup_id)
            if row.status != "unverified":
                raise SignupEnded
            # The final status follows from the decision, within this transaction.
            row.verified_at, row.status = self.clock.now(), "review"
            return await self._decide(session, row, register, origin)

    async def appeal(self, signup_id: UUID) -> Signup:
        """Ask for a review of a sign-up whose company has an account, once.

        Raises SignupDisabled, SignupNotFound, NotInReview.
        """
        self._require_enabled()
        async with self.database.transaction() as session:
            row = await self._lock(session, signup_id)
            is_refused = row.status == "refused" and row.decided_by is None
            if not is_refused or row.reasons != [Reason.COMPANY_HAS_ACCOUNT.value]:
                raise NotInReview("This sign-up cannot be reviewed.")
            row.appealed, register = True, RegisterAnswer.UNKNOWN
            if row.facts is not None:
                register = RegisterAnswer(row.facts["register"])
            await evaluate(session, self.clock, self.policy, self.pepper, row, register)
            row.status = "review"
            return row

    async def get(self, session: AsyncSession, signup_id: UUID) -> Signup:
        """Return a sign-up of the last day. Raises SignupNotFound."""
        row = await session.get(Signup, signup_id)
        if row is None or row.created_at <= self.clock.now() - SIGNUP_LIFETIME:
            raise SignupNotFound
        return row

    def _require_enabled(self) -> None:
        """Raise SignupDisabled if sign-up was switched off meanwhile."""
        if not self.policy.enabled:
            raise SignupDisabled

    async def _require_plan(self, session: AsyncSession, plan: str | None) -> None:
        """Raise PlanNotFound unless the plan is public; None is allowed."""
        if not plan:
            return
        offers = await list_public_offers(session, self.policy.currency)
        if plan not in {offer.version.plan for offer in offers}:
            raise plan_not_found(plan[:100], self.policy.currency)

    async def _insert(
        self,
        session: AsyncSession,
        signup_id: UUID,
        valid: ValidForm,
        device: str | None,
        password_hash: str,
    ) -> None:
        """Store a sign-up and queue its code, unless its id was stored meanwhile."""
        code, now = generate_code(), self.clock.now()
        inserted = await session.scalars(
            insert(Signup)
            .values(
                id=signup_id,
                status="unverified",
                password_hash=password_hash,
                device=None if device is None else bytes.fromhex(device),
                code_digest=code_digest(self.pepper, signup_id, code),
                code_expires_at=now + CODE_LIFETIME,
                code_attempts=0,
                codes_sent=1,
                created_at=now,
                reasons=[],
                appealed=False,
                note="",
                **valid.columns,
            )
            .on_conflict_do_nothing(index_elements=["id"])
            .returning(Signup)
        )
        row = inserted.one_or_none()
        if row is not None:
            await self.sender.send_code(session, row, code)

    async def _lock(self, session: AsyncSession, signup_id: UUID) -> Signup:
        """Lock and return a sign-up of the last day. Raises SignupNotFound."""
        await session.get(Signup, signup_id, with_for_update=True)
        return await self.get(session, signup_id)

    async def _count_guess(self, signup_id: UUID, origin: ClientOrigin) -> bytes:
        """Count a guess before it is checked; return the digest of the code.

        Raises SignupNotFound, SignupEnded, SignupCodeExpired, LockedOut.
        """
        now = self.clock.now()
        async with self.database.transaction() as session:
            await count_attempt(session, self.clock, guess_counters(origin))
            stored: bytes | None = await session.scalar(
                update(Signup)
                .where(
                    col(Signup.id) == signup_id,
                    col(Signup.status) == "unverified",
                    col(Signup.code_attempts) < MAX_CODE_ATTEMPTS,
                    col(Signup.code_expires_at) > now,
                    # A code from the future: the clock was set back, so its time is not known.
                    col(Signup.code_expires_at) <= now + 2 * CODE_LIFETIME,
                )
                .values(code_attempts=col(Signup.code_attempts) + 1)
                .returning(col(Signup.code_digest))
            )
        if stored is not None:
            return stored
        async with self.database.transaction() as session:
            row = await self.get(session, signup_id)
        raise SignupCodeExpired if row.status == "unverified" else SignupEnded

    async def _ask_register(self, signup_id: UUID) -> RegisterAnswer:
        """Ask the company register, outside any transaction."""
        if self.register is None:
            return RegisterAnswer.UNKNOWN
        query = select(Signup.company_name, Signup.credit_code).where(col(Signup.id) == signup_id)
        async with self.database.transaction() as session:
            name, credit_code = (await session.execute(query)).one()
        if credit_code is None:
            return RegisterAnswer.UNKNOWN
        return await self.register.check(name, credit_code)

    async def _decide(
        self, session: AsyncSession, row: Signup, register: RegisterAnswer, origin: ClientOrigin
    ) -> SignupResult:
        """Decide about a locked sign-up and carry the decision out."""
        made = await evaluate(session, self.clock, self.policy, self.pepper, row, register)
        outcome = made.decision.outcome
        if not made.decision.opens_account:
            row.status = "refused" if outcome is Outcome.REFUSE else "review"
            await self._tell_owners(session, row, made)
            return SignupResult(row)
        opened = await open_signup_account(session, self.clock, self.policy, row)
        row.status = "review" if outcome is Outcome.REVIEW else "opened"
        await session.flush()
        if outcome is Outcome.GRANT:
            actor = Actor(opened.person.id, origin.address)
            await give_grant(session, self.clock, self.policy, actor, row)
        key = await create_default_key(session, self.clock, self.pepper, opened, origin.address)
        new_session = await self._open_session(session, opened, origin)
        await session.flush()
        return SignupResult(row, opened.account, key, new_session)

    async def _open_session(
        self, session: AsyncSession, opened: OpenedAccount, origin: ClientOrigin
    ) -> NewSession | None:
        """Open a session for a new person; who was registered signs in with the own password."""
        if not opened.is_new_person:
            return None
        return await create_session(
            session, self.clock, opened.person.id, opened.account.id, origin
        )

    async def _tell_owners(self, session: AsyncSession, row: Signup, made: Evaluation) -> None:
        """E-mail the owners of the company's account that a colleague may want to join."""
        if Reason.COMPANY_HAS_ACCOUNT not in made.decision.reasons or row.appealed:
            return
        match = _best_match(made.company_accounts, row.credit_code)
        values = {"email": row.email, "link": f"{self.messages.links.dashboard}/team"}
        await self.messages.notify_owners(
            session, match.account_id, "signup_company", row.id.hex, values
        )


def _best_match(accounts: tuple[CompanyAccount, ...], credit_code: str | None) -> CompanyAccount:
    """Return the account with the same credit code, else the oldest with the same name."""
    return next(
        (one for one in accounts if credit_code and one.credit_code == credit_code), accounts[0]
    )
