"""Opens the account of a sign-up and gives its starting grant, within the caller's transaction."""

from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.account_creation import open_account
from billing.accounts.companies import register_company
from billing.accounts.profiles import NewProfile, update_profile
from billing.invoices.available_credit import refresh_account_credit
from billing.ledger.wallets import TopUpRequest, top_up_wallet
from billing.money import minor_text
from billing.plan_changes.offers import find_offer, take_plan
from billing.subscriptions.plans import PlanNotFound
from billing.tables import Account, WalletGrant
from gateway.access.api_keys import IssuedKey, create_key
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.identity.memberships import add_member
from gateway.identity.people import create_person
from gateway.identity.roles import Role
from gateway.signups.policy import SignupPolicy
from gateway.tables import Person, Signup
from infra import ids
from infra.clock import Clock

SIGNUP_ID_PREFIX = "signup"
KEY_NAME = "default"
# Used before credit that was paid for.
_GRANT_PRIORITY = 10


@dataclass(frozen=True, slots=True)
class OpenedAccount:
    """An account that was just opened. `is_new_person`: the entered password is the person's."""

    account: Account
    person: Person
    is_new_person: bool


async def open_signup_account(
    session: AsyncSession, clock: Clock, policy: SignupPolicy, row: Signup
) -> OpenedAccount:
    """Open the account of a locked sign-up, with its owner, billing profile and plan.

    A registered person keeps the password and becomes the owner too. Raises CompanyInvalid if
    another account has the credit code.
    """
    name, profile = await _free_account_name(session, row), NewProfile(locale=row.language)
    account = await open_account(
        session, clock, name, policy.currency, policy.account_limits, profile
    )
    await register_company(session, clock, account.id, row.company_name, row.credit_code)
    await update_profile(
        session,
        account.id,
        email=row.email,
        tax_number=row.credit_code or "",
        billing_name=row.company_name,
    )
    person, is_new = await _find_or_create_owner(session, clock, row)
    await add_member(session, clock, person.id, account.id, Role.OWNER)
    await _take_plan_if_offered(session, clock, row, account.id)
    row.account_id, row.person_id, row.password_hash = account.id, person.id, None
    await record_audit_event(
        session,
        clock,
        Actor(person.id, row.address),
        account.id,
        "account.signed_up",
        ids.format_id(SIGNUP_ID_PREFIX, row.id),
        {"email": row.email, "credit_code": row.credit_code or ""},
    )
    return OpenedAccount(account, person, is_new)


async def create_default_key(
    session: AsyncSession, clock: Clock, pepper: bytes, opened: OpenedAccount, address: str
) -> IssuedKey:
    """Create the account's first key; its secret is shown to the person once."""
    actor = Actor(opened.person.id, address)
    return await create_key(session, clock, pepper, opened.account.id, KEY_NAME, actor=actor)


async def give_grant(
    session: AsyncSession, clock: Clock, policy: SignupPolicy, actor: Actor, row: Signup
) -> WalletGrant | None:
    """Give the starting grant of a sign-up with an account; None if the amount is zero.

    The sign-up's id is the grant's business key: a second call gives nothing more, unless the
    grant was revoked meanwhile.
    """
    minor = policy.grant_minor(row.plan)
    if not minor or row.account_id is None:
        return None
    request = TopUpRequest(
        minor,
        paid=False,
        priority=_GRANT_PRIORITY,
        expires_at=clock.now() + policy.grant_lifetime,
    )
    name = ids.format_id(SIGNUP_ID_PREFIX, row.id)
    business_key = name if row.revoked_at is None else f"{name}:again"
    grant = await top_up_wallet(session, clock, row.account_id, business_key, request)
    await refresh_account_credit(session, clock, row.account_id)
    row.grant_id, row.revoked_at = grant.id, None
    details = {"amount": minor_text(minor, policy.currency)}
    await record_audit_event(session, clock, actor, row.account_id, "signup.granted", name, details)
    return grant


async def _free_account_name(session: AsyncSession, row: Signup) -> str:
    """Return the company's name, with its code or the sign-up's id if an account has the name."""
    suffix = row.credit_code or row.id.hex[-12:]
    taken = select(Account.id).where(col(Account.name) == row.company_name)
    is_taken = (await session.execute(taken)).first() is not None
    return f"{row.company_name} ({suffix})" if is_taken else row.company_name


async def _take_plan_if_offered(
    session: AsyncSession, clock: Clock, row: Signup, account_id: UUID
) -> None:
    """Subscribe to the plan of a sign-up; list prices apply if it is no longer offered."""
    if row.plan is None:
        return
    try:
        offer = await find_offer(session, account_id, row.plan)
    except PlanNotFound:
        structlog.get_logger().warning("the plan of a sign-up is not offered", plan=row.plan)
        row.plan = None
        return
    await take_plan(session, clock, account_id, offer)


async def _find_or_create_owner(
    session: AsyncSession, clock: Clock, row: Signup
) -> tuple[Person, bool]:
    """Return the person of a sign-up, and whether it was created now."""
    created = None
    if row.password_hash is not None:
        created = await create_person(
            session, clock, row.email, row.contact_name, row.password_hash, row.language
        )
    if created is not None:
        return created, True
    query = select(Person).where(col(Person.email) == row.email)
    return (await session.scalars(query)).one(), False
