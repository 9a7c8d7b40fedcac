"""Quotas: limits, budgets and credit, and the quotas that a call counts toward."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError, NoResultFound

from billing.accounts.account_creation import AccountLimits
from billing.metering.key_epoch import AccessChanges, read_access_changes
from billing.metering.quotas import (
    LimitInvalid,
    QuotaRef,
    add_credit_entry,
    find_call_quotas,
    find_request_rate_quotas,
    list_quota_states,
    month_start,
    next_month_start,
    set_budget,
    set_credit_limit,
    set_limit,
    sum_credit_entries,
)
from billing.metering.usage_log import write_usage_batch
from billing.tables import CreditReason, QuotaKind
from infra.database.database import Database
from infra.database.direct import DirectConnection
from tests.support.billing.making import (
    CLOCK,
    Customer,
    borrow,
    customer,
    differences,
    process,
    settled,
    sql,
    with_key,
)

UNLIMITED = AccountLimits(credit_nano=1000, requests=None, tokens=None, streams=None)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


class At:
    """A clock that always returns the same time."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self) -> datetime:
        return self._moment

    def monotonic(self) -> float:
        return 0.0


async def over(database: Database, of: Customer, at: datetime | None = None) -> list[QuotaRef]:
    async with database.transaction() as session:
        return list(await find_call_quotas(session, of.account_id, of.key_id, at or CLOCK.now()))


async def budget(database: Database, of: Customer, at: datetime) -> QuotaRef:
    (found,) = [one for one in await over(database, of, at) if one.kind is QuotaKind.BUDGET]
    return found


async def credit(
    database: Database, of: Customer, amount: int, reason: CreditReason = CreditReason.TOP_UP
) -> int:
    async with database.transaction() as session:
        return await add_credit_entry(session, CLOCK, of.account_id, reason, amount, " why ")


class TestBudgetMonth:
    @pytest.mark.parametrize(
        ("moment", "start", "after"),
        [
            (datetime(2026, 11, 25, 8, 1, 2, 3, UTC), (2026, 11), (2026, 12)),
            (datetime(2026, 12, 31, 23, 59, 59, 999_999, UTC), (2026, 12), (2027, 1)),
            (datetime(2028, 2, 29, tzinfo=UTC), (2028, 2), (2028, 3)),
            # In Shanghai it is December already, but months are counted in UTC.
            (datetime(2026, 12, 1, 7, tzinfo=timezone(timedelta(hours=8))), (2026, 11), (2026, 12)),
        ],
    )
    def test_worked_examples_of_month_boundaries_in_utc(
        self, moment: datetime, start: tuple[int, int], after: tuple[int, int]
    ) -> None:
        assert month_start(moment) == datetime(*start, 1, tzinfo=UTC)
        assert next_month_start(moment) == datetime(*after, 1, tzinfo=UTC)

    @given(MOMENTS)
    def test_consecutive_months_have_no_gap(self, moment: datetime) -> None:
        assert month_start(moment) <= moment < next_month_start(moment)
        assert month_start(next_month_start(moment) - timedelta(microseconds=1)) == month_start(
            moment
        )


