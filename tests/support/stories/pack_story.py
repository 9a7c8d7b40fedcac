"""Steps of stories with prepaid packs: publishing, buying and calls that use packs."""

from collections import Counter
from dataclasses import replace
from typing import Any
from uuid import UUID

from billing.metering.packs import PackQuotaRef, find_usable_packs
from billing.metering.usage import insert_usage
from billing.prepaid.pack_jobs import run_pack_jobs
from billing.prepaid.pack_offers import parse_pack_file, publish_pack
from billing.prepaid.pack_purchases import BoughtPack, PackMethod, buy_pack, get_purchase
from billing.prepaid.pack_refunds import PackRefund, refund_pack
from billing.rating.quantities import Quantities, call_cost
from billing.rating.statement import unit_prices
from billing.subscriptions.plans import load_terms
from billing.tables import Pack, PackPurchase
from tests.support.billing.making import call, sql
from tests.support.stories.story import Firm, Story

ROWS_1000 = """
pack = "rows_1000"
names = { en = "1,000 rows", zh = "1000 行推理" }
currency = "CNY"
model = "vib"
meter = "rows"
units = 1_000
price = "0.80"
validity_days = 30
"""
TOKENS = """
pack = "tokens"
names = { en = "Tokens", zh = "Token 包" }
currency = "CNY"
model = "llm"
meter = "tokens"
units = 1_000
price = "1.00"
validity_days = 90
"""


async def funded(story: Story, amount: str = "10", **profile: Any) -> Firm:
    """A firm with money in its wallet and no credit limit."""
    firm = await story.firm(credit="0", tax_ppm=60_000, **profile)
    await firm.tops_up(amount, "start")
    return firm


async def offers(story: Story, text: str = ROWS_1000) -> Pack:
    """Publish a pack."""
    async with story.database.transaction() as session:
        return await publish_pack(session, story.clock, parse_pack_file(text))


async def buys(
    firm: Firm, name: str = "rows_1000", method: str = "wallet", key: str = "purchase-1"
) -> PackPurchase:
    """Buy a pack."""
    story = firm.story
    async with story.database.transaction() as session:
        return await buy_pack(session, story.clock, firm.account.id, key, name, PackMethod(method))


async def bought(firm: Firm, purchase: PackPurchase) -> BoughtPack:
    """The purchase as it is now."""
    async with firm.story.database.transaction() as session:
        return await get_purchase(session, firm.account.id, purchase.id)


async def usable(firm: Firm) -> list[PackQuotaRef]:
    """The quotas of packs that a call now may use, in order."""
    async with firm.story.database.transaction() as session:
        found = await find_usable_packs(session, firm.account.id, firm.story.clock.now())
    return list(found.quotas)


async def refunds(firm: Firm, purchase: PackPurchase, to_customer: bool = False) -> PackRefund:
    """Refund the unused units of a pack."""
    story = firm.story
    async with story.database.transaction() as session:
        place = (firm.account.id, purchase.id, "not needed")
        return await refund_pack(session, story.clock, *place, to_customer=to_customer)


async def pack_jobs(story: Story) -> int:
    """Run the periodic work on packs."""
    return await run_pack_jobs(story.database, story.clock)


async def uses(
    firm: Firm, model: str, covered: dict[str, dict[UUID, int]], counted: bool = True, **units: int
) -> None:
    """Record one call now, of whose units these are covered by packs (by meter and purchase)."""
    story = firm.story
    async with story.database.transaction() as session:
        version, terms = await story.terms_at(session, firm, model, story.clock.now())
        terms = (await load_terms(session, [version]))[version]
        quantities = Quantities(**units)
        of_meter = {meter: sum(parts.values()) for meter, parts in covered.items()}
        row = replace(
            call(firm.account.id, story.clock.now(), 0),
            model=model,
            quantities=quantities,
            cost_nano=call_cost(quantities, unit_prices(terms, model), of_meter),
            plan_version_id=version,
            covered={
                meter: {str(purchase): count for purchase, count in parts.items()}
                for meter, parts in covered.items()
            },
        )
        await insert_usage(session, [row])
    taken: Counter[UUID] = Counter()
    for parts in covered.values():
        taken.update(parts)
    for purchase, count in taken.items():
        take = "update quota set used = used + :n where id = :id"
        await sql(story.database, take, n=count, id=purchase)
    charge = "update quota set used = used + :n where account_id = :of and kind = 'credit'"
    await sql(story.database, charge, n=row.cost_nano, of=firm.account.id)
    if counted:
        await story.counts()
