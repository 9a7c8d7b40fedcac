"""Row cost check: a usage row with a wrong cost is reported and corrected."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from billing.metering.corrections import record_cost_correction
from billing.metering.leases import LeaseChange
from billing.metering.usage import UsageRecord
from billing.metering.usage_log import write_usage_batch
from billing.rating.plan_file import list_price_terms
from billing.rating.quantities import Quantities
from billing.reconciliation.history import get_rated_until
from billing.reconciliation.job import run_record_check
from billing.reconciliation.usage_and_quotas import reconcile
from billing.reconciliation.usage_rows import (
    MAX_WRONG,
    ROW_COSTS,
    RowCostCheck,
    WrongCost,
    check_row_costs,
)
from billing.subscriptions.plans import publish_plan
from billing.tables import QuotaKind, Settlement
from infra.database.database import Database
from infra.database.direct import DirectConnection
from tests.support.billing.making import (
    CLOCK,
    Customer,
    append,
    borrow,
    customer,
    differences,
    process,
    record,
    settled,
    sql,
    wish,
)

TERMS = list_price_terms("CNY", {"m": {"input_tokens": 500, "output_tokens": 2_000}})
QUOTA = str(UUID(int=7))


@pytest.fixture
async def of(database: Database) -> Customer:
    async with database.transaction() as session:
        await publish_plan(session, CLOCK, TERMS)
    return await customer(database)


def call(of: Customer, cost: int, **values: object) -> UsageRecord:
    """A call with two input tokens and one output token; its correct cost is 3,000 nano-units."""
    usual = {"quantities": Quantities(2, None, 1), "plan_version_id": TERMS.version_id()}
    return record(of, cost_nano=cost, **{**usual, **values})


async def rated(database: Database, since: int = 0) -> RowCostCheck:
    async with database.transaction() as session:
        return await check_row_costs(session, since)


class TestRowCostCheck:
    async def test_rows_with_correct_cost_are_not_reported(
        self, database: Database, of: Customer
    ) -> None:
        free = {"output_tokens": {QUOTA: 1}}
        await append(database, call(of, 3_000), call(of, 1_000, covered=free))
        found = await rated(database)
        assert (found.rows, found.wrong) == (2, ())
        assert found.until > 0

    async def test_row_without_tokens_that_costs_its_reservation_is_reported(
        self, database: Database, of: Customer
    ) -> None:
        """Earlier releases wrote such rows with the error code `hold_exceeded`."""
        none = Quantities(*[0] * 7)
        wrong = call(of, 202_400, quantities=none, error_code="hold_exceeded")
        await append(database, wrong, call(of, 3_000))
        found = await rated(database)
        assert found.wrong == (WrongCost(wrong.request_id, of.account_id, 202_400, 0),)
        assert found.until == 0

    async def test_row_that_charges_covered_units_is_reported(
        self, database: Database, of: Customer
    ) -> None:
        wrong = call(of, 3_000, covered={"output_tokens": {QUOTA: 1}})
        await append(database, wrong)
        assert [one.expected for one in (await rated(database)).wrong] == [1_000]

    async def test_unbilled_rows_and_rows_without_terms_are_not_checked(
        self, database: Database, of: Customer
    ) -> None:
        fault = call(of, 0, settlement=Settlement.PLATFORM_FAULT)
        unknown = call(of, 5, plan_version_id=UUID(int=1))
        await append(database, fault, unknown, call(of, 4, plan_version_id=None))
        assert (await rated(database)).wrong == ()

    async def test_rows_before_the_last_successful_check_are_not_checked_again(
        self, database: Database, of: Customer
    ) -> None:
        await append(database, call(of, 3_000))
        first = await rated(database)
        await append(database, call(of, 2_999))
        second = await rated(database, first.until)
        assert (first.rows, second.rows, len(second.wrong)) == (1, 1, 1)

    async def test_cursor_in_the_future_is_ignored(self, database: Database, of: Customer) -> None:
        await append(database, call(of, 3_000))
        assert (await rated(database, 1 << 60)).rows == 1

    async def test_number_of_reported_rows_is_limited(
        self, database: Database, of: Customer
    ) -> None:
        await append(database, *(call(of, 1) for _ in range(MAX_WRONG + 5)))
        assert len((await rated(database)).wrong) == MAX_WRONG


class TestNightlyRowCheck:
    async def test_check_resumes_after_the_last_run_without_differences(
        self, database: Database, of: Customer
    ) -> None:
        await self._spent(database, call(of, 3_000))
        assert await run_record_check(database, CLOCK) == 0
        assert (await self._until(database)) > 0
        before = await self._until(database)
        await self._spent(database, call(of, 4_000))
        assert await run_record_check(database, CLOCK) == 1
        assert await self._until(database) == before

    async def _spent(self, database: Database, *records: UsageRecord) -> None:
        await append(database, *records)
        cost = sum(one.cost_nano for one in records)
        await sql(
            database,
            "update quota set used = used + :cost where kind in ('credit', 'budget')",
            cost=cost,
        )

    async def _until(self, database: Database) -> int:
        async with database.transaction() as session:
            return await get_rated_until(session)


class TestCostCorrection:
    async def test_corrected_row_has_no_difference_and_budget_is_refunded(
        self, database: Database, connection: DirectConnection, of: Customer
    ) -> None:
        """Includes usage of a lease that the quota does not count yet."""
        mine = await process(database)
        for payer in of.payers:
            await borrow(database, mine, payer, 900)
        wrong = settled(
            of, 700, plan_version_id=TERMS.version_id(), quantities=Quantities(0, None, 0)
        )
        await write_usage_batch(connection, mine, [], [wrong])
        found = await differences(database)
        assert [(one.check, one.recorded, one.expected) for one in found] == [(ROW_COSTS, 700, 0)]
        async with database.transaction() as session:
            (one,) = (await check_row_costs(session)).wrong
            await record_cost_correction(
                session, CLOCK, one.account_id, one.request_id, one.recorded, 0
            )
        assert await differences(database) == ()
        standing = await wish(database, mine, {of.quota(QuotaKind.BUDGET): LeaseChange()})
        assert standing[of.quota(QuotaKind.BUDGET)].consumed == 0

    async def test_correction_of_an_earlier_month_leaves_the_current_budget_unchanged(
        self, database: Database, of: Customer
    ) -> None:
        old = call(of, 700, started_at=datetime(2026, 1, 5, tzinfo=UTC))
        await append(database, old)
        async with database.transaction() as session:
            await record_cost_correction(session, CLOCK, of.account_id, old.request_id, 700, 3_000)
        found = await sql(database, "select used from quota where kind = 'budget'")
        assert [row[0] for row in found] == [0]
        async with database.transaction() as session:
            assert ROW_COSTS not in {one.check for one in (await reconcile(session)).differences}

    async def test_cost_correction_row_cannot_be_updated(
        self, database: Database, of: Customer
    ) -> None:
        row = call(of, 700)
        await append(database, row)
        async with database.transaction() as session:
            await record_cost_correction(session, CLOCK, of.account_id, row.request_id, 700, 3_000)
        with pytest.raises(Exception, match="never changed"):
            await sql(database, "update usage_correction set cost_nano = 1")