class TestCallQuotas:
    async def test_call_counts_toward_all_account_and_key_quotas(self, database: Database) -> None:
        of = await customer(database, AccountLimits(1000, 1, 2, 3))
        found = await over(database, of)
        assert [quota.id for quota in found] == sorted(quota.id for quota in found)
        assert {quota.kind: (quota.amount, quota.is_key_quota) for quota in found} == {
            QuotaKind.CREDIT: (1000, False),
            QuotaKind.BUDGET: (None, True),
            QuotaKind.REQUESTS: (1, False),
            QuotaKind.TOKENS: (2, False),
            QuotaKind.STREAMS: (3, False),
        }

    async def test_account_without_limits_still_has_credit_and_budget_quotas(
        self, database: Database
    ) -> None:
        of = await customer(database, UNLIMITED)
        assert {quota.kind for quota in await over(database, of)} == {
            QuotaKind.CREDIT,
            QuotaKind.BUDGET,
        }

    async def test_request_without_key_counts_only_toward_the_account_request_rate(
        self, database: Database
    ) -> None:
        """Neither a key's rate nor any other account quota applies."""
        of = await customer(database, AccountLimits(1000, 7, 2, 3))
        async with database.transaction() as session:
            await set_limit(session, of.account_id, QuotaKind.REQUESTS, 5, of.key_id)
        async with database.transaction() as session:
            found = await find_request_rate_quotas(session, of.account_id)
        (own,) = (
            quota.id
            for quota in await over(database, of)
            if quota.kind is QuotaKind.REQUESTS and not quota.is_key_quota
        )
        assert found == (QuotaRef(own, QuotaKind.REQUESTS, False, 7),)

    async def test_request_without_key_has_no_quota_if_the_account_has_no_request_rate(
        self, database: Database
    ) -> None:
        of = await customer(database, UNLIMITED)
        async with database.transaction() as session:
            await set_limit(session, of.account_id, QuotaKind.REQUESTS, 5, of.key_id)
            assert await find_request_rate_quotas(session, of.account_id) == ()

    async def test_keys_of_one_account_share_only_the_credit_quota(
        self, database: Database
    ) -> None:
        of = await customer(database, UNLIMITED)
        other = await with_key(database, of.account_id)
        async with database.transaction() as session:
            await set_limit(session, of.account_id, QuotaKind.STREAMS, 1, other.key_id)
        assert QuotaKind.STREAMS not in {quota.kind for quota in await over(database, of)}
        assert QuotaKind.STREAMS in {quota.kind for quota in await over(database, other)}
        shared = {quota.id for quota in await over(database, of)} & {
            quota.id for quota in await over(database, other)
        }
        assert shared == {of.quota(QuotaKind.CREDIT)}

    async def test_key_of_another_account_raises_no_result_found(self, database: Database) -> None:
        of, stranger = await customer(database), await customer(database, name="B")
        async with database.transaction() as session:
            with pytest.raises(NoResultFound):
                await find_call_quotas(session, of.account_id, stranger.key_id, CLOCK.now())

    async def test_concurrent_lookups_create_the_monthly_budget_once(
        self, database: Database
    ) -> None:
        of = await customer(database)
        later = CLOCK.now() + timedelta(days=40)
        found = await asyncio.gather(*(over(database, of, later) for _ in range(4)))
        assert all(one == found[0] for one in found)


