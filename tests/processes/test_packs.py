"""Prepaid packs: used to the last unit by two gateways, and never beyond it."""

import asyncio
from collections import Counter
from datetime import timedelta

from billing.prepaid.pack_offers import parse_pack_file, publish_pack
from billing.prepaid.redemption import count_voucher_attempt, redeem_voucher
from billing.prepaid.vouchers import NewBatch, create_voucher_batch
from infra.database.database import Database
from infra.settings import Settings
from tests.processes.clients import all_settled
from tests.processes.test_included import (  # noqa: F401  # fixtures
    CALLS,
    CLOCK,
    TOKENS,
    WORDS,
    call,
    caller,
    configured,
    database,
    fleet,
)
from tests.support.billing.making import count_all_usage
from tests.support.builders import CHAT
from tests.support.fleet import Fleet
from tests.support.stories.included import Subscriber, subscriber

UNITS = int(37.5 * (WORDS + TOKENS))
PACK = f"""
pack = "shared"
names = {{ en = "Shared", zh = "共享" }}
currency = "CNY"
model = "{CHAT}"
meter = "tokens"
units = {UNITS}
price = "1.00"
validity_days = 30
"""


async def given_pack(database: Database, firm: Subscriber) -> None:  # noqa: F811
    """Give an account the pack by a voucher, so that it has no money at all."""
    attempt = await count_voucher_attempt(database, CLOCK, firm.account_id)
    async with database.transaction() as session:
        await publish_pack(session, CLOCK, parse_pack_file(PACK))
        until = CLOCK.now() + timedelta(days=1)
        new = NewBatch("Fair", "CNY", 1, until, pack="shared")
        _, (code,) = await create_voucher_batch(session, CLOCK, new)
        await redeem_voucher(session, CLOCK, firm.account_id, code, attempt)


async def test_two_gateways_together_do_not_exceed_the_pack(
    fleet: Fleet,  # noqa: F811
    database: Database,  # noqa: F811
    configured: Settings,  # noqa: F811
) -> None:
    """120 calls at once, a pack for 37.5: every admitted call is free, all others are refused."""
    firm = await subscriber(database, configured, CLOCK)
    await given_pack(database, firm)
    async with caller(firm) as http:
        answers = await asyncio.gather(
            *(call(http, fleet.urls[count % 2]) for count in range(CALLS))
        )
    assert await firm.spent() == 0
    ((amount, used),) = (await firm.used()).values()
    assert amount == UNITS
    assert 0.9 * UNITS <= used <= UNITS
    assert Counter(answer.status for answer in answers)[200] in (35, 36, 37, 38)
    await all_settled(database)
    await count_all_usage(database, CLOCK)
    ((_, counted),) = (await firm.used()).values()
    assert counted == used
