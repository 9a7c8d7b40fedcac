"""Opening: a firm's account with how it is billed, its keys and its people."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.account_creation import Terms, open_account
from billing.accounts.profiles import NewProfile, change_profile
from billing.rating.plan_file import read_plan_file
from billing.subscriptions.plans import publish
from gateway.access.api_keys import create_key
from gateway.access.price_book import catalog_prices
from gateway.demo.calls import callable_works
from gateway.demo.dates import net_days
from gateway.demo.firms import Firm, Somebody
from gateway.demo.opened import CURRENCY, PLANS, Opened, Tools
from gateway.identity.audit_log import COMMAND_LINE
from gateway.identity.client_origin import Place
from gateway.identity.invitation_acceptance import Newcomer

_NANO = 10**9
_TAX_PPM = 60_000
_REQUESTS, _TOKENS, _STREAMS = 600, 200_000, 20
_PLACE = Place("127.0.0.1", "maas demo")


async def publish_plans(tools: Tools) -> None:
    """The plans that firms of the demo are on, or could be."""
    async with tools.database.transaction() as session:
        for file in sorted(PLANS.glob("*.toml")):
            terms = read_plan_file(
                file.read_text("utf-8"), lambda currency: catalog_prices(tools.catalog, currency)
            )
            await publish(session, tools.clock, terms, tools.listed)


async def open_firm(tools: Tools, firm: Firm) -> Opened:
    """Make the account with its keys, then let its people in."""
    async with tools.database.transaction() as session:
        account_id = await _account(session, tools, firm)
        issued = [
            await create_key(session, tools.clock, tools.pepper, account_id, key.name)
            for key in firm.keys
        ]
    for somebody in firm.people:
        await _let_in(tools, account_id, somebody)
    keys = {one.row.name: one.row.id for one in issued}
    works = callable_works(tools.catalog, firm.works)
    return Opened(firm, account_id, keys, issued[0].secret, tuple(works))


async def _account(session: AsyncSession, tools: Tools, firm: Firm) -> UUID:
    terms = Terms(firm.credit * _NANO, _REQUESTS, _TOKENS, _STREAMS)
    profile = NewProfile(tax_ppm=_TAX_PPM, net_days=net_days(firm, tools.dates))
    account = await open_account(session, tools.clock, firm.name, CURRENCY, terms, profile)
    await change_profile(
        session,
        account.id,
        email=firm.billing_email,
        billing_name=firm.billing_name,
        address=firm.address,
        tax_number=firm.tax_number,
    )
    return account.id


async def _let_in(tools: Tools, account_id: UUID, somebody: Somebody) -> None:
    """By an invitation, as everybody comes; its link is used at once."""
    if not somebody.joined:
        return
    async with tools.database.transaction() as session:
        place = (COMMAND_LINE, account_id, somebody.email, somebody.role)
        issued = await tools.inviting.invite(session, *place)
    secret = issued.link.rpartition("/")[2]
    newcomer = Newcomer(somebody.name, tools.password)
    await tools.accepting.accept(secret, newcomer, _PLACE)