class TestLimitChange:
    async def test_limit_is_set_changed_and_removed(self, database: Database) -> None:
        of = await customer(database, UNLIMITED)
        for amount in (5, 0, None):
            async with database.transaction() as session:
                await set_limit(session, of.account_id, QuotaKind.TOKENS, amount)
            found = {quota.kind: quota.amount for quota in await over(database, of)}
            assert found.get(QuotaKind.TOKENS) == amount

    async def test_limit_budget_and_credit_changes_advance_the_access_epoch(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of = await customer(database)
        before = await read_access_changes(connection, 0)
        async with database.transaction() as session:
            await set_limit(session, of.account_id, QuotaKind.TOKENS, 5)
            await set_budget(session, CLOCK, of.account_id, of.key_id, 5)
        await credit(database, of, 5)
        told = await read_access_changes(connection, before.epoch)
        assert told == AccessChanges(before.epoch + 3, frozenset({of.account_id}))

    @pytest.mark.parametrize("amount", [-1, 10**18 + 1])
    async def test_limit_out_of_range_is_rejected(self, database: Database, amount: int) -> None:
        of = await customer(database)
        with pytest.raises(LimitInvalid):
            async with database.transaction() as session:
                await set_limit(session, of.account_id, QuotaKind.TOKENS, amount)
        with pytest.raises(LimitInvalid):
            async with database.transaction() as session:
                await set_budget(session, CLOCK, of.account_id, of.key_id, amount)

    async def test_quota_list_includes_kinds_without_limit(self, database: Database) -> None:
        of = await customer(database, UNLIMITED)
        async with database.transaction() as session:
            listed = await list_quota_states(session, of.account_id)
        assert [quota.kind for quota in listed] == [
            QuotaKind.CREDIT,
            QuotaKind.REQUESTS,
            QuotaKind.TOKENS,
            QuotaKind.STREAMS,
            QuotaKind.BUDGET,
        ]

    async def test_quota_list_counts_used_units_of_open_leases(
        self, database: Database, connection: DirectConnection
    ) -> None:
        of, mine = await customer(database, UNLIMITED), await process(database)
        for payer in of.payers:
            await borrow(database, mine, payer, 1000)
        await write_usage_batch(connection, mine, [], [settled(of, 300)])
        async with database.transaction() as session:
            credit = (await list_quota_states(session, of.account_id))[0]
        assert (credit.used, credit.leased) == (300, 700)


class TestKeyBudget:
    MARCH = datetime(2027, 3, 31, 23, 59, 59, 999_999, UTC)
    APRIL = datetime(2027, 4, 1, tzinfo=UTC)

    async def test_each_month_starts_with_the_full_budget(self, database: Database) -> None:
        of = await customer(database)
        async with database.transaction() as session:
            await set_budget(session, At(self.MARCH), of.account_id, of.key_id, 700)
        march, april = (
            await budget(database, of, self.MARCH),
            await budget(database, of, self.APRIL),
        )
        assert (march.amount, april.amount) == (700, 700)
        assert march.id != april.id

    async def test_budget_change_leaves_earlier_months_unchanged(self, database: Database) -> None:
        of = await customer(database)
        async with database.transaction() as session:
            await set_budget(session, At(self.MARCH), of.account_id, of.key_id, 700)
        async with database.transaction() as session:
            await set_budget(session, At(self.APRIL), of.account_id, of.key_id, 5)
        assert (await budget(database, of, self.MARCH)).amount == 700
        assert (await budget(database, of, self.APRIL)).amount == 5

    async def test_removed_budget_keeps_its_usage_quota(self, database: Database) -> None:
        of = await customer(database)
        async with database.transaction() as session:
            await set_budget(session, At(self.MARCH), of.account_id, of.key_id, 700)
            await set_budget(session, At(self.MARCH), of.account_id, of.key_id, None)
        assert (await budget(database, of, self.MARCH)).amount is None


class TestCreditEntries:
    async def test_credit_is_the_sum_of_its_entries(self, database: Database) -> None:
        of = await customer(database)
        assert await credit(database, of, 500) == 1500
        assert await credit(database, of, -300, CreditReason.CREDIT_LIMIT) == 1200
        async with database.transaction() as session:
            assert await sum_credit_entries(session, of.account_id) == 1200
            assert await sum_credit_entries(session, of.account_id, CreditReason.TOP_UP) == 500
        limits = {quota.kind: quota.amount for quota in await over(database, of)}
        assert limits[QuotaKind.CREDIT] == 1200
        assert await differences(database) == ()

    @pytest.mark.parametrize("amount", [-1001, 10**18, 10**18 + 1, -(10**18) - 1])
    async def test_credit_entry_out_of_range_is_rejected_and_not_stored(
        self, database: Database, amount: int
    ) -> None:
        of = await customer(database)
        with pytest.raises(LimitInvalid):
            await credit(database, of, amount)
        async with database.transaction() as session:
            assert await sum_credit_entries(session, of.account_id) == 1000
        assert await differences(database) == ()

    async def test_repeated_credit_limit_creates_no_second_entry(self, database: Database) -> None:
        of = await customer(database)
        await credit(database, of, 500)
        for before, limit in ((1000, 250), (250, 250), (250, 400)):
            async with database.transaction() as session:
                assert await set_credit_limit(session, CLOCK, of.account_id, limit) == before
        async with database.transaction() as session:
            assert await sum_credit_entries(session, of.account_id) == 900
        rows = await sql(database, "select amount_nano from credit_entry order by id")
        assert [row[0] for row in rows] == [1000, 500, -750, 150]
        with pytest.raises(LimitInvalid):
            async with database.transaction() as session:
                await set_credit_limit(session, CLOCK, of.account_id, -1)

    async def test_credit_can_be_reduced_to_zero(self, database: Database) -> None:
        of = await customer(database)
        assert await credit(database, of, -1000) == 0

    async def test_concurrent_credit_entries_are_all_counted(self, database: Database) -> None:
        of = await customer(database)
        await asyncio.gather(*(credit(database, of, 10) for _ in range(10)))
        async with database.transaction() as session:
            assert await sum_credit_entries(session, of.account_id) == 1100
        assert await differences(database) == ()

    async def test_long_note_is_trimmed_and_truncated_to_500_characters(
        self, database: Database
    ) -> None:
        of = await customer(database)
        async with database.transaction() as session:
            reason = CreditReason.TOP_UP
            await add_credit_entry(session, CLOCK, of.account_id, reason, 1, f" {'x' * 600}")
        notes = "select note from credit_entry where reason = 'top_up'"
        assert await sql(database, notes) == [("x" * 500,)]

    @pytest.mark.parametrize(
        "statement", ["update credit_entry set amount_nano = 1", "delete from credit_entry"]
    )
    async def test_credit_entry_cannot_be_updated_or_deleted(
        self, database: Database, statement: str
    ) -> None:
        await customer(database)
        with pytest.raises(DBAPIError, match="never changed"):
            await sql(database, statement)
