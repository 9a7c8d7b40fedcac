"""Open a firm's account: limits, billing profile, API keys and users."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.account_creation import AccountLimits, open_account
from billing.accounts.profiles import NewProfile, update_profile
from billing.rating.plan_file import parse_plan_file
from billing.subscriptions.plans import publish_plan
from gateway.access.price_book import catalog_prices
from gateway.demo.calls import call_types_with_models
from gateway.demo.context import CURRENCY, PLANS, DemoAccount, DemoDependencies
from gateway.demo.dates import net_days
from gateway.demo.fapiao import add_buyer_title
from gateway.demo.firms import DemoUser, Firm
from gateway.demo.projects import add_project_members, create_keys
from gateway.identity.audit_log import CLI_ACTOR
from gateway.identity.client_origin import ClientOrigin
from gateway.identity.invitation_acceptance import Registration

_NANO = 10**9
_TAX_PPM = 60_000
_REQUESTS_PER_MINUTE, _TOKENS_PER_MINUTE, _CONCURRENT_STREAMS = 600, 200_000, 20
_ORIGIN = ClientOrigin("127.0.0.1", "maas demo")


async def publish_plans(deps: DemoDependencies) -> None:
    """Publish the demo's plans."""
    async with deps.database.transaction() as session:
        for file in sorted(PLANS.glob("*.toml")):
            terms = parse_plan_file(
                file.read_text("utf-8"), lambda currency: catalog_prices(deps.catalog, currency)
            )
            await publish_plan(session, deps.clock, terms, deps.are_plans_listed)


async def open_firm(deps: DemoDependencies, firm: Firm) -> DemoAccount:
    """Open the firm's account, create its projects and keys, and register its users."""
    async with deps.database.transaction() as session:
        account_id = await _open_account(session, deps, firm)
        issued = await create_keys(session, deps, account_id, firm)
    for user in firm.users:
        await _join(deps, account_id, user)
    await add_project_members(deps, account_id, firm)
    key_ids = {key.row.name: key.row.id for key in issued}
    call_types = call_types_with_models(deps.catalog, firm.call_types)
    account = DemoAccount(firm, account_id, key_ids, issued[0].secret, tuple(call_types))
    await add_buyer_title(deps, account)
    return account


async def _open_account(session: AsyncSession, deps: DemoDependencies, firm: Firm) -> UUID:
    """Open the firm's account with its limits and billing profile; return the account's id."""
    terms = AccountLimits(
        firm.credit_limit * _NANO, _REQUESTS_PER_MINUTE, _TOKENS_PER_MINUTE, _CONCURRENT_STREAMS
    )
    profile = NewProfile(tax_ppm=_TAX_PPM, net_days=net_days(firm, deps.dates))
    account = await open_account(session, deps.clock, firm.name, CURRENCY, terms, profile)
    await update_profile(
        session,
        account.id,
        email=firm.billing_email,
        billing_name=firm.billing_name,
        address=firm.address,
        tax_number=firm.tax_number,
    )
    return account.id


async def _join(deps: DemoDependencies, account_id: UUID, user: DemoUser) -> None:
    """Invite the user and accept the invitation at once; skip users who have not joined."""
    if not user.has_joined:
        return
    async with deps.database.transaction() as session:
        issued = await deps.invitations.invite(
            session, CLI_ACTOR, account_id, user.email, user.role
        )
    secret = issued.link.rpartition("/")[2]
    registration = Registration(user.name, deps.password)
    await deps.invitation_acceptance.accept(secret, registration, _ORIGIN)
