"""Several workers: each account is billed once, however many workers run the jobs."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from billing.cycle import aggregate_and_refresh_credit, bill_accounts
from infra.database.database import Database
from tests.support.nightly import at_length
from tests.support.stories.plan_texts import GROWTH
from tests.support.stories.story import Firm, Story


@pytest.fixture
async def workers(database_url: str) -> AsyncIterator[list[Database]]:
    """The databases of three workers."""
    made = [Database(database_url, pool_size=3) for _ in range(3)]
    yield made
    for one in made:
        await one.close()


async def test_three_concurrent_workers_bill_each_account_once(
    story: Story, workers: list[Database]
) -> None:
    """8 accounts (20 in the nightly run), each on Growth; account n uses n x 1,000 rows.

    Account n: n x 1,000 rows x 0.001 = n.00, and November's fee of 310.00. Three workers run all
    jobs at once, twice each, within the grace period and after it: every account has two invoices,
    and the invoice numbers are consecutive and unique.
    """
    growth = await story.plan(GROWTH)
    firms: list[Firm] = []
    for n in range(1, at_length(20, 8) + 1):
        firm = await story.firm(f"Firm {n:02d}")
        await firm.subscribe(growth)
        firms.append(firm)
    story.clock.set(2026, 10, 20)
    for n, firm in enumerate(firms, 1):
        await firm.use("vib", rows=n * 1_000)
    for hour in (0, 1):
        story.clock.set(2026, 11, 1, hour)
        await asyncio.gather(*(bill_accounts(worker, story.clock) for worker in workers * 2))
    numbers: list[int | None] = []
    for n, firm in enumerate(firms, 1):
        fee, cycle = await firm.invoices()
        assert (firm.text(fee.total), firm.text(cycle.total)) == ("310.00", f"{310 + n}.00")
        numbers += [fee.number, cycle.number]
        await firm.pays_all()
    assert sorted(number or 0 for number in numbers) == list(range(1, 2 * len(firms) + 1))
    assert await story.differences() == ()


async def test_usage_written_during_aggregation_is_billed_once(
    story: Story, workers: list[Database]
) -> None:
    """60 calls of 1,000 rows are written while three workers aggregate: 60 x 1.00, each once."""
    firm = await story.firm()
    story.clock.set(2026, 10, 31, 23)

    async def write() -> None:
        for _ in range(20):
            await firm.use("vib", rows=1_000)

    async def count(worker: Database) -> None:
        for _ in range(10):
            await aggregate_and_refresh_credit(worker, story.clock)

    await asyncio.gather(write(), write(), write(), *(count(worker) for worker in workers))
    await story.until(2026, 11, 1, 1)
    (cycle,) = await firm.invoices()
    assert await firm.lines(cycle) == [("usage", "vib", "rows", 60_000, 0, "60.00")]
    assert (await firm.pays(cycle, "60.00")).status == "paid"
    assert await story.differences() == ()
